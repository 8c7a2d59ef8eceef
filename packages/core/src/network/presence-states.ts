/** What this node knows of each member's presence, and the part of it that is kept for the next start. */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/index.ts'
import type { NodeId } from '../ids.ts'
import { createPatience, type Patience } from './patience.ts'
import type { PeerSessions } from './peer-sessions.ts'

/** `last_seen` on disk may be this old while a member stays connected. */
const SEEN_EVERY_MS = 60_000

export interface PresenceState {
  connected: boolean
  lastSeen: number | null
  savedSeen: number
  version: string | null
  addresses: string[]
  rttMs: number | null
  sample: { offsetMs: number; at: number } | null
  readonly sessions: PeerSessions
  /** a stream is being opened */
  opening: boolean
  /** connected without a session since then */
  aloneSince: number | null
  /** it has said farewell, or refused us */
  hasLeft: boolean
  /** with a stream that cannot be opened */
  patience: Patience
}

export class PresenceStates {
  readonly #db: Database
  readonly #clock: Clock
  readonly #onProblem: (error: unknown) => void
  readonly #makeSessions: (node: NodeId) => PeerSessions
  readonly #states = new Map<NodeId, PresenceState>()

  /** @param init.onProblem something could not be kept */
  constructor(init: {
    db: Database
    clock: Clock
    sessions: (node: NodeId) => PeerSessions
    onProblem: (error: unknown) => void
  }) {
    this.#db = init.db
    this.#clock = init.clock
    this.#makeSessions = init.sessions
    this.#onProblem = init.onProblem
  }

  /** Of whom something was heard or asked before. */
  known(node: NodeId): PresenceState | undefined {
    return this.#states.get(node)
  }

  all(): [NodeId, PresenceState][] {
    return [...this.#states]
  }

  of(node: NodeId): PresenceState {
    const known = this.#states.get(node)
    if (known !== undefined) return known
    const row = this.#db.prepare<{ ms: number }>('SELECT ms FROM last_seen WHERE node = ?').get(node)
    const state: PresenceState = {
      connected: false,
      lastSeen: row?.ms ?? null,
      savedSeen: row?.ms ?? 0,
      version: null,
      addresses: [],
      rttMs: null,
      sample: null,
      sessions: this.#makeSessions(node),
      opening: false,
      aloneSince: null,
      hasLeft: false,
      patience: createPatience(this.#clock),
    }
    this.#states.set(node, state)
    return state
  }

  /** It was heard of just now. */
  seen(node: NodeId): void {
    const state = this.of(node)
    state.lastSeen = this.#clock.now()
    if (state.lastSeen - state.savedSeen >= SEEN_EVERY_MS) this.saveSeen(node)
  }

  saveSeen(node: NodeId): void {
    const state = this.of(node)
    if (state.lastSeen === null) return
    state.savedSeen = state.lastSeen
    this.#write('INSERT INTO last_seen (node, ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET ms = excluded.ms', [
      node,
      state.lastSeen,
    ])
  }

  savedAddresses(node: NodeId): Uint8Array | null {
    const query = this.#db.prepare<{ addresses: Uint8Array }>('SELECT addresses FROM member_addresses WHERE node = ?')
    return query.get(node)?.addresses ?? null
  }

  /** As the member, or whoever let this node in, has told them. */
  saveAddresses(node: NodeId, addresses: Uint8Array): void {
    this.#write('INSERT OR REPLACE INTO member_addresses (node, addresses) VALUES (?, ?)', [node, addresses])
  }

  /** Only for the next start: a disk that is full must not end a session, let alone the process. */
  #write(sql: string, values: unknown[]): void {
    try {
      this.#db.prepare(sql).run(...values)
    } catch (error) {
      this.#onProblem(error)
    }
  }
}
