import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../clock.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import type { NodeId } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { createFacts, type Facts } from './facts.ts'
import { createPresence } from './presence.ts'
import type { Presence, PresenceEvent } from './presence-types.ts'
import { startLine, startTestHost, TEST_NETWORK, type TestHost, type TestLine } from './testing.ts'

interface Side extends TestHost {
  facts: Facts
  presence: Presence
  db: Database
}

const sides: Side[] = []
const lines: TestLine[] = []
const logs: string[] = []

async function side(
  options: Parameters<typeof startTestHost>[0] & {
    disconnected?: boolean
    heartbeatMs?: number
    presenceClock?: Clock
    path?: string
    exchangesFacts?: boolean
  } = {},
): Promise<Side> {
  const { disconnected = false, heartbeatMs = 200, presenceClock = systemClock, ...others } = options
  const { path = ':memory:', exchangesFacts = true, ...rest } = others
  const base = await startTestHost(rest)
  const db = openDatabase({ path, migrations: migrationsFolder('local') })
  const facts = createFacts({ db, host: base.host, clock: systemClock, self: base.host.id })
  const presence = createPresence({
    host: base.host,
    network: TEST_NETWORK,
    signer: base.key,
    facts,
    db,
    clock: presenceClock,
    log: (message) => void logs.push(message),
    random: systemRandom,
    members: () => [...base.gate.members],
    version: '0.1.0',
    disconnected,
    heartbeatMs,
  })
  const one = { ...base, facts, presence, db }
  sides.push(one)
  if (exchangesFacts) facts.start()
  await presence.start()
  return one
}

async function end(one: Side): Promise<void> {
  const index = sides.indexOf(one)
  if (index >= 0) sides.splice(index, 1)
  await one.presence.stop()
  await one.facts.stop()
  await one.host.stop()
  one.db.close()
}

afterEach(async () => {
  logs.length = 0
  await Promise.all([...sides].map(end))
  await Promise.all(lines.splice(0).map((line) => line.stop()))
})

/** Resolves when it has happened, also when it had before. */
function seen(one: Side, node: NodeId, type: PresenceEvent['type']): Promise<void> {
  if (type !== 'changed' && one.presence.isConnected(node) === (type === 'connected')) return Promise.resolve()
  return new Promise((resolve) => {
    const off = one.presence.onChange((event) => {
      if (event.node !== node || event.type !== type) return
      off()
      resolve()
    })
  })
}

async function met(a: Side, b: Side): Promise<void> {
  const both = Promise.all([seen(a, b.host.id, 'connected'), seen(b, a.host.id, 'connected')])
  a.host.learn(b.host.id, b.host.addresses())
  a.presence.refresh()
  await both
}

describe('coming and going', () => {
  it('finds a member whose address it knows, and learns what it says', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    const told = Promise.all([seen(a, b.host.id, 'changed'), seen(b, a.host.id, 'changed')])
    await met(a, b)
    await told
    const view = b.presence.get(a.host.id)
    expect(view).toMatchObject({ connected: true, version: '0.1.0', addresses: a.host.addresses() })
    expect(view.lastSeen).toBeGreaterThan(Date.now() - 10_000)
    expect(a.presence.list().map(({ node }) => node)).toEqual([b.host.id])
  })

  it('finds a third member through a second', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    await met(a, b)
    const c = await side({ members: [a, b] })
    const all = Promise.all([seen(c, a.host.id, 'connected'), seen(a, c.host.id, 'connected')])
    await met(c, b)
    await all
  })

  it('says farewell, stays away, and comes back', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    await met(a, b)
    const gone = seen(a, b.host.id, 'disconnected')
    await b.presence.disconnect()
    await gone
    expect(b.presence.isOpen()).toBe(false)
    expect(b.presence.isConnected(a.host.id)).toBe(false)
    await expect(a.host.connect(b.host.id, { timeoutMs: 1_000 })).rejects.toBeDefined()
    const back = Promise.all([seen(a, b.host.id, 'connected'), seen(b, a.host.id, 'connected')])
    await b.presence.connect()
    await back
  })

  it('begins switched off when it was', async () => {
    const a = await side()
    const b = await side({ members: [a], disconnected: true })
    expect(b.presence.isOpen()).toBe(false)
    await expect(a.host.dial(b.host.addresses())).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('tells everybody when it stops', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    await met(a, b)
    const gone = seen(a, b.host.id, 'disconnected')
    const began = performance.now()
    await end(b)
    expect(performance.now() - began).toBeLessThan(2_000)
    await gone
    expect(a.presence.get(b.host.id).lastSeen).not.toBeNull()
  })

  it('remembers when it has last seen a member', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    await met(a, b)
    await b.presence.disconnect()
    await seen(a, b.host.id, 'disconnected')
    const row = a.db.prepare<{ ms: number }>('SELECT ms FROM last_seen WHERE node = ?').get(b.host.id)
    expect(row?.ms).toBe(a.presence.get(b.host.id).lastSeen)
  })
})

describe('starting again', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })
  function folder(): string {
    const made = mkdtempSync(join(tmpdir(), 'malote-presence-'))
    folders.push(made)
    return join(made, 'local.db')
  }

  it('finds those who wait for it, by what they had said', async () => {
    const path = folder()
    const before = await side({ path, exchangesFacts: false })
    const b = await side({ members: [before] })
    const told = seen(before, b.host.id, 'changed')
    await met(before, b)
    await told
    const gone = seen(b, before.host.id, 'disconnected')
    await end(before)
    await gone
    const after = await side({ path, exchangesFacts: false, signingKey: before.key, members: [b] })
    await seen(after, b.host.id, 'connected')
  })

  it('knows what it was told at its admission, until the member itself says more', async () => {
    const path = folder()
    const before = await side({ path })
    const b = await side({ members: [before], disconnected: true })
    const told = ['/ip4/127.0.0.1/tcp/9']
    before.presence.learn(b.host.id, told)
    await end(before)
    const after = await side({ path, signingKey: before.key, members: [b] })
    expect(after.presence.get(b.host.id).addresses).toEqual(told)
    await b.presence.connect()
    const changed = seen(after, b.host.id, 'changed')
    await met(after, b)
    await changed
    after.presence.learn(b.host.id, told)
    expect(after.presence.get(b.host.id).addresses).toEqual(b.host.addresses())
  })

  it('learns nothing of whoever is no member', async () => {
    const a = await side()
    const stranger = await startTestHost()
    a.presence.learn(stranger.host.id, stranger.host.addresses())
    expect(a.presence.get(stranger.host.id).addresses).toEqual([])
    await stranger.host.stop()
  })
})

describe('vanishing', () => {
  async function throughLine(): Promise<{ a: Side; b: Side; line: TestLine }> {
    const a = await side()
    const b = await side({ members: [a] })
    const line = await startLine(b.host)
    lines.push(line)
    const both = Promise.all([seen(a, b.host.id, 'connected'), seen(b, a.host.id, 'connected')])
    await a.host.dial([line.address])
    await both
    return { a, b, line }
  }

  it('notices a killed peer at once', async () => {
    const { a, b, line } = await throughLine()
    const gone = seen(a, b.host.id, 'disconnected')
    line.cut()
    await gone
  })

  it('notices a pulled cable by the missing heartbeat', async () => {
    const { a, b, line } = await throughLine()
    const gone = seen(a, b.host.id, 'disconnected')
    const began = performance.now()
    line.freeze()
    await gone
    expect(performance.now() - began).toBeLessThan(5 * 200 + 1_000)
  })

  it('marks at once whom a request could not reach, and tries again', async () => {
    const { a, b, line } = await throughLine()
    line.freeze()
    const failed = await a.host
      .request(b.host.id, 'presence', new Uint8Array(1), { maxFrameBytes: 10, timeoutMs: 100 })
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'timeout' })
    const back = new Promise<void>((resolve) => {
      a.presence.onChange(({ type }) => type === 'connected' && resolve())
    })
    a.presence.markUnreachable(b.host.id)
    expect(a.presence.isConnected(b.host.id)).toBe(false)
    // over another way, which it knows from b's own announcement
    await back
  })
})

/** Asked again after each message of the others; fails by the test's own deadline. */
function until(condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = setInterval(() => {
      if (!condition()) return
      clearInterval(look)
      resolve()
    }, 10)
  })
}

describe('two processes with one identity', () => {
  const later: Clock = { ...systemClock, now: () => Date.now() + 5_000 }

  it('lets the earlier one stay, whoever is met first, and tells both with a proof', async () => {
    const a = await side()
    const first = await side({ members: [a] })
    await met(first, a)
    await until(() => first.presence.isSole(a.host.id))
    expect([first.presence.twin(), a.presence.doubled()]).toEqual([null, []])
    const second = await side({ signingKey: first.key, members: [a], presenceClock: later })
    second.host.learn(a.host.id, a.host.addresses())
    second.presence.refresh()
    await until(() => second.presence.twin() !== null && first.presence.twin() !== null)
    expect(second.presence.twin()).toMatchObject({ by: a.host.id, weAreLater: true })
    expect(first.presence.twin()).toMatchObject({ by: a.host.id, weAreLater: false })
    expect(second.presence.isSole(a.host.id)).toBe(false)
    expect(a.presence.doubled()).toEqual([first.host.id])
    await seen(second, a.host.id, 'disconnected')
    expect(a.presence.isConnected(first.host.id)).toBe(true)
    expect(a.presence.get(first.host.id).addresses).toEqual(first.host.addresses())
    // the first has gone for good: the second is let in, and knows it
    await end(first)
    expect(second.presence.isSole(a.host.id)).toBe(false)
    await second.presence.connect()
    await until(() => second.presence.isSole(a.host.id))
    expect(second.presence.twin()).toBeNull()
  })

  it('sends away the later one also when that was there first', async () => {
    const a = await side()
    const second = await side({ members: [a], presenceClock: later })
    await met(second, a)
    const first = await side({ signingKey: second.key, members: [a] })
    first.host.learn(a.host.id, a.host.addresses())
    first.presence.refresh()
    await until(() => second.presence.twin()?.weAreLater === true)
    await until(() => first.presence.twin()?.weAreLater === false)
    await seen(second, a.host.id, 'disconnected')
    expect(a.presence.isConnected(first.host.id)).toBe(true)
  })

  it('lets in a process that restarted while the old one still seems to be there', async () => {
    const a = await side({ heartbeatMs: 20_000 })
    const old = await side({ members: [a], heartbeatMs: 20_000 })
    const line = await startLine(a.host)
    lines.push(line)
    await old.host.dial([line.address])
    await until(() => old.presence.isSole(a.host.id))
    line.freeze()
    const fresh = await side({ signingKey: old.key, members: [a] })
    fresh.host.learn(a.host.id, a.host.addresses())
    fresh.presence.refresh()
    await until(() => fresh.presence.isSole(a.host.id))
    expect(fresh.presence.twin()).toBeNull()
    expect(a.presence.doubled()).toEqual([])
    expect(a.presence.get(old.host.id).addresses).toEqual(fresh.host.addresses())
  }, 15_000)
})

describe('clocks', () => {
  it('measures round trip and offset', async () => {
    const ahead: Clock = { ...systemClock, now: () => Date.now() + 90_000 }
    const a = await side()
    const b = await side({ members: [a], presenceClock: ahead })
    expect(a.presence.skew()).toBeNull()
    await met(a, b)
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (a.presence.skew() === null || b.presence.skew() === null) return
        clearInterval(look)
        resolve()
      }, 10)
    })
    expect(a.presence.skew()?.witnesses).toBe(1)
    expect(Math.abs((a.presence.skew()?.ms ?? 0) + 90_000)).toBeLessThan(1_000)
    expect(Math.abs((b.presence.skew()?.ms ?? 0) - 90_000)).toBeLessThan(1_000)
    expect(a.presence.get(b.host.id).rttMs).toBeLessThan(1_000)
    expect(a.host.connections()[0]?.rttMs).not.toBeNull()
  })
  it('takes no half for an answer when its own clock is set while one is awaited', async () => {
    const DAY = 86_400_000
    let offset = 0
    let asks = 0
    const a = await side({ presenceClock: { ...systemClock, now: () => Date.now() + offset }, heartbeatMs: 50 })
    // whoever answers asks for its own time first: then the other's is set, forward or back
    const asked: Clock = {
      ...systemClock,
      now() {
        asks += 1
        offset = asks % 2 === 0 ? 0 : DAY
        return Date.now()
      },
    }
    const b = await side({ members: [a], presenceClock: asked, heartbeatMs: 50 })
    await met(a, b)
    const told: number[] = []
    const before = asks
    await until(() => {
      told.push(a.presence.skew()?.ms ?? 0)
      return asks > before + 100
    })
    expect(told.filter((ms) => Math.abs(ms) > 5_000 && Math.abs(ms - DAY) > 5_000)).toEqual([])
  })
})
