/**
 * The network whose protocols this host speaks now: its handlers, registered under the network's ids, and its discovery.
 * One network at a time; changes come one after the other.
 */
import type { Libp2p } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { withDeadline } from './deadline.ts'
import { type Discovery, startDiscovery } from './discovery.ts'
import type { Components, RegistrarGuard } from './guard.ts'
import { DEFAULT_STREAMS_PER_PEER, type Handlers } from './handlers.ts'
import { protocolId, protocolPrefix } from './protocols.ts'
import type { HandlerInit, ProtocolName, StreamHandler, Wait } from './types.ts'

export const OUTBOUND_STREAMS_PER_PROTOCOL = 256

export interface SpokenNetworkInit {
  readonly clock: Clock
  readonly handlers: Handlers
  readonly mdns: boolean
  /** once the host runs */
  parts(): { readonly node: Libp2p; readonly components: Components; readonly guard: RegistrarGuard }
  onFound(peer: NodeId, addresses: string[], how: 'lan' | 'dht'): void
  /** services that are not handled here speak under this prefix now; null: not at all */
  speak(prefix: string | null): Promise<void>
  /** the network was left */
  hangUp(): Promise<void>
  log(message: string, error?: unknown): void
}

export class SpokenNetwork {
  readonly #init: SpokenNetworkInit
  readonly #registered = new Map<ProtocolName, { init: HandlerInit; handler: StreamHandler }>()
  #id: NetworkId | null = null
  #discovery: Discovery | undefined
  #changing: Promise<void> = Promise.resolve()

  constructor(init: SpokenNetworkInit) {
    this.#init = init
  }

  get id(): NetworkId | null {
    return this.#id
  }

  /** @param begin called in its turn, before anything changes */
  async change(network: NetworkId | null, begin: () => void): Promise<void> {
    const change = this.#changing.then(async () => {
      begin()
      if (network === this.#id) return
      await this.#leave()
      if (network !== null) await this.#enter(network)
    })
    this.#changing = change.catch(() => {})
    await change
  }

  /** Also for networks to come. */
  handle(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler): void {
    this.#registered.set(protocol, { init, handler })
    if (this.#id === null) return
    this.#register(this.#id, protocol, init, handler).catch((error: unknown) =>
      this.#init.log('cannot register', error),
    )
  }

  /** What was registered for a protocol of the network that is spoken now. */
  registered(protocol: ProtocolName): { init: HandlerInit; handler: StreamHandler } | undefined {
    return this.#id === null ? undefined : this.#registered.get(protocol)
  }

  /** Asks other members for a member's addresses. */
  async find(peer: NodeId, wait: Wait): Promise<string[]> {
    const discovery = this.#discovery
    if (discovery === undefined) return []
    return await withDeadline(this.#init.clock, `looking for ${peer}`, wait, (signal) => discovery.find(peer, signal))
  }

  /** Ends the discovery, after what is under way; the protocols end with the host. */
  async stop(): Promise<void> {
    await this.#changing
    await this.#discovery?.stop()
  }

  async #enter(network: NetworkId): Promise<void> {
    this.#id = network
    for (const [protocol, { init, handler }] of this.#registered) await this.#register(network, protocol, init, handler)
    await this.#init.speak(protocolPrefix(network))
    this.#discovery = await startDiscovery({
      clock: this.#init.clock,
      components: this.#init.parts().components,
      network,
      mdns: this.#init.mdns,
      onFound: this.#init.onFound,
      log: this.#init.log,
    })
  }

  async #leave(): Promise<void> {
    const network = this.#id
    if (network === null) return
    this.#id = null
    await this.#init.speak(null)
    await this.#discovery?.stop()
    this.#discovery = undefined
    const { node } = this.#init.parts()
    await node.unhandle([...this.#registered.keys()].map((protocol) => protocolId(network, protocol)))
    await this.#init.hangUp()
  }

  async #register(
    network: NetworkId,
    protocol: ProtocolName,
    init: HandlerInit,
    handler: StreamHandler,
  ): Promise<void> {
    const { node, guard } = this.#init.parts()
    const id = protocolId(network, protocol)
    guard.exempt(id)
    await node.handle(id, this.#init.handlers.wrap(protocol, init, handler), {
      force: true,
      runOnLimitedConnection: true,
      // per connection, and a little above ours per peer, so that ours decides and says why
      maxInboundStreams: (init.maxStreamsPerPeer ?? DEFAULT_STREAMS_PER_PEER) + 4,
      maxOutboundStreams: OUTBOUND_STREAMS_PER_PROTOCOL,
    })
  }
}
