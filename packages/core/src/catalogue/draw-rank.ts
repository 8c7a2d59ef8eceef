/** The draw of a departed branch's files. Spec: docs/specs/files.md, "The draw". Pure. */
import { domain, sha256 } from '../crypto/index.ts'
import { type EntryId, type FileId, idBytes, type NetworkId, type NodeId, publicKeyFromNodeId } from '../ids.ts'

/** Acceptances no further apart than this were made at the same time: the rank decides. */
export const DRAW_WINDOW_MS = 10 * 60_000

/** 32 bytes; the lowest comes first. @param seed the `leave`, or the `expel` that made it final */
export function drawRank(network: NetworkId, seed: EntryId, file: FileId, node: NodeId): Uint8Array {
  return sha256(domain('draw', network), idBytes(seed), idBytes(file), publicKeyFromNodeId(node))
}

/** Candidates, best rank first. */
export function drawOrder(network: NetworkId, seed: EntryId, file: FileId, candidates: readonly NodeId[]): NodeId[] {
  return candidates
    .map((node) => ({ node, rank: drawRank(network, seed, file, node) }))
    .sort((a, b) => Buffer.compare(a.rank, b.rank))
    .map(({ node }) => node)
}

/**
 * Of acceptances that had not seen each other: among those within the window of the earliest, the best rank.
 * Taking the window from the earliest makes it one winner whatever their number.
 */
export function drawWinner<A extends { readonly node: NodeId; readonly ms: number }>(
  network: NetworkId,
  seed: EntryId,
  file: FileId,
  accepts: readonly A[],
): A | undefined {
  const earliest = Math.min(...accepts.map(({ ms }) => ms))
  const near = accepts.filter(({ ms }) => ms - earliest <= DRAW_WINDOW_MS)
  const [best] = drawOrder(
    network,
    seed,
    file,
    near.map(({ node }) => node),
  )
  return near.find(({ node }) => node === best)
}
