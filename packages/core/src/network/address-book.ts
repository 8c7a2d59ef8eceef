/** Addresses under which a peer may be found: the newest few, so that lies and old news cannot pile up. */
import type { PeerStore } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../ids.ts'

/** Addresses per peer; a machine with several interfaces, a port forward and two relays has about ten. */
export const MAX_ADDRESSES = 16
/** Peers with addresses; the network's members and those who lately were. */
const MAX_PEERS = 16_384

export class AddressBook {
  readonly #store: Pick<PeerStore, 'get' | 'merge' | 'patch'>
  readonly #known = new Map<NodeId, string[]>()

  constructor(store: Pick<PeerStore, 'get' | 'merge' | 'patch'>) {
    this.#store = store
  }

  /** The newest first. */
  known(peer: NodeId): readonly string[] {
    return this.#known.get(peer) ?? []
  }

  /** @returns whether one of them was not known */
  async learn(peer: NodeId, addresses: readonly Multiaddr[]): Promise<boolean> {
    if (addresses.length === 0) return false
    const before = this.#known.get(peer) ?? []
    const newest = addresses.map((address) => address.toString())
    const kept = [...new Set([...newest, ...before])].slice(0, MAX_ADDRESSES)
    if (kept.length === before.length && kept.every((address) => before.includes(address))) return false
    if (before.length === 0 && this.#known.size >= MAX_PEERS) return false
    this.#known.set(peer, kept)
    const byText = new Map(addresses.map((address) => [address.toString(), address]))
    const dropped = before.filter((address) => !kept.includes(address))
    const id = peerIdFromString(peer)
    const isNews = newest.some((address) => !before.includes(address))
    if (dropped.length === 0) {
      await this.#store.merge(id, { multiaddrs: [...byText.values()] })
      return isNews
    }
    const stored = (await this.#store.get(id)).addresses.map(({ multiaddr }) => multiaddr)
    const remaining = stored.filter((address) => kept.includes(address.toString()))
    await this.#store.patch(id, { multiaddrs: [...remaining, ...byText.values()] })
    return isNews
  }
}
