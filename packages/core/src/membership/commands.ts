/** What an operator may ask for: checks at the boundary, the entry's body, the verdict. */
import type { Clock } from '../clock.ts'
import { equalBytes, generateSigningKey, type SigningKey } from '../crypto/index.ts'
import { type EntryId, type FileId, idBytes, type NodeId, publicKeyFromNodeId } from '../ids.ts'
import type { Cuts } from './draft.ts'
import {
  AdminMachineError,
  BranchNameInvalidError,
  ExpiryInvalidError,
  InviteExpiredError,
  InviteNotFoundError,
  InviteRevokedError,
  InviteUsedError,
  NodeNotFoundError,
  NotAdminError,
  NotAMemberError,
  QuarantinedError,
  RecoveryKeyForeignError,
  RefusedError,
  RulesInvalidError,
  SinceInvalidError,
} from './errors.ts'
import { formatInvite } from './invite.ts'
import { BRANCH_NAME_MAX, type ControlBody, type ControlKind, RULES_VERSION } from './kinds.ts'
import { parseRecoveryKey } from './recovery.ts'
import type { Invite, Member, MembershipState, Refusal, Role } from './types.ts'
import { secondersOf, wouldSecond } from './voices.ts'

export const DEFAULT_INVITE_MS = 72 * 3_600_000
export const MAX_INVITE_MS = 365 * 86_400_000
const MIN_INVITE_MS = 1000
/** Of what a `left` names; the rest follows from the files themselves. */
const MAX_NAMED = 1024
const MAX_ACCEPTED = 256
const MIN_ID_PREFIX = 6

export type AppendControl = <K extends ControlKind>(
  kind: K,
  body: ControlBody<K>,
  options?: { cosignWith?: SigningKey },
) => { readonly id: EntryId }

export interface CommandsInit {
  state(): MembershipState
  /** Appends to this node's feed and executes it before it returns. */
  append: AppendControl
  self: NodeId
  /** this node's key; signs the invite strings */
  signer: SigningKey
  clock: Clock
  /** the heads of a node's feeds as they are known; with `before`, of what arrived before that entry */
  cutsOf(node: NodeId, before?: EntryId): Cuts
  /** the newest control entry of a node that arrived before that entry; null when there is none */
  lastControlBefore(node: NodeId, before: EntryId): EntryId | null
  /** by the whole id or a prefix of it (6+); undefined when there is none or more than one */
  findEntry(ref: string): { readonly id: EntryId; readonly author: NodeId } | undefined
  /** newest rules version that this software executes @default RULES_VERSION */
  rules?: number
  /** addresses of a few reachable members, best first; up to 8 go into an invite */
  inviteAddresses(): readonly string[]
}

export interface InviteRequest {
  readonly branch: string
  /** @default 'member' */
  readonly role?: Role
  /** @default 72 h */
  readonly expiresInMs?: number
  /** the machine whose place the newcomer takes */
  readonly replaces?: NodeId
  /** lets it replace an admin's machine */
  readonly recoveryKey?: string
}

export interface ExpelOptions {
  /** makes it final alone */
  readonly recoveryKey?: string
  /** first entry of that node which shall count no more, with all that followed from it; only with the recovery key */
  readonly since?: string
}

/** All but `leave`, `left` and what bears the recovery key's signature throw `NotAdminError` unless this node is an admin. */
export interface Commands {
  invite(request: InviteRequest): Promise<{ text: string; invite: Invite }>
  /** @param id the whole id or a prefix of it (6+) */
  revoke(id: string): void
  setRole(node: NodeId, role: Role): void
  quarantine(node: NodeId): void
  release(node: NodeId): void
  /**
   * Quarantines at once. With the recovery key also by a member that is no admin, or has been expelled itself.
   * @returns what finality waits for; null when it is final
   */
  expel(node: NodeId, options?: ExpelOptions): { waitsFor: string | null }
  /** Makes this node admin by the recovery key, and lifts a quarantine. @throws {RecoveryKeyForeignError} */
  recover(recoveryKey: string): void
  /** Activates the rules of that version, if they are not active. @throws {RulesInvalidError} */
  upgrade(rules: number): void
  leave(): EntryId
  left(request: { accepted: readonly EntryId[]; orphans: readonly FileId[]; force: boolean }): void
}

const NOBODY_ELSE = 'a second admin must expel it too, one whom this branch did not appoint alone'

export function createCommands(init: CommandsInit): Commands {
  const { state, append } = init

  const self = (): Member => {
    const member = state().members.get(init.self)
    if (member === undefined || member.state === 'left' || member.state === 'expelled') throw new NotAMemberError()
    return member
  }
  const admin = (): void => {
    const { state: standing, role } = self()
    if (role !== 'admin') throw new NotAdminError()
    if (standing === 'quarantined') throw new QuarantinedError()
  }
  const target = (node: NodeId): Uint8Array => {
    const member = state().members.get(node)
    if (member === undefined || member.state === 'left' || member.state === 'expelled')
      throw new NodeNotFoundError(node)
    return member.key
  }
  const write: AppendControl = (kind, body, options) => {
    const entry = append(kind, body, options)
    const refusal = state().verdicts.get(entry.id)
    if (refusal !== undefined && refusal !== null) throw errorOf(refusal)
    return entry
  }
  const cutsOf = (node: NodeId, before?: EntryId) => init.cutsOf(node, before).map(([...cut]) => cut)
  const recoveryKey = (text: string): SigningKey => {
    const key = parseRecoveryKey(text)
    const { network } = state()
    if (network === null) throw new NotAMemberError()
    if (!equalBytes(key.publicKey, network.recovery)) throw new RecoveryKeyForeignError()
    return key
  }

  const cosigning = (text: string | undefined) => (text === undefined ? {} : { cosignWith: recoveryKey(text) })
  /** Who may make an expulsion by this node final, in words. */
  const waitingFor = (): string => {
    const names = secondersOf(state(), init.self).map((node) => {
      const branch = state().members.get(node)?.branch
      return (branch === undefined ? undefined : state().branches.get(branch)?.name) ?? node
    })
    const others = names.length > 0 ? `${names.slice(0, 10).join(' or ')} must expel it too` : NOBODY_ELSE
    return `${others}; or the recovery key`
  }

  /** @throws {SinceInvalidError} */
  function lastBefore(node: NodeId, since: string, key: string | undefined) {
    if (key === undefined) throw new SinceInvalidError('it goes with the recovery key alone')
    const first = init.findEntry(since)
    if (first === undefined) throw new SinceInvalidError('no entry, or more than one, begins so')
    if (first.author !== node) throw new SinceInvalidError('that entry is not by the node that is to be expelled')
    // without any that counts, what its own admission had seen: nothing by itself
    const last = init.lastControlBefore(node, first.id) ?? state().members.get(node)?.admit
    if (last === undefined) throw new NodeNotFoundError(node)
    return {
      last: idBytes(last),
      cuts: cutsOf(node, first.id),
    }
  }

  return {
    async invite({ branch, role = 'member', expiresInMs = DEFAULT_INVITE_MS, replaces, recoveryKey: text }) {
      if (text === undefined) admin()
      const cosign = cosigning(text)
      const name = checkName(branch)
      if (!(expiresInMs >= MIN_INVITE_MS && expiresInMs <= MAX_INVITE_MS)) throw new ExpiryInvalidError(MAX_INVITE_MS)
      // a JWT counts in seconds
      const expires = Math.ceil((init.clock.now() + expiresInMs) / 1000) * 1000
      const key = generateSigningKey()
      const old = replaces === undefined ? {} : { replaces: target(replaces), cuts: cutsOf(replaces) }
      const { id } = write('invite', { key: key.publicKey, branch: name, role, expires, ...old }, cosign)
      const { network, invites } = state()
      const invite = invites.get(id)
      if (network === null || invite === undefined) throw new NotAMemberError()
      const ticket = {
        network: network.id,
        networkName: network.name,
        invite: id,
        branch: name,
        expires,
        addresses: init.inviteAddresses(),
        seed: key.seed,
      }
      return { text: await formatInvite(ticket, init.self, init.signer), invite }
    },
    revoke(ref) {
      admin()
      const invite = findInvite(state(), ref)
      if (invite.usedBy.length > 0) throw new InviteUsedError()
      if (!invite.revoked) write('revoke', { invite: idBytes(invite.id) })
    },
    setRole(node, role) {
      // giving up one's own role needs no other right
      if (node === init.self && role === 'member') self()
      else admin()
      const key = target(node)
      // another admin's word makes a voice more independent, and one that adds nothing is not written
      const isAdmin = role === 'admin' && state().members.get(node)?.role === 'admin'
      if (isAdmin && !wouldSecond(state(), init.self, node)) return
      write('role', { node: key, role })
    },
    quarantine(node) {
      admin()
      write('quarantine', { node: target(node) })
    },
    release(node) {
      admin()
      write('release', { node: target(node) })
    },
    expel(node, { recoveryKey: text, since } = {}) {
      const cosign = cosigning(text)
      // a quarantined admin has a voice here, so that it can answer
      if (text === undefined) {
        self()
        if ((state().standings.get(init.self)?.voice ?? null) === null) throw new NotAdminError()
      }
      const last = since === undefined ? {} : lastBefore(node, since, text)
      const key = text === undefined ? target(node) : state().members.get(node)?.key
      if (key === undefined) throw new NodeNotFoundError(node)
      write('expel', { node: key, cuts: cutsOf(node), ...last }, cosign)
      return { waitsFor: state().members.get(node)?.state === 'expelled' ? null : waitingFor() }
    },
    recover(text) {
      self()
      write('role', { node: publicKeyFromNodeId(init.self), role: 'admin' }, { cosignWith: recoveryKey(text) })
    },
    upgrade(rules) {
      admin()
      const active = state().network?.rules ?? 0
      const known = init.rules ?? RULES_VERSION
      if (rules > known || rules < active) throw new RulesInvalidError(rules, active, known)
      if (rules > active) write('upgrade', { rules })
    },
    leave() {
      const member = self()
      const begun = state().departures.get(member.branch)
      return begun?.node === init.self ? begun.seed : write('leave', {}).id
    },
    left({ accepted, orphans, force }) {
      const departure = state().departures.get(self().branch)
      if (departure === undefined) throw new NotAMemberError()
      write('left', {
        leave: idBytes(departure.seed),
        accepted: accepted.slice(0, MAX_ACCEPTED).map((id) => idBytes(id)),
        orphans: orphans.slice(0, MAX_NAMED).map((file) => idBytes(file)),
        force,
        cuts: cutsOf(init.self),
      })
    },
  }
}

export interface FoundRequest {
  readonly name: string
  readonly branch: string
  /** 32-byte X25519 public key of the founder */
  readonly sealing: Uint8Array
  /** 32-byte public half of the recovery key */
  readonly recovery: Uint8Array
  /** @default none */
  readonly policy?: { readonly minCopies?: number; readonly maxCopies?: number }
  /** @default RULES_VERSION */
  readonly rules?: number
}

/** Body of the founding entry. @throws {BranchNameInvalidError} */
export function foundBody({ name, branch, sealing, recovery, policy = {}, rules }: FoundRequest): ControlBody<'found'> {
  return { name: checkName(name), branch: checkName(branch), sealing, recovery, policy, rules: rules ?? RULES_VERSION }
}

/** Control, bidirectional, zero-width and line-separating characters would let one name look like another. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

function checkName(name: string): string {
  const trimmed = name.trim()
  if (trimmed.length === 0) throw new BranchNameInvalidError('it is empty')
  if (trimmed.length > BRANCH_NAME_MAX) throw new BranchNameInvalidError(`more than ${BRANCH_NAME_MAX} characters`)
  const unseen = UNSEEN.exec(trimmed)?.[0].codePointAt(0)
  if (unseen !== undefined)
    throw new BranchNameInvalidError(`it contains U+${unseen.toString(16).toUpperCase().padStart(4, '0')}`)
  return trimmed
}

function findInvite({ invites }: MembershipState, ref: string): Invite {
  const exact = invites.get(ref as EntryId)
  if (exact !== undefined) return exact
  const found = ref.length < MIN_ID_PREFIX ? [] : [...invites.values()].filter(({ id }) => id.startsWith(ref))
  const [only] = found
  if (only === undefined || found.length > 1) throw new InviteNotFoundError(ref)
  return only
}

function errorOf(refusal: Refusal) {
  switch (refusal.code) {
    case 'not-admin':
      return new NotAdminError()
    case 'not-a-member':
      return new NotAMemberError()
    case 'quarantined':
      return new QuarantinedError()
    case 'invite-used':
      return new InviteUsedError()
    case 'invite-revoked':
      return new InviteRevokedError()
    case 'invite-expired':
      return new InviteExpiredError()
    case 'admin-machine':
      return new AdminMachineError()
    default:
      return new RefusedError(refusal)
  }
}
