/**
 * Who may open which stream. Everything that libp2p's own services register (relay, dht, autonat, ping) passes through
 * `guardRegistrar`, so that no protocol can be offered around the gate, and no service turns to a peer that is no
 * member. (`registrar.use` would be the documented place, but libp2p 3.3 appends the handler to the stored middleware
 * at every stream, so that each later stream would run it once more.)
 */
import type { Connection, PeerId, Topology } from '@libp2p/interface'
import type { Libp2pInit } from 'libp2p'
import type { NodeId } from '../ids.ts'
import { NotMemberError, QuarantinedPeerError } from './errors.ts'
import { nodeIdOf } from './gater.ts'
import type { Gate, HandlerInit, ProtocolName } from './types.ts'

/** The parts of a libp2p node, as its services get them. */
export type Components = Parameters<NonNullable<Libp2pInit['services']>[string]>[0]

/** Open to strangers: without identify no connection can be used, and it tells no more than the handshake did. */
const OPEN_PROTOCOLS = /^\/ipfs\/id\//
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
): RegistrarGuard {
  const handle = registrar.handle.bind(registrar)
  const register = registrar.register.bind(registrar)
  const exempted = new Set<string>()
  let postponed: { topology: Topology; peer: PeerId; connection: Connection }[] = []

  registrar.handle = async (protocol, handler, options) => {
    if (exempted.has(protocol) || OPEN_PROTOCOLS.test(protocol)) return await handle(protocol, handler, options)
    await handle(
      protocol,
      (stream, connection) => {
        const peer = nodeIdOf(connection.remotePeer)
        if (isTrusted(peer) || isHopConnect(protocol)) return handler(stream, connection)
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

/** A stranger may ask a relay for one circuit: the relay's own questions to the gater decide. */
function isHopConnect(protocol: string): boolean {
  return protocol === '/libp2p/circuit/relay/0.2.0/hop'
}
