/** The newcomer's side of `register`. Spec: docs/specs/register.md. Nothing is kept of a try that fails. */
import { type Clock, sleep } from '../clock.ts'
import { equalBytes, type SigningKey, sign, signingKeyFromSeed } from '../crypto/index.ts'
import { codeOf, type ErrorCode, MaloteError } from '../errors.ts'
import { type EntryId, idBytes, idFrom, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { type FrameStream, type Host, withDeadline } from '../network/index.ts'
import type { Random } from '../random.ts'
import {
  AdmitterTooOldError,
  InviteExpiredError,
  InviteInvalidError,
  InviteRevokedError,
  InviteUsedError,
  MachineIsMemberError,
  NoAdmitterError,
  NodeKnownError,
  RegisterLimitError,
  RegisterProtocolError,
  SoftwareTooOldError,
  WrongNetworkError,
} from './errors.ts'
import { type InviteTicket, parseInvite } from './invite.ts'
import { RULES_VERSION } from './kinds.ts'
import { TRY_INTERVAL_MS } from './register-limit.ts'
import {
  ADMIT_DEADLINE_MS,
  entriesOf,
  MAX_ENTRIES_BYTES,
  MAX_GRANTS_BYTES,
  MAX_PEERS,
  MEMBER_FRAME_BYTES,
  type PeerAddresses,
  REGISTER_DEADLINE_MS,
  REGISTER_VERSION,
  type Reply,
  receiveReply,
  type SignedEntry,
  send,
  signKnock,
} from './register-messages.ts'
import { understandsRules } from './rules.ts'
import type { MembershipState } from './types.ts'

/** For one member to answer the dial, ms. */
const DIAL_DEADLINE_MS = 8_000
/** Tries against a member that says it has too many; 70 machines may be set up at the same time. */
const MAX_LIMITED_TRIES = 20

export interface Admitted {
  /** all control entries that the member has, `admit` among them */
  readonly controlEntries: readonly SignedEntry[]
  /** what they yield */
  readonly state: MembershipState
  readonly admit: EntryId
  readonly addresses: readonly PeerAddresses[]
  /** audience keys, opaque here */
  readonly grants: Uint8Array
  /** who admitted */
  readonly from: NodeId
  readonly ticket: InviteTicket
}

export interface JoinerInit {
  host: Host
  clock: Clock
  random: Random
  signer: SigningKey
  /** 32-byte X25519 public key */
  sealing: Uint8Array
  /** Makes the host speak this network's protocols, without any member yet. */
  enter(network: NetworkId): Promise<void>
  /** Undoes `enter` after a try that failed. */
  abandon(): Promise<void>
  /** newest rules version that `fold` executes @default RULES_VERSION */
  rules?: number
  /**
   * Checks every entry's signature and network and folds them in control order.
   * @throws when one is not authentic
   */
  fold(network: NetworkId, entries: readonly SignedEntry[]): MembershipState
  /** Makes it durable: called once, after everything was verified. A throw undoes `enter`. */
  onAdmitted(admitted: Admitted): Promise<void> | void
}

export interface Joiner {
  /**
   * Joins the network of an invite.
   * @param via address of a member, instead of those in the invite: bare IP, `IP:port`, DNS name or multiaddr
   * @throws {InviteInvalidError} {InviteExpiredError} {InviteUsedError} {InviteRevokedError} {WrongNetworkError}
   * {NoAdmitterError} {MachineIsMemberError} {NodeKnownError}
   */
  register(request: { invite: string; via?: string }, options?: { signal?: AbortSignal }): Promise<Admitted>
}

export function createJoiner(init: JoinerInit): Joiner {
  return {
    async register({ invite, via }, { signal } = {}) {
      const ticket = await parseInvite(invite, init.clock.now())
      await init.enter(ticket.network)
      try {
        const admitted = await withDeadline(
          init.clock,
          'registering',
          { signal, timeoutMs: 2 * REGISTER_DEADLINE_MS },
          (both) => tryAll(init, ticket, via, both),
        )
        await init.onAdmitted(admitted)
        return admitted
      } catch (error) {
        await init.abandon()
        throw error
      }
    },
  }
}

/** What another member would say as well: no use in asking it. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'invite-used',
  'invite-expired',
  'invite-revoked',
  'already-member',
  'conflict',
  'software-too-old',
])

/** Of several failures the one that tells the user most. */
const TELLING: readonly ErrorCode[] = [
  'invite-invalid',
  'wrong-network',
  'rate-limited',
  'protocol',
  'disconnected',
  'usage',
]

async function tryAll(
  init: JoinerInit,
  ticket: InviteTicket,
  via: string | undefined,
  signal: AbortSignal,
): Promise<Admitted> {
  const targets = via === undefined ? groupByPeer(ticket.addresses) : [[via]]
  const failures: unknown[] = []
  for (const addresses of targets) {
    for (let limited = 0; ; ) {
      try {
        return await tryOne(init, ticket, addresses, signal)
      } catch (error) {
        signal.throwIfAborted()
        const code = codeOf(error)
        if (FINAL.has(code)) throw error
        if (code !== 'rate-limited' || limited++ >= MAX_LIMITED_TRIES) {
          failures.push(error)
          break
        }
        await sleep(init.clock, TRY_INTERVAL_MS + init.random.below(TRY_INTERVAL_MS), signal)
      }
    }
  }
  for (const code of TELLING) {
    const telling = failures.find((failure) => codeOf(failure) === code)
    if (telling !== undefined) throw telling
  }
  throw new NoAdmitterError(targets.flat(), failures[0])
}

/** Addresses of one peer are tried together, peers one after the other: two members must not both admit. */
function groupByPeer(addresses: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const address of addresses) {
    const at = address.lastIndexOf('/p2p/')
    const peer = at < 0 ? address : address.slice(at)
    groups.set(peer, [...(groups.get(peer) ?? []), address])
  }
  return [...groups.values()]
}

async function tryOne(
  init: JoinerInit,
  ticket: InviteTicket,
  addresses: string[],
  signal: AbortSignal,
): Promise<Admitted> {
  const peer = await init.host.dial(addresses, { signal, timeoutMs: DIAL_DEADLINE_MS })
  let stream: FrameStream
  try {
    stream = await init.host.open(peer, 'register', {
      signal,
      timeoutMs: DIAL_DEADLINE_MS,
      maxFrameBytes: MEMBER_FRAME_BYTES,
    })
  } catch (error) {
    if (codeOf(error) === 'unsupported') throw new WrongNetworkError('its protocol is not spoken there', error)
    throw error
  }
  try {
    const admitted = await new Exchange(init, ticket, stream, signal).run()
    await stream.close()
    return admitted
  } catch (error) {
    stream.abort(error instanceof Error ? error : undefined)
    throw error
  }
}

class Exchange {
  readonly #init: JoinerInit
  readonly #ticket: InviteTicket
  readonly #stream: FrameStream
  readonly #wait: { signal: AbortSignal; timeoutMs: number }
  readonly #entries: SignedEntry[] = []
  #entryBytes = 0

  constructor(init: JoinerInit, ticket: InviteTicket, stream: FrameStream, signal: AbortSignal) {
    this.#init = init
    this.#ticket = ticket
    this.#stream = stream
    this.#wait = { signal, timeoutMs: ADMIT_DEADLINE_MS }
  }

  async run(): Promise<Admitted> {
    const { signer, sealing } = this.#init
    const { network, invite } = this.#ticket
    const inviteKey = signingKeyFromSeed(this.#ticket.seed)

    await send(this.#stream, { v: REGISTER_VERSION, invite: idBytes(invite) }, this.#wait)
    const challenge = await this.#receive('challenge')
    if (challenge.nonce === undefined) throw new RegisterProtocolError('no nonce')
    await send(this.#stream, { knock: signKnock(inviteKey, network, challenge.nonce, signer.publicKey) }, this.#wait)

    await this.#collect('end')
    this.#assertProven(this.#fold(), inviteKey)

    const proof = sign(inviteKey, 'invite', network, signer.publicKey, sealing)
    const accepts = sign(signer, 'join', network, idBytes(invite), sealing)
    await send(this.#stream, { node: signer.publicKey, sealing, proof, accepts }, this.#wait)
    return await this.#receiveAdmission()
  }

  async #receiveAdmission(): Promise<Admitted> {
    const admitted = await this.#receive('admitted')
    if (admitted.admit === undefined) throw new RegisterProtocolError('no admission')
    const { addresses, grants } = await this.#collect('done')
    const state = this.#fold()
    const admit = idFrom<EntryId>(admitted.admit)
    const self = state.members.get(nodeIdFromPublicKey(this.#init.signer.publicKey))
    if (self?.admit !== admit || self.state !== 'member' || !equalBytes(self.sealing, this.#init.sealing)) {
      throw new RegisterProtocolError('the admission does not stand')
    }
    return {
      controlEntries: this.#entries,
      state,
      admit,
      addresses,
      grants,
      from: this.#stream.peer,
      ticket: this.#ticket,
    }
  }

  /** The next message, which must be of this type. @throws what the member refuses with */
  async #receive(...types: Reply['t'][]): Promise<Reply> {
    const message = await receiveReply(this.#stream, this.#wait)
    if (message.t === 'error') throw errorFrom(message.code ?? '')
    if (!types.includes(message.t)) throw new RegisterProtocolError(`${message.t} where ${types.join(' or ')} was due`)
    return message
  }

  /** Entries, addresses and keys up to a last message; bounded as they come. */
  async #collect(last: 'end' | 'done'): Promise<{ addresses: PeerAddresses[]; grants: Uint8Array }> {
    const addresses: PeerAddresses[] = []
    const grants: Uint8Array[] = []
    let grantBytes = 0
    for (;;) {
      const message = await this.#receive('entries', 'addresses', 'grants', last)
      if (message.t === last) return { addresses, grants: new Uint8Array(Buffer.concat(grants)) }
      if (message.t === 'entries') this.#take(entriesOf(message))
      for (const [node, list] of message.peers ?? []) addresses.push({ node: node as NodeId, addresses: list })
      if (message.bytes !== undefined) grants.push(message.bytes)
      grantBytes += message.bytes?.length ?? 0
      if (grantBytes > MAX_GRANTS_BYTES || addresses.length > MAX_PEERS) throw new RegisterProtocolError('too much')
    }
  }

  #take(entries: readonly SignedEntry[]): void {
    for (const entry of entries) {
      // what an entry costs in memory beside its bytes counts too
      this.#entryBytes += entry.bytes.length + 256
      if (this.#entryBytes > MAX_ENTRIES_BYTES) throw new RegisterProtocolError('too many entries')
      this.#entries.push(entry)
    }
  }

  #fold(): MembershipState {
    try {
      return this.#init.fold(this.#ticket.network, this.#entries)
    } catch (error) {
      if (error instanceof MaloteError) throw new WrongNetworkError('its entries are not authentic', error)
      throw error
    }
  }

  /** The chain from the founding entry that the invite names to the member on the other end. */
  #assertProven(state: MembershipState, inviteKey: SigningKey): void {
    const ticket = this.#ticket
    if (state.network?.id !== ticket.network) throw new WrongNetworkError('its founding entry is another one')
    if (!understandsRules(state)) throw new SoftwareTooOldError(state.network.rules, this.#init.rules ?? RULES_VERSION)
    if (state.members.get(this.#stream.peer)?.state !== 'member') {
      throw new WrongNetworkError('the one that answered is no member')
    }
    const invite = state.invites.get(ticket.invite)
    if (invite === undefined || invite.issuer !== ticket.issuer || !equalBytes(invite.key, inviteKey.publicKey)) {
      throw new InviteInvalidError('the network knows another invite under this id')
    }
  }
}

function errorFrom(code: string): MaloteError {
  const errors: Record<string, () => MaloteError> = {
    'invite-invalid': () => new InviteInvalidError('no member knows it'),
    'invite-used': () => new InviteUsedError(),
    'invite-expired': () => new InviteExpiredError(),
    'invite-revoked': () => new InviteRevokedError(),
    'wrong-network': () => new WrongNetworkError('the one that answered belongs to none'),
    'already-member': () => new MachineIsMemberError(),
    'node-known': () => new NodeKnownError(),
    'rate-limited': () => new RegisterLimitError(),
    'software-too-old': () => new AdmitterTooOldError(),
  }
  return errors[code]?.() ?? new RegisterProtocolError(`refused: ${code.replace(/[^a-z-]/g, '?')}`)
}
