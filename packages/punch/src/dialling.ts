/** Several addresses of one peer at once: the first that answers. */
import type { Connection, PeerId } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { type Candidate, toMultiaddr } from './endpoints.ts'

/** The others are ended. @throws when none answers @throws the signal's reason */
export async function dialFirst(
  transportManager: TransportManager,
  candidates: readonly Candidate[],
  peer: PeerId,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted()
  // a socket of @libp2p/tcp stays bound to the signal that it was dialled with: the winner's must not be aborted
  const dials = new Set<AbortController>()
  const endAll = () => {
    for (const each of dials) each.abort(new Error('another address was faster, or it took too long'))
    dials.clear()
  }
  // a handshake of QUIC cannot be recalled, only undone
  const { promise: over, reject } = Promise.withResolvers<never>()
  const onAbort = () => {
    endAll()
    reject(signal.reason)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  const dial = async (candidate: Candidate) => {
    const own = new AbortController()
    dials.add(own)
    const address = toMultiaddr(candidate, candidate.transport, peer.toString())
    const connection = await transportManager.dial(address, { signal: own.signal })
    if (own.signal.aborted) {
      connection.abort(new Error('too late'))
      throw own.signal.reason
    }
    dials.delete(own)
    endAll()
    return connection
  }
  try {
    return await Promise.race([Promise.any(candidates.map(dial)), over])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
