/**
 * libp2p's reservations at relays, asked for one by one. Its own search takes whatever relay it meets first, in no order,
 * remembers for good whom it once asked in vain, and gives up all when one listener closes; so it is never begun here,
 * and `relays.ts` chooses.
 */
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { PeerId, Transport } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { NodeId } from '../ids.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'
import { CIRCUITS_PER_CONNECTION } from './relay-server.ts'

/** An answer to a request for a reservation, milliseconds. */
const RESERVE_MS = 5_000

/** What of the transport's own store is used; the package gives no type for it. */
interface Store extends EventTarget {
  addRelay(relay: PeerId, type: 'configured'): Promise<unknown>
  hasReservation(relay: PeerId): boolean
}

export class RelayReservations {
  #store: Store | undefined

  /** The transport for circuits, to be given to libp2p. */
  transport(): (components: Components) => Transport {
    const create = circuitRelayTransport({
      maxInboundStopStreams: CIRCUITS_PER_CONNECTION,
      maxOutboundStopStreams: CIRCUITS_PER_CONNECTION,
      reservationCompletionTimeout: RESERVE_MS,
      reservationConcurrency: 4,
      // as if it had seen every relay already: it looks for none
      discoveryFilter: { has: () => true, add: () => undefined, remove: () => undefined },
    })
    return (components) => {
      const transport = create(components)
      const store: unknown = Reflect.get(transport, 'reservationStore')
      if (!isStore(store)) throw new TypeError('the relay transport has no reservations')
      // a relay that was restarting when it was asked is one afterwards
      Reflect.set(store, 'relayFilter', { has: () => false, add: () => undefined })
      this.#store = store
      return transport
    }
  }

  /** Renews itself. @throws when the relay does not grant it */
  async reserve(relay: NodeId): Promise<void> {
    await this.#store?.addRelay(peerIdFromString(relay), 'configured')
  }

  has(relay: NodeId): boolean {
    return this.#store?.hasReservation(peerIdFromString(relay)) === true
  }

  /** Its connection has gone, or it was not renewed. */
  onLost(listener: (relay: NodeId) => void): void {
    this.#store?.addEventListener('relay:removed', (event) => {
      if (event instanceof CustomEvent) listener(nodeIdOf(event.detail.relay as PeerId))
    })
  }
}

function isStore(value: unknown): value is Store {
  return (
    value instanceof EventTarget &&
    typeof Reflect.get(value, 'addRelay') === 'function' &&
    typeof Reflect.get(value, 'hasReservation') === 'function'
  )
}
