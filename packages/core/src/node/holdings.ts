/** What members say to hold, decline and pass, as soft facts. Topics and values: docs/specs/placement.md. */
import { type EntryId, type FileId, type NodeId, nodeIdFromPublicKey, publicKeyFromNodeId, type Root } from '../ids.ts'
import type { Facts } from '../network/index.ts'
import type { Holdings } from '../replication/index.ts'

const PARTIAL = Uint8Array.of(0)
const ALL = Uint8Array.of(1)
const EMPTY = new Uint8Array(0)
const KEY_BYTES = 32
/** Of one version: what fits into the value of a fact. */
const DOUBTED_MAX = 128
/** Instead of a root: declines everything, because the node is leaving. */
export const EVERYTHING = '*'

export interface NodeHoldings extends Holdings {
  /** Takes back what was said of versions that are not here: it stopped between dropping one and saying so. */
  amend(isHere: (root: Root) => boolean): void
  /** this node holds nothing new, and others must stand in for what it has */
  drain(draining: boolean): void
  /** Copies of an own version that this node does not believe. */
  doubt(root: Root, nodes: readonly NodeId[]): void
  /** Whose copies of its version an owner does not believe. */
  doubted(owner: NodeId, root: Root): Set<NodeId>
  /** What this node states so. */
  ownDoubts(): [Root, Set<NodeId>][]
  hasPassed(seed: EntryId, file: FileId, node: NodeId): boolean
  pass(seed: EntryId, file: FileId): void
}

export function createHoldings(facts: Facts, self: NodeId): NodeHoldings {
  const passKey = (seed: EntryId, file: FileId) => `${seed}/${file}`
  return {
    holders(root) {
      const holders = new Map<NodeId, 'all' | 'partial'>()
      for (const [node, value] of facts.byKey('hold', root)) {
        if (node !== self) holders.set(node, value[0] === ALL[0] ? 'all' : 'partial')
      }
      return holders
    },
    declines(root) {
      const nodes = [...facts.byKey('decline', root), ...facts.byKey('decline', EVERYTHING)]
      return new Set(nodes.map(([node]) => node))
    },
    say(root: Root, state) {
      if (state === 'none') facts.clear('hold', root)
      else facts.set('hold', root, state === 'all' ? ALL : PARTIAL)
    },
    amend(isHere) {
      for (const [root] of facts.of(self, 'hold')) if (!isHere(root as Root)) facts.clear('hold', root)
    },
    decline(root, declined) {
      if (declined) facts.set('decline', root, EMPTY)
      else facts.clear('decline', root)
    },
    drain(draining) {
      if (draining) facts.set('decline', EVERYTHING, EMPTY)
      else facts.clear('decline', EVERYTHING)
    },
    doubt(root, nodes) {
      const keys = nodes.slice(0, DOUBTED_MAX).map(publicKeyFromNodeId)
      if (keys.length === 0) facts.clear('doubt', root)
      else facts.set('doubt', root, Buffer.concat(keys))
    },
    doubted: (owner, root) => nodesIn(facts.get(owner, 'doubt', root) ?? EMPTY),
    ownDoubts: () => facts.of(self, 'doubt').map(([root, stated]) => [root as Root, nodesIn(stated)]),
    hasPassed: (seed, file, node) => facts.get(node, 'pass', passKey(seed, file)) !== null,
    pass: (seed, file) => facts.set('pass', passKey(seed, file), EMPTY),
  }
}

function nodesIn(keys: Uint8Array): Set<NodeId> {
  const nodes = new Set<NodeId>()
  for (let at = 0; at + KEY_BYTES <= keys.length; at += KEY_BYTES)
    nodes.add(nodeIdFromPublicKey(keys.subarray(at, at + KEY_BYTES)))
  return nodes
}
