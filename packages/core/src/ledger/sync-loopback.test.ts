import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { peerEvent, startTestHost, type TestHost } from '../network/testing.ts'
import { systemRandom } from '../random.ts'
import { createSync, type Sync } from './sync.ts'
import { copy, found, note, type TestLedger, testLedger, until } from './testing.ts'
import type { Entry } from './types.ts'

const ending: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

/** what went to the log, of all hosts and syncs */
const log: unknown[][] = []
const told = (...line: unknown[]) => void log.push(line)

function start(base: TestLedger, { host }: TestHost): Sync {
  const sync = createSync({
    ledger: base.ledger,
    host,
    clock: systemClock,
    random: systemRandom,
    isMember: () => true,
    digest: base.digest,
    onPeerError: told,
  })
  sync.start()
  ending.push(() => host.stop())
  ending.push(() => sync.stop())
  return sync
}

describe('over libp2p on loopback', () => {
  it('1,000 missed entries are here well within five seconds, and a new one within a tenth', async () => {
    const first = testLedger()
    const network = found(first)
    const one = await startTestHost({ network, signingKey: first.key, log: told })
    const two = await startTestHost({ network, members: [one], log: told })
    const second = testLedger({ network, key: two.key })
    first.ledger.append('admit', { node: two.key.publicKey })
    copy(first, second)
    first.db.write(() => {
      for (let index = 0; index < 1000; index++) first.ledger.append('note', note(index))
    })
    const [a, b] = [start(first, one), start(second, two)]

    const connecting = performance.now()
    await two.host.dial(one.host.addresses())
    await until(second, () => second.ledger.count() === 1002)
    expect(performance.now() - connecting).toBeLessThan(5000)

    await expect.poll(() => [a.inSyncWith(), b.inSyncWith()], { timeout: 10_000 }).toEqual([1, 1])
    const arrival = new Promise<Entry | undefined>((resolve) =>
      second.ledger.onEntries(({ entries }) => resolve(entries[0])),
    )
    const writing = performance.now()
    const written = first.ledger.append('note', note(1))
    expect((await arrival)?.id).toBe(written.id)
    expect(performance.now() - writing).toBeLessThan(100)

    // an orderly end is news to nobody, on neither side
    const gone = peerEvent(two.host, 'disconnected', one.host.id)
    await a.stop()
    await one.host.stop()
    await gone
    await b.stop()
    expect(log).toEqual([])
  })
})
