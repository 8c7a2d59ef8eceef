/** Questions about versions, branches and places that join several rooms' answers. Reads only. */
import { DEFAULT_WEIGHT, drawRank, type FileRecord, type SharedState, type SharedVersion } from '../catalogue/index.ts'
import type { VersionShape } from '../content/index.ts'
import {
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  feedAuthor,
  feedIncarnation,
  idBytes,
  type NodeId,
  nodeIdFromPublicKey,
  type Root,
} from '../ids.ts'
import type { Ledger } from '../ledger/index.ts'
import { CUTS_MAX, type Cuts, type Members, type MembershipState, NotAMemberError } from '../membership/index.ts'
import {
  type LiveVersion,
  type OpenDraw,
  type PlacementMember,
  rankedMembers,
  targetCopies,
} from '../replication/index.ts'

/** Only the shape: a stored version or a shared row has more. */
export function shapeOf({ root, size, chunk }: VersionShape): VersionShape {
  return { root, size, chunk }
}

function boxesOf({ meta, preview }: { readonly meta: BoxHash; readonly preview: BoxHash | null }): BoxHash[] {
  return preview === null ? [meta] : [meta, preview]
}

export interface Versions {
  live(file: FileId): LiveVersion | null
  /** The same of a record that is at hand. */
  liveOf(record: FileRecord): LiveVersion | null
  of(version: SharedVersion): LiveVersion
  /** Other versions of the same file and access epoch, newest first: only those can have equal sealed chunks. */
  related(root: Root): Root[]
  /** the same array as long as they are the same */
  placementMembers(): readonly PlacementMember[]
  ownBranch(self: NodeId): () => BranchId
  livingBranches(): BranchId[]
  nodeOf(branch: BranchId): NodeId
  /** departed branches that still own files */
  openDraws(): OpenDraw[]
  /** candidates of a draw, best rank first */
  drawOrder(seed: EntryId, file: FileId, candidates: readonly NodeId[]): NodeId[]
  cutsOf(ledger: Ledger): (node: NodeId) => Cuts
}

export function createVersions({ state, members }: { state: SharedState; members: Members }): Versions {
  const branches = () => state.membership().branches
  let placement:
    | {
        readonly membership: MembershipState
        readonly weights: ReadonlyMap<NodeId, number>
        readonly members: readonly PlacementMember[]
      }
    | undefined

  function nodeOf(branch: BranchId): NodeId {
    const node = branches().get(branch)?.node
    if (node === undefined) throw new TypeError(`a row names a branch that was never admitted: ${branch}`)
    return node
  }

  function of(version: SharedVersion): LiveVersion {
    return ownedBy(version, state.file(version.file)?.owner)
  }

  function ownedBy(version: SharedVersion, owner: BranchId | undefined): LiveVersion {
    const node = owner === undefined ? null : nodeOf(owner)
    return {
      file: version.file,
      version: version.version,
      shape: shapeOf(version),
      owner: node !== null && members.isMember(node) ? node : null,
      boxes: boxesOf(version),
    }
  }

  function liveOf({ file, versions }: FileRecord): LiveVersion | null {
    if (file.state !== 'live' && file.state !== 'orphaned') return null
    const version = versions.find((each) => each.version === file.version && !each.conflict)
    // a change of the audience, or of the name, gives the file new boxes, and the version none
    return version === undefined ? null : { ...ownedBy(version, file.owner), boxes: boxesOf(file) }
  }

  return {
    of,
    liveOf,
    related(root) {
      const version = state.versionOfRoot(root)
      if (version === null) return []
      return state
        .versions(version.file)
        .filter((each) => each.epoch === version.epoch && each.chunk === version.chunk && each.root !== root)
        .map((each) => each.root)
        .reverse()
    },
    nodeOf,
    live(file) {
      const record = state.record(file)
      return record === null ? null : liveOf(record)
    },
    placementMembers() {
      const membership = state.membership()
      const weights = state.weights()
      if (placement?.membership !== membership || placement.weights !== weights) {
        const able = members.currentMembers().filter((member) => member.state === 'member')
        const weighed = able.map(({ node }) => ({ node, weight: weights.get(node) ?? DEFAULT_WEIGHT }))
        placement = { membership, weights, members: weighed }
      }
      return placement.members
    },
    ownBranch: (self) => () => {
      const branch = members.get(self)?.branch
      if (branch === undefined) throw new NotAMemberError()
      return branch
    },
    livingBranches: () => [...branches().values()].filter((branch) => branch.state === 'member').map(({ id }) => id),
    openDraws() {
      const draws: OpenDraw[] = []
      for (const departure of state.membership().departures.values()) {
        const files = () => state.filesOwnedBy(departure.branch)
        if (!files().next().done) draws.push({ seed: departure.seed, candidates: departure.candidates, files })
      }
      return draws
    },
    drawOrder(seed, file, candidates) {
      const network = state.membership().network
      if (network === null) return []
      const equal = candidates.map((node) => ({ node, weight: DEFAULT_WEIGHT }))
      const listed = new Set(rankedMembers(network.id, file, equal).slice(0, targetCopies(candidates.length, network)))
      const rank = new Map(candidates.map((node) => [node, drawRank(network.id, seed, file, node)]))
      return [...candidates].sort((a, b) => {
        if (listed.has(a) !== listed.has(b)) return listed.has(a) ? -1 : 1
        return Buffer.compare(rank.get(a) ?? new Uint8Array(0), rank.get(b) ?? new Uint8Array(0))
      })
    },
    cutsOf: (ledger) => (node) => {
      const heads = ledger.heads().filter(({ feed }) => nodeIdFromPublicKey(feedAuthor(feed)) === node)
      // more than one entry can name: the oldest feeds go without, but for what control entries of them were seen
      const named =
        heads.length <= CUTS_MAX
          ? heads
          : heads
              .map((head) => ({ ...head, ms: ledger.get(head.id)?.ms ?? 0 }))
              .sort((a, b) => b.ms - a.ms)
              .slice(0, CUTS_MAX)
      return named.map(({ feed, seq, id }) => [feedIncarnation(feed), seq, idBytes(id)] as const)
    },
  }
}
