/**
 * Who should hold a version: weighted rendezvous hashing (Thaler & Ravishankar 1998; weights as in Schindelhauer &
 * Schomaker 2005) over file id and member id. Every node computes the same list, also one that cannot read the file, and
 * a member that comes or goes moves only its own share. Spec: docs/specs/placement.md.
 */
import { domain, sha256First48 } from '../crypto/index.ts'
import { type FileId, idBytes, type NetworkId, type NodeId, publicKeyFromNodeId } from '../ids.ts'

export interface PlacementMember {
  readonly node: NodeId
  /** from the member's `capacity` entry; 0 holds nothing for others */
  readonly weight: number
}

export interface PlacementInput {
  readonly network: NetworkId
  readonly file: FileId
  /** current machine of the owning branch; null for an orphan */
  readonly owner: NodeId | null
  readonly members: readonly PlacementMember[]
  /** listed members that may not or cannot hold this version, or are gone for longer than the grace: the next stands in */
  readonly standsAside: (node: NodeId) => boolean
  readonly target: number
}

/** The holders that the file should have, the owner first. Shorter than `target` when too few can hold it. */
export function placementList(input: PlacementInput): NodeId[] {
  const list: NodeId[] = []
  if (input.owner !== null && !input.standsAside(input.owner)) list.push(input.owner)
  for (const node of rankedMembers(input.network, input.file, input.members)) {
    if (list.length >= input.target) break
    if (node !== input.owner && !input.standsAside(node)) list.push(node)
  }
  return list
}

/** All members with a weight, best first: the order in which they are asked to hold the file. */
export function rankedMembers(network: NetworkId, file: FileId, members: readonly PlacementMember[]): NodeId[] {
  const costOf = drawCosts(network, file)
  return members
    .filter((member) => member.weight > 0)
    .map(({ node, weight }) => ({ node, weight, cost: costOf(node) }))
    .sort((a, b) => a.cost * b.weight - b.cost * a.weight || (a.node < b.node ? -1 : 1))
    .map((member) => member.node)
}

const MANTISSA_BITS = 26
const FRACTION_BITS = 24
const SQUARE_OVERFLOW = 2 ** (2 * MANTISSA_BITS - 1)
/** Powers of two, so that multiplying by them is exact. */
const HALF_SCALE = 2 ** -MANTISSA_BITS
const SCALE = 2 ** (1 - MANTISSA_BITS)
const KEY_BYTES = 32

/**
 * -log2(u) for u uniform in (0, 1], in units of 2^-24, by integer arithmetic only, so that every platform computes the
 * same. The member with the least cost per weight wins, with a chance in proportion to its weight.
 */
function drawCosts(network: NetworkId, file: FileId): (node: NodeId) => number {
  const named = Buffer.concat([domain('placement', network), idBytes(file)])
  const bytes = new Uint8Array(named.length + KEY_BYTES)
  bytes.set(named)
  return (node) => {
    bytes.set(publicKeyFromNodeId(node), named.length)
    return negativeLog2(sha256First48(bytes) + 1)
  }
}

/** @param value 1 to 2^48 @returns 48 - log2(value), times 2^24; at most 48 × 2^24, so that a weight can multiply it */
export function negativeLog2(value: number): number {
  const high = Math.floor(value / 2 ** 32)
  const exponent = high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(value)
  // mantissa in [2^26, 2^27): its square stays below 2^54 only after halving, so keep 26 bits
  let mantissa = Math.floor((value / 2 ** exponent) * 2 ** (MANTISSA_BITS - 1))
  let log = exponent
  for (let bit = 0; bit < FRACTION_BITS; bit++) {
    const square = mantissa * mantissa // below 2^52: exact
    const overflow = square >= SQUARE_OVERFLOW
    mantissa = Math.floor(square * (overflow ? HALF_SCALE : SCALE))
    log = log * 2 + (overflow ? 1 : 0)
  }
  return 48 * 2 ** FRACTION_BITS - log
}

/** Bytes that the default weight of 16 stands for. */
const BYTES_PER_STEP = 64 * 1024 ** 3
const MAX_WEIGHT = 4096

/** The weight of a member that offers so many bytes: 16 for 1 TiB, at least 1 for whoever offers anything. */
export function weightOf(capacityBytes: number): number {
  if (capacityBytes <= 0) return 0
  return Math.max(1, Math.min(MAX_WEIGHT, Math.round(capacityBytes / BYTES_PER_STEP)))
}
