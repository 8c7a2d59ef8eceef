/**
 * What a node must remember when its databases are lost: to which network it belongs, and where some members were.
 * Spec: docs/specs/repair.md, "Anchor".
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { idBytes, idFrom, type NetworkId, type NodeId } from '../ids.ts'
import { writePrivateFile } from './identity.ts'

export interface Anchor {
  readonly network: NetworkId
  readonly addresses: readonly { readonly node: NodeId; readonly addresses: readonly string[] }[]
}

const FILE = 'anchor'
const ANCHOR_MAX_BYTES = 256 * 1024
const MEMBERS_MAX = 20
const ADDRESSES_MAX = 16
const anchorShape = shape.object({
  v: shape.uint(1),
  network: shape.bytes(32),
  addresses: shape.array(shape.tuple(shape.text(128, 1), shape.array(shape.text(512, 1), ADDRESSES_MAX)), MEMBERS_MAX),
})

/** Null when there is none, or none that can be read: then the ledger alone says which network it is. */
export function readAnchor(folder: string): Anchor | null {
  try {
    const { network, addresses } = anchorShape(decodeCbor(readFileSync(join(folder, FILE)), ANCHOR_MAX_BYTES))
    return {
      network: idFrom<NetworkId>(network),
      addresses: addresses.map(([node, list]) => ({ node: node as NodeId, addresses: list })),
    }
  } catch {
    return null
  }
}

export function writeAnchor(folder: string, { network, addresses }: Anchor): void {
  const listed = addresses
    .slice(0, MEMBERS_MAX)
    .map(({ node, addresses: list }): [string, string[]] => [node, list.slice(0, ADDRESSES_MAX)])
  writePrivateFile(join(folder, FILE), encodeCbor({ v: 1, network: idBytes(network), addresses: listed }))
}
