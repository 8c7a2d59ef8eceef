/**
 * The member's side of `register`. Spec: docs/specs/register.md. A stranger costs one signature check before it has
 * shown that it holds the invite's key; it learns nothing of the network before that.
 */
import type { Clock } from '../clock.ts'
import { equalBytes, verify } from '../crypto/index.ts'
import { codeOf, MaloteError } from '../errors.ts'
import { type BranchId, type EntryId, idBytes, idFrom, type NodeId, publicKeyFromNodeId } from '../ids.ts'
import type { FrameStream, Host } from '../network/index.ts'
import { systemRandom } from '../random.ts'
import type { Cuts } from './draft.ts'
import {
  InviteExpiredError,
  InviteInvalidError,
  InviteRevokedError,
  InviteUsedError,
  MachineIsMemberError,
  NodeKnownError,
  NotAMemberError,
  QuarantinedError,
  RefusedError,
  RegisterLimitError,
  WrongNetworkError,
} from './errors.ts'
import type { ControlBody } from './kinds.ts'
import { RegisterLimit } from './register-limit.ts'
import {
  ADMIT_DEADLINE_MS,
  type Hello,
  JOINER_FRAME_BYTES,
  JOINER_MAX_BYTES,
  type Join,
  type PeerAddresses,
  REGISTER_DEADLINE_MS,
  REGISTER_VERSION,
  receiveHello,
  receiveJoin,
  receiveKnock,
  type SignedEntry,
  send,
  sendAddresses,
  sendEntries,
  sendGrants,
  verifyKnock,
} from './register-messages.ts'
import type { Invite, MembershipState, Refusal } from './types.ts'

export interface AdmitterInit {
  host: Host
  clock: Clock
  state(): MembershipState
  /** all control entries in order of arrival, so that what came since is what follows */
  controlEntries(): readonly SignedEntry[]
  append(kind: 'admit', body: ControlBody<'admit'>): { readonly id: EntryId }
  /** the heads of a node's feeds as they are known, for a machine that takes its place */
  cutsOf(node: NodeId): Cuts
  /** addresses of the members, this one too */
  addresses(): readonly PeerAddresses[]
  /** keys of the audiences that the branch belongs to, sealed to the newcomer; opaque here */
  grantsFor(node: NodeId, branch: BranchId): Promise<Uint8Array> | Uint8Array
  log?: (message: string, error?: unknown) => void
}

/** Serves `register` on the host from now on. */
export function serveRegister(init: AdmitterInit): void {
  const limit = new RegisterLimit(init.clock)
  init.host.handle(
    'register',
    {
      maxFrameBytes: JOINER_FRAME_BYTES,
      timeoutMs: REGISTER_DEADLINE_MS,
      maxStreamsPerPeer: 1,
      strangers: true,
      maxBytes: JOINER_MAX_BYTES,
    },
    async (stream) => {
      try {
        await new Admission(init, limit, stream).run()
      } catch (error) {
        // a malformed message counts against the peer, which the network room sees to
        if (!(error instanceof MaloteError) || error.code === 'decode' || error.code === 'protocol') throw error
        init.log?.(`register with ${stream.peer} refused`, error)
        await send(stream, { t: 'error', code: error instanceof NodeKnownError ? 'node-known' : codeOf(error) }, STEP)
      }
    },
  )
}

const STEP = { timeoutMs: ADMIT_DEADLINE_MS }

class Admission {
  readonly #init: AdmitterInit
  readonly #limit: RegisterLimit
  readonly #stream: FrameStream

  constructor(init: AdmitterInit, limit: RegisterLimit, stream: FrameStream) {
    this.#init = init
    this.#limit = limit
    this.#stream = stream
  }

  async run(): Promise<void> {
    const { host, controlEntries } = this.#init
    const stream = this.#stream
    const address = host.connections().find(({ peer }) => peer === stream.peer)?.address
    if (!this.#limit.allows(stream.peer, address)) throw new RegisterLimitError()

    // 1. the newcomer names its invite and shows that it holds the invite's key
    const hello = await receiveHello(stream, STEP)
    const network = this.#network()
    const id = idFrom<EntryId>(hello.invite)
    const key = this.#knownInvite(hello).key
    const nonce = systemRandom.bytes(32)
    await send(stream, { t: 'challenge', nonce }, STEP)
    const { knock } = await receiveKnock(stream, STEP)
    if (!verifyKnock(key, knock, network, nonce, publicKeyFromNodeId(stream.peer))) {
      throw new InviteInvalidError('its key was not shown')
    }
    this.#assertUsable(id)

    // 2. this member shows its chain of admissions
    const entries = controlEntries()
    const sent = entries.length
    await sendEntries(stream, entries.slice(0, sent), STEP)
    await send(stream, { t: 'end' }, STEP)

    // 3. and 4. the newcomer's keys; everything is judged again, since time has passed
    const join = await receiveJoin(stream, STEP)
    const admit = this.#admit(id, join)
    await send(stream, { t: 'admitted', admit: idBytes(admit) }, STEP)
    await sendEntries(stream, controlEntries().slice(sent), STEP)
    await sendAddresses(stream, this.#init.addresses(), STEP)
    await sendGrants(stream, await this.#grants(), STEP)
    await send(stream, { t: 'done' }, STEP)
  }

  #network() {
    const { network, members } = this.#init.state()
    if (network === null) throw new WrongNetworkError('no network here')
    const self = members.get(this.#init.host.id)
    if (self?.state === 'quarantined') throw new QuarantinedError()
    if (self?.state !== 'member') throw new NotAMemberError()
    return network.id
  }

  #knownInvite(hello: Hello): Invite {
    if (hello.v !== REGISTER_VERSION) throw new RegisterVersionError(hello.v)
    const invite = this.#init.state().invites.get(idFrom<EntryId>(hello.invite))
    if (invite === undefined) throw new InviteInvalidError('unknown here')
    return invite
  }

  /** @returns the admission that stands already when the answer to an earlier try was lost */
  #assertUsable(id: EntryId): EntryId | null {
    const state = this.#init.state()
    const invite = state.invites.get(id)
    if (invite === undefined) throw new InviteInvalidError('unknown here')
    const known = state.members.get(this.#stream.peer)
    if (known !== undefined) {
      if (known.state !== 'member') throw new NodeKnownError()
      if (known.invite !== id) throw new MachineIsMemberError()
      return known.admit
    }
    if (invite.usedBy.length > 0) throw new InviteUsedError()
    const issuer = state.members.get(invite.issuer)
    if (invite.revoked || issuer?.state === 'quarantined') throw new InviteRevokedError()
    if (this.#init.clock.now() > invite.expires) throw new InviteExpiredError()
    const old = invite.replaces === null ? undefined : state.members.get(invite.replaces)
    if (old !== undefined && old.state !== 'member' && old.state !== 'quarantined') throw new InviteUsedError()
    return null
  }

  #admit(id: EntryId, join: Join): EntryId {
    const network = this.#network()
    const standing = this.#assertUsable(id)
    if (standing !== null) return standing
    const invite = this.#init.state().invites.get(id)
    const { node, sealing, proof, accepts } = join
    if (
      invite === undefined ||
      !equalBytes(node, publicKeyFromNodeId(this.#stream.peer)) ||
      !verify(invite.key, proof, 'invite', network, node, sealing) ||
      !verify(node, accepts, 'join', network, idBytes(id), sealing)
    ) {
      throw new InviteInvalidError('its proofs do not verify')
    }
    const cuts = invite.replaces === null ? {} : { cuts: this.#init.cutsOf(invite.replaces).map(([...cut]) => cut) }
    const entry = this.#init.append('admit', { invite: idBytes(id), ...join, ...cuts })
    const refusal = this.#init.state().verdicts.get(entry.id)
    if (refusal === undefined || refusal === null) return entry.id
    throw errorOf(refusal)
  }

  /** Without them the newcomer asks any reader later. */
  async #grants(): Promise<Uint8Array> {
    const member = this.#init.state().members.get(this.#stream.peer)
    if (member === undefined) return new Uint8Array(0)
    try {
      return await this.#init.grantsFor(member.node, member.branch)
    } catch (error) {
      this.#init.log?.('no audience keys for the newcomer', error)
      return new Uint8Array(0)
    }
  }
}

class RegisterVersionError extends MaloteError {
  override name = 'RegisterVersionError'
  constructor(version: number) {
    super('unsupported', `register version ${version}`)
  }
}

function errorOf(refusal: Refusal): MaloteError {
  const errors: Record<string, () => MaloteError> = {
    'invite-used': () => new InviteUsedError(),
    'invite-revoked': () => new InviteRevokedError(),
    'invite-expired': () => new InviteExpiredError(),
    'already-member': () => new MachineIsMemberError(),
    'already-replaced': () => new InviteUsedError(),
    'node-known': () => new NodeKnownError(),
  }
  return errors[refusal.code]?.() ?? new RefusedError(refusal)
}
