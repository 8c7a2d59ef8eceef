/** What is left in libp2p's memory of peers that came and went. */
import type { PeerData, PeerStore } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey } from '../crypto/index.ts'
import type { NodeId } from '../ids.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'
import { type Libp2pNodeInit, startLibp2p } from './libp2p-node.ts'
import { boundPeerRecords, type PeerRecords } from './peer-records.ts'
import { RelayReservations } from './relay-reservations.ts'

const OURS = '/malote/test/1'
const OPEN: Omit<Libp2pNodeInit, 'signingKey' | 'listen'> = {
  announce: [],
  reservations: new RelayReservations(),
  gater: { denyDialMultiaddr: () => false },
  lanes: { clock: systemClock, takers: new Map() },
  onComponents: () => undefined,
}

const running: { stop(): unknown }[] = []
afterEach(async () => {
  for (const node of running.splice(0)) await node.stop()
})

async function startKeeper(isKept: (peer: NodeId) => boolean) {
  let store: PeerStore | undefined
  let records: PeerRecords | undefined
  const onComponents = (parts: Components) => {
    store = parts.peerStore
    records = boundPeerRecords(parts, isKept)
  }
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const node = await startLibp2p({ ...OPEN, listen, onComponents, signingKey: generateSigningKey() })
  running.push(node)
  await node.handle(OURS, () => undefined)
  if (store === undefined || records === undefined) throw new TypeError('no parts')
  return { node, store, records }
}

/** One that tells at length what it speaks and where it is. */
async function startTalker() {
  const announce = Array.from({ length: 20 }, (_, at) => `/ip4/10.1.1.${at + 1}/tcp/4373`)
  const node = await startLibp2p({ ...OPEN, listen: [], announce, signingKey: generateSigningKey() })
  running.push(node)
  for (let at = 0; at < 30; at++) await node.handle(`/${'x'.repeat(90)}/${at}`, () => undefined)
  await node.handle(OURS, () => undefined)
  return node
}

describe('records of peers', () => {
  it.each([false, true])('whether they belong here: %s', async (belongs) => {
    const { node, store, records } = await startKeeper(() => belongs)
    const talker = await startTalker()
    const [address] = node.getMultiaddrs()
    if (address === undefined) throw new TypeError('no address')
    const told = new Promise((resolve) => node.addEventListener('peer:identify', resolve, { once: true }))
    await talker.dial(multiaddr(address.toString()))
    await told
    const id = peerIdFromString(talker.peerId.toString())
    // the last thing that identify writes
    if (belongs) await expect.poll(async () => (await store.get(id)).metadata.size).toBeGreaterThan(0)
    else await expect.poll(async () => (await store.get(id)).protocols.length).toBeGreaterThan(0)
    const { protocols, addresses, metadata } = await store.get(id)
    expect(protocols).toContain(OURS)
    expect([protocols.some((each) => each.includes('xxx')), addresses.length > 0, metadata.size > 0]).toEqual(
      Array(3).fill(belongs),
    )
    const gone = new Promise((resolve) => node.addEventListener('peer:disconnect', resolve, { once: true }))
    await talker.stop()
    await gone
    await expect.poll(() => store.has(id)).toBe(belongs)
    // written after it had gone
    await store.patch(id, { protocols: [OURS] })
    expect(await store.has(id)).toBe(true)
    records.tend()
    records.tend()
    await expect.poll(() => store.has(id)).toBe(belongs)
    expect(nodeIdOf(id)).toBe(talker.peerId.toString())
  })
})

describe('loopback addresses that a member tells', () => {
  const peer = peerIdFromString('12D3KooWFzxBEgzvWwc2tuHmvZ8zUfKNgwcpcSBX8dRkocqT3ogg')
  const relayed = `/ip4/127.0.0.1/tcp/4373/p2p/${peer}/p2p-circuit`
  const loopback = ['/ip4/127.0.0.1/tcp/4373', '/ip6/::1/tcp/4373']
  const all = [...loopback, relayed, '/ip4/10.1.1.1/tcp/4373']

  /** @param remotes where the member is connected */
  function keep(told: string[], remotes: string[]): string[] {
    let kept: string[] = []
    const write = async (_peer: unknown, data: PeerData) => {
      kept = [...(data.multiaddrs ?? []), ...(data.addresses ?? []).map((address) => address.multiaddr)].map(String)
    }
    const store = { get: write, save: write, patch: write, merge: write, delete: async () => undefined }
    boundPeerRecords(
      {
        peerStore: store,
        registrar: { getProtocols: () => [] },
        events: new EventTarget(),
        connectionManager: { getConnections: () => remotes.map((remote) => ({ remoteAddr: multiaddr(remote) })) },
      } as unknown as Components,
      () => true,
    )
    const addresses = told.map((address) => ({ multiaddr: multiaddr(address), isCertified: true }))
    void (store as unknown as PeerStore).patch(peer, { addresses })
    return kept
  }

  it('are kept where it was reached there, also beside another way', () => {
    expect(keep(all, ['/ip4/10.1.1.1/tcp/50000', '/ip4/127.0.0.1/tcp/50000'])).toEqual(all)
  })

  it('are not kept of another machine, where they lead to this one', () => {
    expect(keep(all, ['/ip4/10.1.1.1/tcp/50000'])).toEqual([relayed, '/ip4/10.1.1.1/tcp/4373'])
    expect(keep(loopback, ['/ip4/10.1.1.1/tcp/50000'])).toEqual([])
  })

  it('are kept of whom nothing else is known, wherever it is', () => {
    for (const remotes of [[], [relayed]]) {
      expect(keep(loopback, remotes)).toEqual(loopback)
      expect(keep([...loopback, relayed], remotes)).toEqual([...loopback, relayed])
      expect(keep(all, remotes)).toEqual([relayed, '/ip4/10.1.1.1/tcp/4373'])
    }
  })
})
