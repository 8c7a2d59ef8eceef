import { afterEach, describe, expect, test, vi } from 'vitest'
import { LedgerDamagedError } from './errors.ts'
import { found, joined, note, type TestLedger, testKinds, testLedger } from './testing.ts'

const noPause = async () => undefined

function filled(): TestLedger {
  const founder = testLedger()
  found(founder)
  const member = joined(founder)
  for (let index = 0; index < 5; index++) member.ledger.append('note', note(index))
  return member
}

afterEach(() => {
  vi.restoreAllMocks()
})

/** Every turn has taken its time at once. */
function shortTurns(): void {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000))
}

describe('entries on disk', () => {
  test('that nobody touched are in order', async () => {
    expect(await filled().ledger.check(noPause)).toEqual([])
  })

  test.each([
    [
      'a flipped byte of an entry',
      // which byte is there is random: it becomes another one in any case
      `UPDATE entries SET bytes = CAST(substr(bytes, 1, 100) || CASE substr(bytes, 101, 1) WHEN x'00' THEN x'01' ELSE x'00' END
        || substr(bytes, 102) AS BLOB) WHERE arrival = 4`,
    ],
    ['an entry cut short', 'UPDATE entries SET bytes = substr(bytes, 1, 40) WHERE arrival = 4'],
    [
      'bytes of another entry',
      'UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE arrival = 5) WHERE arrival = 4',
    ],
    ['another id', 'UPDATE entries SET id = zeroblob(32) WHERE arrival = 4'],
    ['another place in the index of ids', 'UPDATE entries SET short_id = short_id + 1 WHERE arrival = 4'],
    ['another subject', 'UPDATE entries SET subject = zeroblob(16) WHERE arrival = 4'],
    ['another time', 'UPDATE entries SET ms = ms + 1 WHERE arrival = 4'],
    ['another kind', "UPDATE entries SET kind = 'other' WHERE arrival = 4"],
    ['a lost entry', 'DELETE FROM entries WHERE arrival = 4'],
    ['a lost end of a feed', 'DELETE FROM entries WHERE arrival = (SELECT max(arrival) FROM entries)'],
    ['a lost head', 'DELETE FROM tips WHERE seq > 0'],
    ['a head that is none', 'UPDATE tips SET seq = seq - 1 WHERE seq > 0'],
    [
      'a lost signature at the end of a feed',
      'UPDATE entries SET sig = NULL WHERE arrival = (SELECT max(arrival) FROM entries)',
    ],
    ['a lost feed', 'DELETE FROM feeds WHERE feed_key = (SELECT feed_key FROM entries WHERE arrival = 4)'],
  ])('%s is found', async (_, sql) => {
    const { ledger, db } = filled()
    db.exec('PRAGMA foreign_keys = OFF')
    db.exec(sql)
    expect(await ledger.check(noPause)).not.toEqual([])
  })

  test('a flipped byte that still decodes is not read as an entry', () => {
    const { ledger, db } = filled()
    const last = ledger.page(3, 1)[0]?.entry
    if (last === undefined) throw new Error('no entry')
    db.prepare('UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE arrival = 5) WHERE arrival = 4').run()
    expect(() => ledger.get(last.id)).toThrow(LedgerDamagedError)
    expect(() => ledger.page(0, 10)).toThrow(LedgerDamagedError)
  })

  test('many problems are counted, not listed', async () => {
    const { ledger, db } = filled()
    for (let index = 0; index < 40; index++) ledger.append('note', note(index))
    db.exec('UPDATE entries SET ms = ms + 1')
    const problems = await ledger.check(noPause)
    expect(problems).toHaveLength(21)
    expect(problems.at(-1)).toMatch(/^and \d+ more$/)
  })

  test('what is written between two turns of the check is no damage', async () => {
    const { ledger } = filled()
    shortTurns()
    let pauses = 0
    const before = ledger.count()
    const problems = await ledger.check(async () => {
      pauses += 1
      if (pauses <= 20) ledger.append('note', note(pauses))
    })
    expect(problems).toEqual([])
    // after each entry and each end of a feed, beside those after each page
    expect(pauses).toBeGreaterThan(before + 20)
  })

  test('the check ends when it is told to', async () => {
    const stop = async () => {
      throw new Error('stop')
    }
    await expect(filled().ledger.check(stop)).rejects.toThrow('stop')
  })
})

describe('entries of kinds that were unknown when they were stored', () => {
  test('get their place when the software knows them', () => {
    const kinds = (kind: string) => (kind === 'found' || kind === 'admit' ? testKinds(kind) : undefined)
    const old = testLedger({ kinds })
    found(old)
    const about = old.ledger.append('note', note(3))
    const role = old.ledger.append('role', {})
    old.ledger.append('other', {})
    const subject = note(3).about
    expect(old.ledger.bySubject(subject)).toEqual([])

    const updated = testLedger({ db: old.db, key: old.key })
    expect(updated.ledger.bySubject(subject)).toEqual([])
    updated.db.write(() => updated.ledger.reclassify())
    expect(updated.ledger.bySubject(subject).map(({ id }) => id)).toEqual([about.id])
    expect(updated.ledger.control().map(({ id }) => id)).toContain(role.id)
    expect(updated.ledger.count()).toBe(4)
  })
})
