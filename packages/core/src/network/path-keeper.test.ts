import { afterAll, describe, it } from 'vitest'
import type { NetworkHost } from './host-types.ts'
import { holdWay, peerEvent, portOf, startLine, startTestHost, type TestHost, type TestLine } from './testing.ts'
import type { HandlerInit } from './types.ts'

const HANDLER: HandlerInit = { maxFrameBytes: 1000, timeoutMs: 20_000 }
const OPTIONS = { maxFrameBytes: 1000, timeoutMs: 15_000 }

const running: TestHost[] = []
const lines: TestLine[] = []
const restores: (() => void)[] = []
async function start(...args: Parameters<typeof startTestHost>): Promise<TestHost> {
  const host = await startTestHost(...args)
  running.push(host)
  host.host.handle('keys', HANDLER, async (stream) => {
    await stream.read()
    await stream.write(Uint8Array.of(7))
  })
  return host
}
async function lineTo(host: NetworkHost): Promise<TestLine> {
  const line = await startLine(host)
  lines.push(line)
  return line
}
afterAll(async () => {
  for (const restore of restores) restore()
  await Promise.all(running.splice(0).map(({ host }) => host.stop()))
  await Promise.all(lines.splice(0).map((line) => line.stop()))
})

const kinds = ({ host }: TestHost, peer: TestHost) =>
  host
    .connections()
    .find((each) => each.peer === peer.host.id)
    ?.paths?.map(({ kind }) => kind)
const ask = (from: TestHost, to: TestHost) => from.host.request(to.host.id, 'keys', Uint8Array.of(1), OPTIONS)

// both mostly wait
describe.concurrent('paths', () => {
  it('are replaced when nothing comes over them any more, without anybody being told that the peer has gone', async ({
    expect,
  }) => {
    const near = await start()
    const far = await start({ members: [near] })
    const line = await lineTo(far.host)
    const met = Promise.all([peerEvent(near.host, 'connected'), peerEvent(far.host, 'connected')])
    await near.host.dial([line.address])
    await met
    const told: string[] = []
    near.host.onPeer(({ type }) => told.push(type))
    const moved = new Promise((resolve) => near.host.onPath(resolve))
    line.freeze()
    const lost = ask(near, far)
    expect(await moved).toBe(far.host.id)
    expect([...(await ask(near, far))]).toEqual([7])
    // cut, since the other one answers, and begun anew
    expect([...(await lost)]).toEqual([7])
    const dead = `/tcp/${portOf(line.address)}`
    const addresses = () => near.host.connections()[0]?.paths?.map(({ address }) => address) ?? []
    await expect.poll(() => addresses().filter((each) => each.includes(dead))).toEqual([])
    expect(addresses()).not.toEqual([])
    expect(told).toEqual([])
  })

  it('become direct by themselves when that is possible, and relayed again when the direct one dies', async ({
    expect,
  }) => {
    const relay = await start({ relay: 'always' })
    const near = await start({ members: [relay] })
    const far = await start({ members: [relay, near] })
    near.gate.members.add(far.host.id)
    const way = holdWay([near, far].map(({ host }) => portOf(host.addresses()[0])))
    restores.push(way.restore)
    await Promise.all([near, far].map(({ host }) => host.dial(relay.host.addresses())))
    const circuit = `${relay.host.addresses()[0]}/p2p-circuit/p2p/${far.host.id}`
    await expect
      .poll(
        () =>
          near.host.dial([circuit]).then(
            () => true,
            () => false,
          ),
        { timeout: 8000 },
      )
      .toBe(true)
    expect(kinds(near, far)).toEqual(['relay'])
    const line = await lineTo(far.host)
    const moved = new Promise((resolve) => near.host.onPath(resolve))
    way.line = line
    // news of an address: it is tried at once
    near.host.learn(far.host.id, [`/ip4/127.0.0.2/tcp/${portOf(far.host.addresses()[0])}/p2p/${far.host.id}`])
    await moved
    expect(kinds(near, far)).toEqual(['lan', 'relay'])
    line.freeze()
    const back = new Promise((resolve) => near.host.onPath(resolve))
    const asked = ask(near, far)
    await back
    expect(kinds(near, far)?.[0]).toBe('relay')
    expect([...(await asked)]).toEqual([7])
  })
})
