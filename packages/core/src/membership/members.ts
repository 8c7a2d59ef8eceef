/** Questions about the state: who is who. Reads only. */
import type { BranchId, EntryId, NodeId } from '../ids.ts'
import { NodeAmbiguousError, NodeNotFoundError } from './errors.ts'
import type { Branch, Invite, Member, MembershipState, Role } from './types.ts'

/** Every PeerId of an Ed25519 key begins so, so a prefix may leave it out. */
const PEER_ID_START = '12D3KooW'
const MIN_PREFIX = 6

export type InviteState = 'open' | 'used' | 'expired' | 'revoked'

export interface InviteInfo {
  readonly id: EntryId
  readonly branch: string
  readonly role: Role
  /** ms since the epoch */
  readonly expires: number
  readonly state: InviteState
  readonly replaces: NodeId | null
  readonly issuer: NodeId
  readonly usedBy: readonly NodeId[]
}

export interface Members {
  /** @throws {NodeNotFoundError} @throws {NodeAmbiguousError} branch name, `name~prefix`, PeerId or prefix of 6+ */
  resolveNode(ref: string): Member
  get(node: NodeId): Member | undefined
  /** name, or `name~prefix` when two living branches bear it */
  branchLabel(branch: BranchId): string
  branchOf(node: NodeId): Branch | undefined
  /** admitted and neither left nor expelled; quarantined ones too */
  currentMembers(): Member[]
  /** also while quarantined */
  isMember(node: NodeId): boolean
  isQuarantined(node: NodeId): boolean
  /** has an admin's power: not while quarantined */
  isAdmin(node: NodeId): boolean
  /** admins with power */
  admins(): Member[]
  /** newest first. @param now ms since the epoch */
  invites(now: number): InviteInfo[]
}

export function createMembers(state: () => MembershipState): Members {
  const isPresent = (member: Member | undefined) => member?.state === 'member' || member?.state === 'quarantined'
  const get = (node: NodeId) => state().members.get(node)
  const isAdmin = (node: NodeId) => {
    const member = get(node)
    return member?.state === 'member' && member.role === 'admin'
  }
  const branchLabel = (id: BranchId) => labels(state()).get(id) ?? state().branches.get(id)?.name ?? id.slice(0, 12)
  const currentMembers = () => [...state().members.values()].filter(isPresent)
  return {
    get,
    isAdmin,
    branchLabel,
    currentMembers,
    branchOf(node) {
      const member = get(node)
      return member === undefined ? undefined : state().branches.get(member.branch)
    },
    isMember: (node) => isPresent(get(node)),
    isQuarantined: (node) => get(node)?.state === 'quarantined',
    admins: () => [...state().members.values()].filter((member) => isAdmin(member.node)),
    invites: (now) => [...state().invites.values()].map((invite) => describeInvite(invite, now)).reverse(),
    resolveNode(ref) {
      const found = candidates(state(), ref)
      const [only] = found
      if (only === undefined) throw new NodeNotFoundError(ref)
      if (found.length > 1) {
        const named = found.slice(0, 20).map(({ node, branch }) => ({ id: node, branch: branchLabel(branch) }))
        throw new NodeAmbiguousError(ref, named)
      }
      return only
    },
  }
}

/** An id or a prefix of one may name a member that is gone; a name only a living branch, and before any prefix. */
function candidates(state: MembershipState, ref: string): Member[] {
  const exact = state.members.get(ref as NodeId)
  if (exact !== undefined) return [exact]
  const living = [...state.branches.values()].filter((branch) => branch.state === 'member')
  const labelOf = labels(state)
  const named = living.filter((branch) => branch.name === ref || labelOf.get(branch.id) === ref)
  if (named.length > 0) return named.flatMap((branch) => state.members.get(branch.node) ?? [])
  if (ref.length < MIN_PREFIX) return []
  return [...state.members.values()].filter(
    ({ node }) => node.startsWith(ref) || node.startsWith(ref, PEER_ID_START.length),
  )
}

const labelCache = new WeakMap<MembershipState, ReadonlyMap<BranchId, string>>()

/** The prefix is of the branch's node, as in a node reference, and as long as it takes to tell the branches apart. */
function labels(state: MembershipState): ReadonlyMap<BranchId, string> {
  const known = labelCache.get(state)
  if (known !== undefined) return known
  const byName = new Map<string, Branch[]>()
  for (const branch of state.branches.values()) {
    if (branch.state !== 'member') continue
    const same = byName.get(branch.name)
    if (same === undefined) byName.set(branch.name, [branch])
    else same.push(branch)
  }
  const result = new Map<BranchId, string>()
  for (const [name, same] of byName) {
    if (same.length === 1) continue
    const tails = same.map((branch) => branch.node.slice(PEER_ID_START.length))
    let length = MIN_PREFIX
    while (new Set(tails.map((tail) => tail.slice(0, length))).size < tails.length && length < 64) length++
    for (const [index, branch] of same.entries()) result.set(branch.id, `${name}~${tails[index]?.slice(0, length)}`)
  }
  labelCache.set(state, result)
  return result
}

export function inviteState(invite: Invite, now: number): InviteState {
  if (invite.usedBy.length > 0) return 'used'
  if (invite.revoked) return 'revoked'
  return now > invite.expires ? 'expired' : 'open'
}

function describeInvite(invite: Invite, now: number): InviteInfo {
  const { id, branch, role, expires, replaces, issuer, usedBy } = invite
  return { id, branch, role, expires, replaces, issuer, usedBy, state: inviteState(invite, now) }
}
