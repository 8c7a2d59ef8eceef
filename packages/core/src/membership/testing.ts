/** Builders for tests of control entries: real keys and signatures, entries without the ledger's envelope. */
import { type CborValue, encodeCbor } from '../codec/index.ts'
import { generateSigningKey, type SigningKey, sha256, sign } from '../crypto/index.ts'
import { type EntryId, feedIdFrom, idBytes, idFrom, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import type { Cuts } from './draft.ts'
import type { ControlBody, ControlKind } from './kinds.ts'
import { applyControl, emptyMembership } from './rules.ts'
import type { ControlEntry, MembershipState, Refusal } from './types.ts'

/** Enough for any test entry; dated so that nothing depends on the day it runs. */
export const START_MS = Date.UTC(2030, 0, 1)

export interface WriteOptions {
  /** what it had seen @default everything that the world has folded */
  seen?: readonly EntryId[]
  cosigned?: boolean
  ms?: number
  /** of another feed of the same author */
  incarnation?: number
  /** to write a fork */
  seq?: number
}

/** Places of all ends of closed feeds, lowest first. */
export function placesOf({ cuts }: MembershipState): number[] {
  return [...cuts.values()].flatMap((ends) => ends.map(({ seq }) => seq)).sort((a, b) => a - b)
}

/** One machine: keys and feeds. */
export class Author {
  readonly signer: SigningKey = generateSigningKey()
  readonly sealing: Uint8Array = new Uint8Array(32).fill(7)
  readonly node: NodeId = nodeIdFromPublicKey(this.signer.publicKey)
  readonly #next = new Map<number, number>()

  get key(): Uint8Array {
    return this.signer.publicKey
  }

  incarnation(number = 0): Uint8Array {
    return new Uint8Array(16).fill(number)
  }

  /** The end of a feed at a place, for closing it; of an entry that these worlds do not have. */
  end(seq: number, number = 0): Cuts[number] & [Uint8Array, number, Uint8Array] {
    return [this.incarnation(number), seq, sha256(encodeCbor([this.key, this.incarnation(number), seq]))]
  }

  entry(kind: string, body: unknown, seen: readonly EntryId[], options: WriteOptions = {}): ControlEntry {
    const { incarnation = 0, cosigned = false, ms = START_MS } = options
    const seq = options.seq ?? this.#next.get(incarnation) ?? 0
    this.#next.set(incarnation, Math.max(this.#next.get(incarnation) ?? 0, seq + 1))
    const feed = feedIdFrom(this.key, this.incarnation(incarnation))
    const content = [this.key, this.incarnation(incarnation), seq, ms, kind, seen.map((id) => idBytes(id)), cosigned]
    const id = idFrom<EntryId>(sha256(encodeCbor([...content, body as CborValue])))
    return { id, author: this.node, authorKey: this.key, feed, seq, ms, kind, seen, body, cosigned }
  }
}

/** A network that is folded as it is written, every entry having seen all before it unless told otherwise. */
export class World {
  readonly founder = new Author()
  readonly recovery = generateSigningKey()
  readonly entries: ControlEntry[] = []
  readonly inviteKeys = new Map<EntryId, SigningKey>()
  state: MembershipState = emptyMembership()
  readonly found: ControlEntry

  constructor() {
    const { sealing } = this.founder
    const body = { name: 'acme', branch: 'hq', sealing, recovery: this.recovery.publicKey, policy: {}, rules: 1 }
    this.found = this.founder.entry('found', body, [])
    this.add(this.found)
  }

  get network(): NetworkId {
    return idFrom<NetworkId>(idBytes(this.found.id))
  }

  /** Ids of entries that no other one names. */
  tips(): EntryId[] {
    const named = new Set(this.entries.flatMap((entry) => entry.seen))
    return this.entries.filter(({ id }) => !named.has(id)).map(({ id }) => id)
  }

  add(entry: ControlEntry): ControlEntry {
    this.entries.push(entry)
    this.state = applyControl(this.state, entry)
    return entry
  }

  write<K extends ControlKind>(
    author: Author,
    kind: K,
    body: ControlBody<K>,
    options: WriteOptions = {},
  ): ControlEntry {
    return this.add(author.entry(kind, body, options.seen ?? this.tips(), options))
  }

  invite(author: Author, body: Partial<ControlBody<'invite'>> = {}, options: WriteOptions = {}): ControlEntry {
    const key = generateSigningKey()
    const full = { key: key.publicKey, branch: 'rio', role: 'member' as const, expires: START_MS + 1000, ...body }
    const entry = this.write(author, 'invite', full, options)
    this.inviteKeys.set(entry.id, key)
    return entry
  }

  admitBody(invite: ControlEntry, newcomer: Author, change: Partial<ControlBody<'admit'>> = {}): ControlBody<'admit'> {
    const key = this.inviteKeys.get(invite.id) ?? generateSigningKey()
    const { sealing } = newcomer
    return {
      invite: idBytes(invite.id),
      node: newcomer.key,
      sealing,
      proof: sign(key, 'invite', this.network, newcomer.key, sealing),
      accepts: sign(newcomer.signer, 'join', this.network, idBytes(invite.id), sealing),
      ...change,
    }
  }

  admit(author: Author, invite: ControlEntry, newcomer: Author, options: WriteOptions = {}): ControlEntry {
    return this.write(author, 'admit', this.admitBody(invite, newcomer), options)
  }

  /** Invited and admitted by one member. */
  join(by: Author, body: Partial<ControlBody<'invite'>> = {}): Author {
    const newcomer = new Author()
    this.admit(by, this.invite(by, body), newcomer)
    return newcomer
  }

  verdict(entry: ControlEntry): Refusal['code'] | null | undefined {
    const verdict = this.state.verdicts.get(entry.id)
    return verdict === null ? null : verdict?.code
  }
}
