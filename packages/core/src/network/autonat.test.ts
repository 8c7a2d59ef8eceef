import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { dialsBack } from './autonat.ts'
import type { Components } from './guard.ts'

const nodes: Libp2p[] = []
afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())))

async function start(): Promise<{ node: Libp2p; components: Components }> {
  const { promise, resolve } = Promise.withResolvers<Components>()
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), parts: (components: Components) => resolve(components) },
  })
  nodes.push(node)
  return { node, components: await promise }
}

it('dials the address that it is asked about, and cuts nobody off', async () => {
  const [asker, helper] = await Promise.all([start(), start()])
  const [address] = asker.node.getMultiaddrs()
  if (address === undefined) throw new Error('no address')
  const before = await helper.node.dial(address)
  const manager = dialsBack(helper.components.connectionManager)
  const back = await manager.openConnection(address)
  expect(back.id).not.toBe(before.id)
  expect(back.remoteAddr.equals(address)).toBe(true)
  await back.close()
  expect(manager.getConnections(asker.node.peerId).map(({ status }) => status)).toEqual(['open', 'open'])
  // whom to ask is another question: any connection that there is
  expect([before.id, back.id]).toContain((await manager.openConnection(asker.node.peerId)).id)
  // where nobody listens the answer is no, though both are connected
  const elsewhere = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${asker.node.peerId}`)
  await expect(manager.openConnection(elsewhere)).rejects.toThrow()
  expect(before.status).toBe('open')
})
