/**
 * Signed statements of a third party: "I saw this peer at this address at this time". Whoever shows one could receive
 * there, so that nobody can have packets sent to somebody else's address.
 */
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { joined, Reader, sized, text, uint } from './bytes.ts'
import { decodeEndpoint, type Endpoint, encodeEndpoint, type Transport, transportCode } from './endpoints.ts'
import { PunchMessageError } from './errors.ts'
import { STATEMENT_MS } from './limits.ts'

const MAX_OBSERVER_BYTES = 64
const MAX_SIGNATURE_BYTES = 80

export interface Statement {
  readonly endpoint: Endpoint
  /** ms since the epoch, of the observer's clock */
  readonly at: number
  /** PeerId, as text */
  readonly observer: string
  readonly signature: Uint8Array
}

/** Whom, over what, and for which network a statement is about. */
export interface Subject {
  readonly prefix: string
  readonly peer: string
  readonly transport: Transport
}

export async function makeStatement(
  subject: Subject,
  endpoint: Endpoint,
  observer: { readonly id: string; readonly key: PrivateKey; readonly now: number },
): Promise<Statement> {
  const signature = await observer.key.sign(signed(subject, endpoint, observer.now))
  return { endpoint, at: observer.now, observer: observer.id, signature }
}

/** Whether it holds. Who may be an observer is for the caller to say. */
export async function isTrue(statement: Statement, subject: Subject, now: number): Promise<boolean> {
  if (Math.abs(now - statement.at) > STATEMENT_MS) return false
  const key = peerOf(statement.observer)?.publicKey
  if (key === undefined) return false
  try {
    return await key.verify(signed(subject, statement.endpoint, statement.at), statement.signature)
  } catch {
    return false // not a signature of that kind of key
  }
}

export function encodeStatement({ endpoint, at, observer, signature }: Statement): Uint8Array {
  return joined([encodeEndpoint(endpoint), uint(at, 6), sized(text(observer), 1), sized(signature, 1)])
}

/** @throws {PunchMessageError} */
export function decodeStatement(bytes: Uint8Array): Statement {
  const reader = new Reader(bytes)
  const endpoint = decodeEndpoint(reader)
  const at = reader.uint(6)
  const observer = Buffer.from(reader.sized(1, MAX_OBSERVER_BYTES)).toString('latin1')
  const signature = Uint8Array.from(reader.sized(1, MAX_SIGNATURE_BYTES))
  reader.end()
  if (peerOf(observer) === null) throw new PunchMessageError('an observer without a PeerId')
  return { endpoint, at, observer, signature }
}

function signed({ prefix, peer, transport }: Subject, endpoint: Endpoint, at: number): Uint8Array {
  const zero = uint(0, 1)
  const purpose = [text(`${prefix}/observed/1`), zero, text(peer), zero]
  return joined([...purpose, uint(transportCode(transport), 1), encodeEndpoint(endpoint), uint(at, 6)])
}

function peerOf(id: string): PeerId | null {
  try {
    return peerIdFromString(id)
  } catch {
    return null
  }
}
