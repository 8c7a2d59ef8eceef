import { MaloteError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { whyUnreachable } from '../network/index.ts'
import type { Refusal } from './types.ts'

const NEW_INVITE = 'Ask an admin for a new one: malote invite --branch <name>.'

/** A string that is no invite, or one that somebody changed. */
export class InviteInvalidError extends MaloteError {
  override name = 'InviteInvalidError'
  constructor(reason: string, cause?: unknown) {
    super('invite-invalid', `not a valid invite: ${reason}`, {
      details: { why: reason },
      advice: `Paste it whole and unchanged. ${NEW_INVITE}`,
      cause,
    })
  }
}

export class InviteExpiredError extends MaloteError {
  override name = 'InviteExpiredError'
  constructor() {
    super('invite-expired', 'this invite has expired', { advice: NEW_INVITE })
  }
}

export class InviteUsedError extends MaloteError {
  override name = 'InviteUsedError'
  constructor() {
    super('invite-used', 'this invite was used by another machine', {
      advice: `An invite is good for one. ${NEW_INVITE}`,
    })
  }
}

export class InviteRevokedError extends MaloteError {
  override name = 'InviteRevokedError'
  constructor() {
    super('invite-revoked', 'this invite was revoked', { advice: NEW_INVITE })
  }
}

/** Who answered is not of the network that the invite names, or cannot prove that it is. */
export class WrongNetworkError extends MaloteError {
  override name = 'WrongNetworkError'
  constructor(reason: string, cause?: unknown) {
    super('wrong-network', `this is not the network of the invite: ${reason}`, {
      details: { why: reason },
      advice: 'Check the address, or leave it out: the invite names addresses of members.',
      cause,
    })
  }
}

/** Nobody who could admit this node answered. Worth trying again. */
export class NoAdmitterError extends MaloteError {
  override name = 'NoAdmitterError'
  constructor(addresses: readonly string[], cause?: unknown) {
    const why = whyUnreachable(cause)
    super('unreachable', `no member could be reached${why === null ? '' : `: ${why}`}`, {
      advice: 'Check that a member is running and reachable, or give its address with --via <ip[:port]>.',
      details: { addresses, ...(why === null ? {} : { why }) },
      cause,
    })
  }
}

/** Too many tries in a short time. Worth trying again after a second. */
export class RegisterLimitError extends MaloteError {
  override name = 'RegisterLimitError'
  constructor() {
    super('rate-limited', 'too many tries to register', { advice: 'Wait a second and try again.' })
  }
}

/** The other side of `register` does not keep to the protocol. Its fault. */
export class RegisterProtocolError extends MaloteError {
  override name = 'RegisterProtocolError'
  constructor(reason: string) {
    super('protocol', `register: ${reason}`, { details: { why: reason } })
  }
}

export class MachineIsMemberError extends MaloteError {
  override name = 'MachineIsMemberError'
  constructor() {
    super('already-member', 'this machine is already a member', { advice: 'Leave first with `malote unregister`.' })
  }
}

/** A machine that was a member before comes back under the same identity. */
export class NodeKnownError extends MaloteError {
  override name = 'NodeKnownError'
  constructor() {
    super('conflict', 'this machine was a member before and needs a new identity', {
      advice: 'Use an empty data folder (--data) and register again.',
    })
  }
}

export class NodeNotFoundError extends MaloteError {
  override name = 'NodeNotFoundError'
  constructor(ref: string) {
    super('not-found', `no such node: ${JSON.stringify(ref.slice(0, 80))}`, {
      details: { ref: ref.slice(0, 80) },
      advice: 'See `malote nodes`.',
    })
  }
}

export class NodeAmbiguousError extends MaloteError {
  override name = 'NodeAmbiguousError'
  constructor(ref: string, candidates: readonly { id: NodeId; branch: string }[]) {
    const names = candidates.map(({ id, branch }) => `${branch} (${id})`).join(', ')
    super('ambiguous', `${JSON.stringify(ref.slice(0, 80))} may be ${names}`, {
      advice: 'Give more of the id.',
      details: { ref: ref.slice(0, 80), candidates },
    })
  }
}

export class InviteNotFoundError extends MaloteError {
  override name = 'InviteNotFoundError'
  constructor(id: string) {
    super('not-found', `no such invite: ${JSON.stringify(id.slice(0, 80))}`, {
      details: { invite: id.slice(0, 80) },
      advice: 'See `malote invite ls`.',
    })
  }
}

/** This node is no member (any more). */
export class NotAMemberError extends MaloteError {
  override name = 'NotAMemberError'
  constructor() {
    super('not-a-member', 'this node is not a member of a network', {
      advice: 'Join one with `malote register <invite>`.',
    })
  }
}

export class NotAdminError extends MaloteError {
  override name = 'NotAdminError'
  constructor() {
    super('not-admin', 'only an admin may do this', { advice: 'Ask one: `malote nodes` shows who is.' })
  }
}

/** This node is quarantined: an admin has taken its rights away for now. */
export class QuarantinedError extends MaloteError {
  override name = 'QuarantinedError'
  constructor() {
    super('quarantined', 'this node is quarantined', { advice: 'An admin can release it: malote release <node>.' })
  }
}

/** An `upgrade` activated rules that this software does not have: it stores and passes on, and writes nothing. */
export class SoftwareTooOldError extends MaloteError {
  override name = 'SoftwareTooOldError'
  constructor(active: number, known: number) {
    super('software-too-old', `the network has rules version ${active}; this software knows ${known}`, {
      advice: 'Install a newer Malote; what was missed meanwhile is executed at its first start.',
      details: { active, known },
    })
  }
}

/** The member that was asked cannot execute what it would write; another one can. */
export class AdmitterTooOldError extends MaloteError {
  override name = 'AdmitterTooOldError'
  constructor() {
    super('protocol', 'the member that was asked has software that is too old to admit anybody', {
      advice: 'Ask another one: `malote register <invite> --via <address>`.',
    })
  }
}

/** Rules that this software does not have, or older ones than the network has. */
export class RulesInvalidError extends MaloteError {
  override name = 'RulesInvalidError'
  constructor(asked: number, active: number, known: number) {
    const which = asked > known ? `this software knows ${known}` : `version ${active} is active and never taken back`
    super('usage', `rules version ${asked} cannot be activated: ${which}`, {
      ...(asked > known ? { advice: 'Install a newer Malote first, on all branches.' } : {}),
      details: { asked, active, known },
    })
  }
}

/** The rules do not let this entry have its effect; `details.refusal` is their code. */
export class RefusedError extends MaloteError {
  override name = 'RefusedError'
  constructor(refusal: Refusal) {
    super('conflict', `refused: ${refusal.reason}`, { details: { why: refusal.reason, refusal: refusal.code } })
  }
}

/** One admin alone does not put a machine in the place of another's. */
export class AdminMachineError extends MaloteError {
  override name = 'AdminMachineError'
  constructor() {
    super('conflict', 'an admin’s machine is not replaced by another admin alone', {
      advice:
        'Sign the invite with the recovery key (--key-file), or let two admins take its role first: `malote role <node> member`.',
    })
  }
}

export class SinceInvalidError extends MaloteError {
  override name = 'SinceInvalidError'
  constructor(reason: string) {
    super('usage', `not an entry to go back to: ${reason}`, {
      details: { why: reason },
      advice: '`malote ledger` lists the entries and their ids.',
    })
  }
}

export class BranchNameInvalidError extends MaloteError {
  override name = 'BranchNameInvalidError'
  constructor(reason: string) {
    super('name-invalid', `not a valid name: ${reason}`, { details: { why: reason } })
  }
}

export class ExpiryInvalidError extends MaloteError {
  override name = 'ExpiryInvalidError'
  constructor(maxMs: number) {
    super('usage', `an invite lasts from one second to ${maxMs / 86_400_000} days`, {
      details: { days: maxMs / 86_400_000 },
    })
  }
}

/** Not a recovery key, or mistyped. */
export class RecoveryKeyInvalidError extends MaloteError {
  override name = 'RecoveryKeyInvalidError'
  constructor(reason: string) {
    super('usage', `not a valid recovery key: ${reason}`, {
      details: { why: reason },
      advice: 'Copy it from the paper, all groups of it.',
    })
  }
}

/** A recovery key, but of another network. */
export class RecoveryKeyForeignError extends MaloteError {
  override name = 'RecoveryKeyForeignError'
  constructor() {
    super('forbidden', 'this recovery key is not the one of this network')
  }
}
