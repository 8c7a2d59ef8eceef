import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../clock.ts'
import { description, FakeRouter, searchAnswer } from './support/fake-router.ts'
import { type Listening, type MappedPort, PortMapper, type PortMapperInit } from './upnp-mapping.ts'

const MINUTE = 60_000
/** For one answer of a router. */
const ANSWER_MS = 5_000

/** Real for short waits, so that sockets may answer; long ones end when the test says so. */
class LongWaits implements Clock {
  readonly #waiting = new Set<{ ms: number; callback: () => void }>()
  now(): number {
    return systemClock.now()
  }
  after(ms: number, callback: () => void): () => void {
    if (ms < ANSWER_MS) return systemClock.after(ms, callback)
    const wait = { ms, callback }
    this.#waiting.add(wait)
    return () => void this.#waiting.delete(wait)
  }
  /** Those of that length are over. @returns how many there were */
  end(ms: number): number {
    const over = [...this.#waiting].filter((wait) => wait.ms === ms)
    for (const wait of over) {
      this.#waiting.delete(wait)
      wait.callback()
    }
    return over.length
  }
}

let router: FakeRouter
let clock: LongWaits
let mapper: PortMapper | undefined
let told: MappedPort[]
beforeEach(async () => {
  router = await FakeRouter.start()
  clock = new LongWaits()
  told = []
})
afterEach(async () => {
  await mapper?.stop()
  mapper = undefined
  await router.stop()
})

const listening = (ip: string, protocols: readonly Listening['protocol'][] = ['tcp', 'udp']): Listening[] =>
  protocols.map((protocol) => ({ ip, port: 4373, protocol }))

function start(init: Partial<PortMapperInit> = {}): PortMapper {
  mapper = new PortMapper({
    clock,
    random: { bytes: (length) => new Uint8Array(length), below: () => 7 },
    isOn: true,
    isWanted: () => true,
    listening: () => listening('127.0.0.1'),
    announces: false,
    seenAt: async () => [router.externalIp],
    ways: () => router.ways,
    onMapped: (port) => void told.push(port),
    onUnmapped: (port) => void told.splice(told.indexOf(port), 1),
    log: () => {},
    ...init,
  })
  mapper.start()
  return mapper
}

/** What came of it, when it is no longer being looked for. */
async function outcome(of: PortMapper) {
  await expect.poll(() => of.view().state, { timeout: 20_000 }).not.toMatch(/^(looking|waiting)$/)
  return of.view()
}

const ports = () => [...router.entries].map(([key, { client, port }]) => `${key} -> ${client}:${port}`)

describe('a port at the router', () => {
  it('is mapped for TCP and UDP at our own number, told, and given back', async () => {
    const mapping = start()
    expect(mapping.view().state).toBe('looking')
    expect(await outcome(mapping)).toEqual({ state: 'mapped', address: '8.7.6.5:4373', detail: null })
    expect(ports()).toEqual(['TCP 4373 -> 127.0.0.1:4373', 'UDP 4373 -> 127.0.0.1:4373'])
    expect([...router.entries.values()].map(({ lease }) => lease)).toEqual([3600, 3600])
    expect(told.map(({ protocol, externalIp, externalPort }) => [protocol, externalIp, externalPort])).toEqual([
      ['tcp', '8.7.6.5', 4373],
      ['udp', '8.7.6.5', 4373],
    ])
    await mapping.stop()
    expect(ports()).toEqual([])
    expect(told).toEqual([])
    await mapping.stop()
  })

  it('is another number, for both, where a neighbour has ours', async () => {
    router.entries.set('UDP 4373', { client: '127.0.0.9', port: 4373, lease: 0 })
    const mapping = start()
    expect((await outcome(mapping)).address).toBe('8.7.6.5:20007')
    expect(ports()).toEqual([
      'UDP 4373 -> 127.0.0.9:4373',
      'TCP 20007 -> 127.0.0.1:4373',
      'UDP 20007 -> 127.0.0.1:4373',
    ])
    expect(router.calls).not.toContain('AddPortMapping UDP 4373')
  })

  it('is another number where the router alone knows of the conflict', async () => {
    router.refuses = (action, protocol, port) =>
      action === 'GetSpecificPortMappingEntry'
        ? 401
        : action === 'AddPortMapping' && protocol === 'UDP' && port === 4373
          ? 718
          : null
    expect((await outcome(start())).address).toBe('8.7.6.5:20007')
    expect(ports()).toEqual(['TCP 20007 -> 127.0.0.1:4373', 'UDP 20007 -> 127.0.0.1:4373'])
  })

  it('is for ever where the router knows nothing else, and still given back', async () => {
    router.refuses = (action, _protocol, _port, lease) => (action === 'AddPortMapping' && lease !== 0 ? 725 : null)
    const mapping = start()
    expect((await outcome(mapping)).state).toBe('mapped')
    expect([...router.entries.values()].map(({ lease }) => lease)).toEqual([0, 0])
    await mapping.stop()
    expect(ports()).toEqual([])
  })

  it('is renewed; what the router has forgotten is made anew, and another address is told', async () => {
    const mapping = start()
    await outcome(mapping)
    router.entries.clear()
    router.externalIp = '9.9.9.9'
    expect(clock.end(10 * MINUTE)).toBe(1)
    await expect.poll(() => mapping.view().address, { timeout: 20_000 }).toBe('9.9.9.9:4373')
    expect(ports()).toHaveLength(2)
    expect(told.map(({ externalIp }) => externalIp)).toEqual(['9.9.9.9', '9.9.9.9'])
    expect(router.searches).toBe(1)
  })

  it('goes with the network it was in', async () => {
    let where = listening('127.0.0.1')
    const mapping = start({ listening: () => where })
    await outcome(mapping)
    where = listening('8.8.4.4')
    clock.end(5_000)
    await expect.poll(() => mapping.view().state, { timeout: 20_000 }).toBe('not-needed')
    expect(told).toEqual([])
    await expect.poll(ports, { timeout: 20_000 }).toEqual([])
  })

  it.each(['100.64.0.2', '192.168.1.2', '10.0.0.1', '0.0.0.0', '127.0.0.1', '', 'router', '::1', '203.0.113.7'])(
    'is not asked of a router whose own address is %o',
    async (address) => {
      router.externalIp = address
      expect(await outcome(start())).toEqual({ state: 'no-public-address', address: null, detail: address })
      expect(router.calls).toEqual(['GetExternalIPAddress'])
    },
  )

  it('is not asked of a router that names an address at which members do not see this node', async () => {
    const { state, detail } = await outcome(start({ seenAt: async () => ['7.7.7.7'] }))
    expect(state).toBe('no-public-address')
    expect(detail).toBe('8.7.6.5, and members see 7.7.7.7')
    expect(router.calls).toEqual(['GetExternalIPAddress'])
  })

  it('is checked again soon, as long as no member could be asked, and given back when they see another', async () => {
    let seen: string[] = []
    const mapping = start({ seenAt: async () => seen })
    expect((await outcome(mapping)).state).toBe('mapped')
    seen = ['7.7.7.7']
    expect(clock.end(MINUTE)).toBe(1)
    await expect.poll(() => mapping.view().state, { timeout: 20_000 }).toBe('no-public-address')
    expect(ports()).toEqual([])
    expect(told).toEqual([])
  })

  it('may be refused', async () => {
    router.refuses = (action) => (action === 'AddPortMapping' ? 606 : null)
    const { state, detail } = await outcome(start())
    expect(state).toBe('refused')
    expect(detail).toMatch(/606/)
    expect(ports()).toEqual([])
  })

  it('nobody is asked where it is of no use, or not wanted', () => {
    const cases: readonly [Partial<PortMapperInit>, string][] = [
      [{ isOn: false }, 'off'],
      [{ isWanted: () => false }, 'waiting'],
      [{ announces: true }, 'not-needed'],
      [{ listening: () => [...listening('127.0.0.1'), ...listening('8.8.4.4')] }, 'not-needed'],
      [{ listening: () => listening('127.0.0.2') }, 'not-needed'],
      [{ listening: () => listening('::1') }, 'not-needed'],
      [{ ways: () => [] }, 'not-needed'],
    ]
    for (const [init, state] of cases) expect(start(init).view().state).toBe(state)
    expect(router.searches).toBe(0)
  })

  it('nobody answers: said, and asked again later and later', async () => {
    router.answer = 'HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:MediaServer:1\r\n\r\n'
    const mapping = start()
    for (const minutes of [1, 2]) {
      await expect.poll(() => mapping.view().state, { timeout: 20_000 }).toBe('no-router')
      const before = router.searches
      await expect.poll(() => clock.end(minutes * MINUTE), { timeout: 20_000 }).toBe(1)
      await expect.poll(() => router.searches, { timeout: 20_000 }).toBe(before + 2)
    }
  }, 60_000)
})

describe('a hostile neighbour that plays the router', () => {
  it('cannot send us to others', async () => {
    let visits = 0
    const victim = createServer()
    victim.on('connection', () => {
      visits += 1
    })
    await new Promise<void>((resolve) => victim.listen(0, '127.0.0.2', resolve))
    const there = `http://127.0.0.2:${(victim.address() as AddressInfo).port}/`
    try {
      const tricks: readonly Partial<FakeRouter>[] = [
        { answer: searchAnswer(there) },
        { describe: (_, response) => void response.writeHead(302, { Location: there }).end() },
        { describe: (_, response) => void response.end(description(there)) },
        { control: (_, response) => void response.writeHead(307, { Location: there }).end() },
      ]
      for (const trick of tricks) {
        Object.assign(router, { answer: null, describe: null, control: null }, trick)
        const mapping = start()
        expect((await outcome(mapping)).state).toMatch(/^(no-router|failed)$/)
        await mapping.stop()
      }
      expect(visits).toBe(0)
    } finally {
      victim.close()
    }
  }, 30_000)

  const endless = 'x'.repeat(64 * 1024)
  it.each([
    ['too long', endless.repeat(2)],
    ['too long, as one text', `<a>${endless}</a>`],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['deep', '<a>'.repeat(20_000)],
    ['no router', '<html></html>'],
    ['nothing', ''],
  ])('gains nothing by a description that is %s', async (_, text) => {
    router.describe = (_request, response) => void response.end(text)
    expect((await outcome(start())).state).toBe('failed')
  })

  it('that sends without end is read no further than 64 KiB', async () => {
    let sent = 0
    router.describe = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(endless)) sent += endless.length
      }
      response.on('drain', more)
      more()
    }
    expect((await outcome(start())).detail).toMatch(/without end/)
    // with what the sockets of this machine hold
    expect(sent).toBeLessThan(32 * 1024 * 1024)
  })

  it.each(['describe', 'control'] as const)('that never comes to an end is waited for 5 s (%s)', async (where) => {
    const hangs = Promise.withResolvers<void>()
    router[where] = (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/xml' })
      response.write('<a>')
      hangs.resolve()
    }
    const mapping = start()
    await hangs.promise
    clock.end(ANSWER_MS)
    expect(await outcome(mapping)).toMatchObject({ state: 'failed', detail: expect.stringMatching(/no answer/) })
  })

  it('that never answers does not hold up the end', async () => {
    const hangs = Promise.withResolvers<void>()
    router.control = () => hangs.resolve()
    const mapping = start()
    await hangs.promise
    await mapping.stop()
    expect(told).toEqual([])
  })

  it('that answers a thousand times is one of four that are tried', async () => {
    router.describe = (_, response) => void response.end('')
    const answers = Array.from({ length: 8 }, (_, at) => searchAnswer(`${router.location}?${at}`))
    let next = 0
    Object.defineProperty(router, 'answer', { get: () => answers[next++ % answers.length] })
    await outcome(start({ ways: () => Array.from({ length: 8 }, () => router.ways[0]).flatMap((way) => way ?? []) }))
    expect(router.requests).toBeLessThanOrEqual(4)
  })
})
