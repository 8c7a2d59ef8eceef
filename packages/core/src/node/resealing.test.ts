import { describe, expect, it, vi } from 'vitest'
import type { FileId } from '../ids.ts'
import { ManualClock, memorySettings } from '../ledger/testing.ts'
import { createResealing, RETRY_MS } from './resealing.ts'

const [one, two] = ['1'.repeat(32), '2'.repeat(32)] as [FileId, FileId]

function run(settings = memorySettings(), own: readonly FileId[] = [one, two]) {
  const clock = new ManualClock(0)
  const closing = new AbortController()
  const sealed: FileId[] = []
  const problems: unknown[] = []
  const waiting = new Map<FileId, PromiseWithResolvers<void>>()
  const begun = async (file: FileId) => await vi.waitUntil(() => waiting.get(file))
  const resealing = createResealing({
    clock,
    settings,
    isOwn: (file) => own.includes(file),
    closing: closing.signal,
    onProblem: (error) => problems.push(error),
    async reseal(file) {
      sealed.push(file)
      const work = Promise.withResolvers<void>()
      waiting.set(file, work)
      await work.promise
    },
  })
  return { clock, settings, closing, sealed, problems, waiting, begun, resealing }
}

describe('a wish to seal anew', () => {
  it('outlives a crash before, in, and after the change; what is done is not done again', async () => {
    const before = run()
    before.resealing.wish(one)
    before.resealing.wish(two)
    const done = before.resealing.run(one, undefined)
    ;(await before.begun(one)).resolve()
    await done
    // here the process ends

    const after = run(before.settings)
    after.resealing.resume()
    ;(await after.begun(two)).resolve()
    expect(after.sealed).toEqual([two])
    await after.resealing.stop()
    expect(run(before.settings).settings.values.size).toBe(0)
  })

  it('stays where the work failed or the node stopped, and goes where there was no change or the file is another’s', async () => {
    const first = run()
    for (const file of [one, two]) first.resealing.wish(file)
    const failed = first.resealing.run(one, undefined)
    ;(await first.begun(one)).reject(new Error('disk full'))
    await expect(failed).rejects.toThrow('disk full')
    const stopped = first.resealing.run(two, undefined)
    first.closing.abort()
    ;(await first.begun(two)).resolve()
    await stopped

    const second = run(first.settings, [one])
    second.resealing.resume()
    ;(await second.begun(one)).reject(new Error('still full'))
    expect(second.sealed).toEqual([one])
    await second.resealing.stop()
    expect(second.problems).toHaveLength(1)
    second.resealing.forget(one)
    expect(second.settings.values.size).toBe(0)
  })

  it('is taken up again after a while where the work failed, until it is done or the node stops', async () => {
    const { resealing, clock, sealed, waiting, begun, problems, settings } = run()
    resealing.wish(one)
    const failed = resealing.run(one, undefined)
    ;(await begun(one)).reject(new Error('the list has changed again'))
    await expect(failed).rejects.toThrow('the list has changed again')
    for (let tries = 2; tries < 4; tries++) {
      waiting.clear()
      clock.advance(RETRY_MS - 1)
      expect(sealed).toHaveLength(tries - 1)
      clock.advance(1)
      const work = await begun(one)
      expect(sealed).toHaveLength(tries)
      if (tries === 2) {
        work.reject(new Error('disk full'))
        await vi.waitUntil(() => problems.length === 1)
      } else work.resolve()
    }
    await vi.waitUntil(() => settings.values.size === 0)
    clock.advance(10 * RETRY_MS)
    expect(sealed).toHaveLength(3)

    resealing.wish(two)
    const last = resealing.run(two, undefined)
    ;(await begun(two)).reject(new Error('disk full'))
    await expect(last).rejects.toThrow('disk full')
    await resealing.stop()
    clock.advance(10 * RETRY_MS)
    expect(sealed).toHaveLength(4)
  })

  it('goes on when nobody waits any more, and stays while one that came later is not done', async () => {
    const { resealing, sealed, waiting, begun, settings } = run()
    resealing.wish(one)
    const impatient = new AbortController()
    const given = resealing.run(one, impatient.signal)
    impatient.abort(new Error('gone'))
    await expect(given).rejects.toThrow('gone')
    const later = resealing.run(one, undefined)
    ;(await begun(one)).resolve()
    await vi.waitUntil(() => sealed.length === 2)
    expect(settings.values.size).toBe(1)
    waiting.get(one)?.resolve()
    await later
    expect(settings.values.size).toBe(0)
  })
})
