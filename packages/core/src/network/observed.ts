/**
 * The punching service with what it needs of this house: whose word about addresses counts, the ports on which members
 * are told what this node sees of theirs (`lane-listener.ts`), and to whom a direct connection is wanted (`punching.ts`).
 */
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Punch, punch } from '@malote/punch'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { isRelayed, tcpTarget } from './addresses.ts'
import type { Connections } from './connections.ts'
import type { Components } from './guard.ts'
import { type Nat, natOf } from './nat.ts'
import { punched } from './path-kinds.ts'
import { Punching } from './punching.ts'

export interface MemberPunchInit {
  readonly self: NodeId
  readonly clock: Clock
  /** one that was punched beside a direct connection: somebody begins a lane on it */
  onSocket(socket: Socket): void
  /** a member, not quarantined */
  isTrusted(peer: NodeId): boolean
  /** false while this node's presence is switched off */
  isOpen(): boolean
  log(message: string, error?: unknown): void
}

export class MemberPunch {
  readonly #init: MemberPunchInit
  #service: Punch | undefined
  #punching: Punching | undefined
  #stopWatching: () => void = () => {}

  constructor(init: MemberPunchInit) {
    this.#init = init
  }

  /** For libp2p. It is silent until there is a network: `speak`. */
  readonly service = (components: Components): Punch => {
    this.#service = punch({
      prefix: null,
      auto: false,
      isObserver: (peer) => this.#init.isTrusted(peer as NodeId),
      ports: () => ({ tcp: listeningPort(components), isShared: true }),
      // QUIC has the swarm port's UDP side for itself
      observe: { port: () => besidePort(listeningPort(components)), transports: ['udp'] },
      onPunched: (connection) => void punched.add(connection),
      onSocket: (_, socket) => this.#init.onSocket(socket),
    })(components)
    return this.#service
  }

  /** A socket that begins with a question. */
  accept(socket: Socket): void {
    if (this.#service === undefined || !this.#init.isOpen()) socket.destroy()
    else this.#service.accept(socket)
  }

  /** @throws when there is none to be had */
  async openSocket(beside: Connection, signal: AbortSignal): Promise<Socket> {
    if (this.#service === undefined) throw new TypeError('not started')
    return await this.#service.openSocket(beside, { signal })
  }

  async speak(prefix: string | null): Promise<void> {
    await this.#service?.speak(prefix)
  }

  start(connections: Connections, events: Components['events']): void {
    const { self, clock, isOpen, log } = this.#init
    const relayed = (peer: NodeId) => {
      const open = connections.open(peer)
      return open.length > 0 && open.every(({ remoteAddr }) => isRelayed(remoteAddr))
    }
    const punching = new Punching({
      self,
      clock,
      random: systemRandom,
      relayed: () => connections.peers().filter((peer) => this.#init.isTrusted(peer) && relayed(peer)),
      upgrade: async (peer, signal) => void (await this.#service?.upgrade(peerIdFromString(peer), { signal })),
      isOpen,
      log,
    })
    this.#punching = punching
    punching.start()
    const onIdentify = () => punching.look()
    events.addEventListener('peer:identify', onIdentify)
    this.#stopWatching = () => events.removeEventListener('peer:identify', onIdentify)
  }

  /** This machine is in other networks: holes are punched anew. */
  moved(): void {
    this.#punching?.moved()
  }

  /** What members with public addresses see of a port of ours. */
  async nat(signal: AbortSignal): Promise<Nat> {
    const { localPort, seen } = (await this.#service?.onePort({ signal })) ?? { localPort: 0, seen: [] }
    return natOf(ownAddresses(), localPort, seen)
  }

  async stop(): Promise<void> {
    this.#stopWatching()
    await this.#punching?.stop()
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(
    (each) => each?.flatMap(({ address, internal }) => (internal ? [] : [address])) ?? [],
  )
}

/** A port that an administrator can open, too; any, where the swarm port is any. */
function besidePort(port: number): number {
  return port > 0 && port < 65_535 ? port + 1 : 0
}

function listeningPort({ transportManager }: Components): number {
  for (const address of transportManager.getAddrs()) {
    const target = tcpTarget(address)
    if (target !== null) return target.port
  }
  return 0
}
