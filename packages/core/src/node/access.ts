/**
 * Who is served what. Any member may fetch sealed chunks and boxes of open access epochs, so that it can hold what it
 * cannot read; those of a closed epoch go only to who proves to have the newer key. Spec: docs/specs/transfer.md, boxes.md.
 */
import type { SharedEpoch, SharedReads, SharedVersion, Sharing } from '../catalogue/index.ts'
import { proveKey, verifyKeyProof } from '../crypto/index.ts'
import {
  type BoxHash,
  type FileId,
  idBytes,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
  type Root,
} from '../ids.ts'
import type { LiveVersion } from '../replication/index.ts'

export interface AccessInit {
  readonly network: NetworkId
  readonly self: NodeId
  readonly reads: SharedReads
  readonly sharing: () => Sharing
  readonly isServed: (peer: NodeId) => boolean
  versionOfRoot(root: Root): SharedVersion | null
  /** the file and access epoch of a version's box; null for a box that belongs to an audience or to nothing known */
  boxOwner(hash: BoxHash): { file: FileId; epoch: number } | null
}

export interface Access {
  mayFetch(peer: NodeId, root: Root, proof: Uint8Array | undefined): boolean
  /** what to show to a peer that has chunks of a closed epoch; undefined where nothing needs showing or can be shown */
  proofFor(root: Root, peer: NodeId): Uint8Array | undefined
  mayServeBox(peer: NodeId, hash: BoxHash): boolean
  /** For a listed holder that has no key: asks for a ticket where one is needed. @returns whether one has just come */
  seekTicket(root: Root): Promise<boolean>
  /** False for chunks of which this node had the key and was denied since. */
  mayHold(version: LiveVersion): boolean
}

export function createAccess(init: AccessInit): Access {
  const { network, reads } = init

  function currentEpoch(file: FileId): SharedEpoch | null {
    const shared = reads.file(file)
    if (shared == null || shared.state === 'purged') return null
    return reads.epochs(file).find((each) => each.epoch === shared.epoch) ?? null
  }

  /** The file's present access epoch, for a version of an older one; null for one that is open, or not known. */
  function closedBy(root: Root): SharedEpoch | null {
    const version = init.versionOfRoot(root)
    const epoch = version === null ? null : currentEpoch(version.file)
    return version === null || epoch === null || version.epoch >= epoch.epoch ? null : epoch
  }

  /** Bound to who asks whom for what, so that a proof cannot be shown by another. */
  const proofParts = (root: Root, asker: NodeId, server: NodeId) => [
    idBytes(root),
    publicKeyFromNodeId(asker),
    publicKeyFromNodeId(server),
  ]

  return {
    mayFetch(peer, root, proof) {
      if (!init.isServed(peer)) return false
      const version = init.versionOfRoot(root)
      const epoch = version === null ? null : currentEpoch(version.file)
      if (version === null || epoch === null) return false
      if (version.epoch >= epoch.epoch) return true
      if (proof === undefined) return false
      return (
        verifyKeyProof(network, epoch.proof, version.file, proof, ...proofParts(root, peer, init.self)) ||
        init.sharing().tickets.isGood(proof, root, peer, epoch)
      )
    },
    proofFor(root, peer) {
      const epoch = closedBy(root)
      if (epoch === null) return undefined
      const { keyring, tickets } = init.sharing()
      const keys = keyring.fileKey(epoch.file, epoch.epoch)
      if (keys !== null) return proveKey(keys, ...proofParts(root, init.self, peer))
      return tickets.get(root) ?? undefined
    },
    async seekTicket(root) {
      const epoch = closedBy(root)
      const { keyring, tickets } = init.sharing()
      if (epoch === null || keyring.fileKey(epoch.file, epoch.epoch) !== null || tickets.get(root) !== null)
        return false
      return await tickets.acquire(root)
    },
    mayServeBox(peer, hash) {
      if (!init.isServed(peer)) return false
      const owner = init.boxOwner(hash)
      if (owner === null) return true
      const epoch = currentEpoch(owner.file)
      return epoch !== null && owner.epoch >= epoch.epoch
    },
    mayHold(version) {
      const epoch = init.versionOfRoot(version.shape.root)?.epoch
      const gaveUp = init.sharing().views.gaveUp(version.file)
      return epoch !== undefined && (gaveUp === null || epoch > gaveUp)
    },
  }
}
