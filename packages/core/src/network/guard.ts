/**
 * Who may open which stream. Everything that libp2p's own services register (relay, dht, autonat, ping) passes through
 * `guardRegistrar`, so that no protocol can be offered around the gate, and no service turns to a peer that is no
 * member. (`registrar.use` would be the documented place, but libp2p 3.3 appends the handler to the stored middleware
 * at every stream, so that each later stream would run it once more.)
 */
import type { Connection, PeerId, Stream, Topology } from '@libp2p/interface'
import type { Libp2pInit } from 'libp2p'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { NotMemberError, PeerLimitError, QuarantinedPeerError, StreamBrokenError } from './errors.ts'
import { nodeIdOf } from './gater.ts'
import type { Gate, HandlerInit, ProtocolName } from './types.ts'
import { AFTER_END_BYTES, END_MS } from './until-ended.ts'

/** The parts of a libp2p node, as its services get them. */
export type Components = Parameters<NonNullable<Libp2pInit['services']>[string]>[0]

/** Open to strangers: without identify no connection can be used, and it tells no more than the handshake did. */
const OPEN_PROTOCOLS = /^\/ipfs\/id\//
const RELAY_PROTOCOLS = /^\/libp2p\/circuit\/relay\//
/** What a quarantined member may still do: control entries pass, so that it can answer, and it can be seen. */
const QUARANTINE_PROTOCOLS: ReadonlySet<ProtocolName> = new Set(['ledger', 'presence'])
/** Notices about peers that are not members yet, kept until they are. */
const MAX_POSTPONED = 256

/** @throws {NotMemberError} @throws {QuarantinedPeerError} when this peer may not open this protocol */
export function checkStream(gate: Gate | null, peer: NodeId, protocol: ProtocolName, init: HandlerInit): void {
  const isMember = gate?.mayConnect(peer) === true && gate.isMember(peer)
  if (!isMember && !(init.strangers === true && gate?.mayConnect(peer) !== false)) throw new NotMemberError(peer)
  if (isMember && gate.isQuarantined(peer) && !QUARANTINE_PROTOCOLS.has(protocol)) throw new QuarantinedPeerError(peer)
}

export interface RegistrarGuard {
  /** Protocols that this room handles itself, gated stream by stream. */
  exempt(protocol: string): void
  /** Tells services about peers that have become members since they connected. */
  catchUp(): void
}

export function guardRegistrar(
  registrar: Components['registrar'],
  isTrusted: (peer: NodeId) => boolean,
  clock: Clock,
): RegistrarGuard {
  const handle = registrar.handle.bind(registrar)
  const register = registrar.register.bind(registrar)
  const exempted = new Set<string>()
  let postponed: { topology: Topology; peer: PeerId; connection: Connection }[] = []

  registrar.handle = async (protocol, handler, options) => {
    if (exempted.has(protocol)) return await handle(protocol, handler, options)
    await handle(
      protocol,
      (stream, connection) => {
        const peer = nodeIdOf(connection.remotePeer)
        if (OPEN_PROTOCOLS.test(protocol) || isTrusted(peer) || isHopConnect(protocol)) {
          const done = handler(stream, connection)
          // what goes on over these afterwards is a circuit
          return RELAY_PROTOCOLS.test(protocol) ? done : endAfter(done, stream, clock)
        }
        stream.abort(new NotMemberError(peer))
      },
      options,
    )
  }
  registrar.register = async (protocol, topology, options) => {
    const { onConnect } = topology
    if (onConnect === undefined) return await register(protocol, topology, options)
    const guarded: Topology = {
      ...topology,
      onConnect: (peer, connection) => {
        if (isTrusted(nodeIdOf(peer))) return onConnect(peer, connection)
        if (postponed.length < MAX_POSTPONED) postponed.push({ topology, peer, connection })
      },
    }
    return await register(protocol, guarded, options)
  }
  return {
    exempt: (protocol) => void exempted.add(protocol),
    catchUp() {
      const waiting = postponed.filter(({ connection }) => connection.status === 'open')
      postponed = []
      for (const notice of waiting) {
        if (!isTrusted(nodeIdOf(notice.peer))) postponed.push(notice)
        else void notice.topology.onConnect?.(notice.peer, notice.connection)
      }
    },
  }
}

/**
 * libp2p leaves a stream open that its handler has done with and the other side has not ended, and keeps up to 5 MiB of
 * what comes on it. The same end as for exchanges of our own: `until-ended.ts`.
 */
async function endAfter(done: void | Promise<void>, stream: Stream, clock: Clock): Promise<void> {
  try {
    await done
  } finally {
    if (stream.status === 'open' || stream.status === 'closing') {
      let bytes = 0
      const cancel = clock.after(END_MS, () => stream.abort(new StreamBrokenError('not ended')))
      stream.addEventListener('close', cancel)
      stream.addEventListener('message', ({ data }) => {
        bytes += data.byteLength
        if (bytes > AFTER_END_BYTES) stream.abort(new PeerLimitError('bytes after the end'))
      })
    }
  }
}

/** A stranger may ask a relay for one circuit: the relay's own questions to the gater decide. */
function isHopConnect(protocol: string): boolean {
  return protocol === '/libp2p/circuit/relay/0.2.0/hop'
}
