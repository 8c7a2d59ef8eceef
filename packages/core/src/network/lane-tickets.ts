/**
 * Tickets for lanes: each lets one member open one lane for one protocol, once and soon. Pure but for the clock. Spec:
 * docs/specs/lane.md.
 */
import type { Clock } from '../clock.ts'
import { type NodeId, toHex } from '../ids.ts'
import type { Random } from '../random.ts'
import type { ProtocolName } from './types.ts'

/** A ticket that nobody came with is void after this (ms). */
export const TICKET_MS = 10_000
/** Open tickets of one peer, and of all. */
const MAX_PER_PEER = 32
const MAX_OPEN = 1024
const IDENTITY_BYTES = 16
const KEY_BYTES = 32

/** What the other side needs. */
export interface LaneSecret {
  /** 32 hex digits, in the clear on the wire */
  readonly identity: string
  /** pre-shared key of the TLS session, 32 bytes */
  readonly key: Uint8Array
}

export interface LaneTicket<Use> extends LaneSecret {
  readonly peer: NodeId
  readonly protocol: ProtocolName
  /** what becomes of a lane that is opened with it */
  readonly use: Use
}

export interface LaneTickets<Use> {
  /** @returns null when there are too many */
  issue(peer: NodeId, protocol: ProtocolName, use: Use): LaneTicket<Use> | null
  /** Whose key this is, as long as it is open. Not taken yet: who does not have the key must not be able to void it. */
  key(identity: string): Uint8Array | undefined
  /** Takes it: the lane stands. */
  take(identity: string): LaneTicket<Use> | undefined
  drop(identity: string): void
  /** False: whoever comes now has no business here. */
  readonly isAwaited: boolean
  clear(): void
}

export function createLaneTickets<Use>(init: { clock: Clock; random: Random }): LaneTickets<Use> {
  const { clock, random } = init
  const open = new Map<string, LaneTicket<Use> & { cancel(): void }>()
  const take = (identity: string) => {
    const ticket = open.get(identity)
    ticket?.cancel()
    open.delete(identity)
    return ticket
  }
  return {
    issue(peer, protocol, use) {
      const ofPeer = [...open.values()].filter((ticket) => ticket.peer === peer).length
      if (open.size >= MAX_OPEN || ofPeer >= MAX_PER_PEER) return null
      const identity = toHex(random.bytes(IDENTITY_BYTES))
      const cancel = clock.after(TICKET_MS, () => open.delete(identity))
      const ticket = { identity, key: random.bytes(KEY_BYTES), peer, protocol, use, cancel }
      open.set(identity, ticket)
      return ticket
    },
    key: (identity) => open.get(identity)?.key,
    take,
    drop: (identity) => void take(identity),
    get isAwaited() {
      return open.size > 0
    },
    clear() {
      for (const identity of [...open.keys()]) take(identity)
    },
  }
}
