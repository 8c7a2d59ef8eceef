import { describe, expect, it, vi } from 'vitest'
import type { FileId } from '../ids.ts'
import { memorySettings } from '../ledger/testing.ts'
import { createResealing } from './resealing.ts'

const [one, two] = ['1'.repeat(32), '2'.repeat(32)] as [FileId, FileId]

function run(settings = memorySettings(), own: readonly FileId[] = [one, two]) {
  const closing = new AbortController()
  const sealed: FileId[] = []
  const problems: unknown[] = []
  const waiting = new Map<FileId, PromiseWithResolvers<void>>()
  const begun = async (file: FileId) => await vi.waitUntil(() => waiting.get(file))
  const resealing = createResealing({
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
  return { settings, closing, sealed, problems, waiting, begun, resealing }
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
