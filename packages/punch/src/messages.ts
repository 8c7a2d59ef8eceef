/** The messages of a punch, and the answer of an observer. Fixed fields, every list and length bounded. */
import { joined, Reader, sized, uint } from './bytes.ts'
import { type Candidate, decodeCandidate, encodeCandidate } from './endpoints.ts'
import { PunchMessageError } from './errors.ts'
import { MAX_CANDIDATES, MAX_MESSAGE_BYTES } from './limits.ts'
import { decodeStatement, encodeStatement, type Statement } from './statements.ts'

/**
 * How a direct connection is tried for: a plain dial, or both sides at once by TCP or UDP. `socket`: as `tcp`, but beside a
 * direct connection, and what comes of it is the bare socket.
 */
export type Way = 'dial' | 'tcp' | 'udp' | 'socket'

export type Message =
  | {
      readonly type: 'connect'
      readonly way: Way
      /** ms from the other side's `connect` to this one */
      readonly waited: number
      readonly statement: Statement | null
      readonly candidates: readonly Candidate[]
    }
  | { readonly type: 'sync' | 'swap' | 'done' | 'no' }

export interface Observation {
  readonly token: Uint8Array
  /** the TCP port of this very connection answers questions, too */
  readonly isShared: boolean
  /** ports that answer questions; 0: none */
  readonly tcp: number
  readonly udp: number
  /** the port that takes QUIC connections; 0: none */
  readonly quic: number
  /** about the asker's end of this connection */
  readonly seen: Statement | null
}

export const TOKEN_BYTES = 16
const WAYS = ['dial', 'tcp', 'udp', 'socket'] as const
const TYPES = ['connect', 'sync', 'swap', 'done', 'no'] as const
const MAX_WAITED = 0xffff

export function encodeMessage(message: Message): Uint8Array {
  const type = uint(TYPES.indexOf(message.type) + 1, 1)
  if (message.type !== 'connect') return type
  const { way, waited, statement, candidates } = message
  const named = candidates.slice(0, MAX_CANDIDATES)
  return joined([
    type,
    uint(WAYS.indexOf(way) + 1, 1),
    uint(Math.min(Math.max(Math.round(waited), 0), MAX_WAITED), 2),
    encodeOptional(statement),
    uint(named.length, 1),
    ...named.map(encodeCandidate),
  ])
}

/** @throws {PunchMessageError} */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes)
  const type = TYPES[reader.uint(1) - 1]
  if (type === undefined) throw new PunchMessageError('unknown message')
  if (type !== 'connect') {
    reader.end()
    return { type }
  }
  const way = WAYS[reader.uint(1) - 1]
  if (way === undefined) throw new PunchMessageError('unknown way')
  const waited = reader.uint(2)
  const statement = decodeOptional(reader)
  const count = reader.uint(1)
  if (count > MAX_CANDIDATES) throw new PunchMessageError('too many candidates')
  const candidates = Array.from({ length: count }, () => decodeCandidate(reader))
  reader.end()
  return { type, way, waited, statement, candidates }
}

export function encodeObservation({ token, isShared, tcp, udp, quic, seen }: Observation): Uint8Array {
  const ports = [tcp, udp, quic].map((port) => uint(port, 2))
  return joined([token, uint(isShared ? 1 : 0, 1), ...ports, encodeOptional(seen)])
}

/** @throws {PunchMessageError} */
export function decodeObservation(bytes: Uint8Array): Observation {
  const reader = new Reader(bytes)
  const token = Uint8Array.from(reader.take(TOKEN_BYTES))
  const flags = reader.uint(1)
  if (flags > 1) throw new PunchMessageError('unknown flags')
  const tcp = reader.uint(2)
  const udp = reader.uint(2)
  const quic = reader.uint(2)
  const seen = decodeOptional(reader)
  reader.end()
  return { token, isShared: flags === 1, tcp, udp, quic, seen }
}

function encodeOptional(statement: Statement | null): Uint8Array {
  return sized(statement === null ? new Uint8Array() : encodeStatement(statement), 2)
}

function decodeOptional(reader: Reader): Statement | null {
  const bytes = reader.sized(2, MAX_MESSAGE_BYTES)
  return bytes.length === 0 ? null : decodeStatement(bytes)
}
