import { describe, expect, it } from 'vitest'
import type { EntryId, FileId } from '../ids.ts'
import { type LeaveInit, type LeaveProgress, runLeave } from './leave.ts'

/** A leaver whose world changes step by step: each wait lets the next step happen, or lets the time run out. */
function leaver(steps: ((world: World) => void)[], over: Partial<LeaveInit> = {}) {
  let now = 0
  const world: World = { short: 2, files: ['f1', 'f2'] as FileId[], untold: 1 }
  const log: string[] = []
  const progress: LeaveProgress[] = []
  const init: LeaveInit = {
    clock: {
      now: () => now,
      after: (ms, callback) => {
        if (steps.length === 0) {
          queueMicrotask(() => {
            now += ms
            callback()
          })
        }
        return () => {}
      },
    },
    beginDrain: () => log.push('drain'),
    endDrain: () => log.push('end drain'),
    drained: () => ({ done: 5 - world.short, hopeless: 0, total: 5 }),
    others: () => ({ total: 3, online: 2, expected: 3 }),
    leave: () => {
      log.push('leave')
      return 'seed' as EntryId
    },
    ownFiles: () => world.files,
    drawStallMs: () => 20_000,
    left: (leave, orphans, force) => log.push(`left ${leave} ${orphans.join()} ${force}`),
    notYetTold: () => world.untold,
    onChange: (listener) => {
      const step = steps.shift()
      if (step !== undefined) {
        step(world)
        queueMicrotask(listener)
      }
      return () => {}
    },
    onProgress: (each) => progress.push(each),
    ...over,
  }
  return { init, log, progress, now: () => now }
}
interface World {
  short: number
  files: FileId[]
  untold: number
}
const signal = new AbortController().signal

describe('runLeave', () => {
  it('drains, draws and says farewell, in this order', async () => {
    const { init, log, progress } = leaver([
      (w) => {
        w.short = 1
      },
      (w) => {
        w.short = 0
      },
      (w) => {
        w.files = ['f2'] as FileId[]
      },
      (w) => {
        w.files = []
      },
      (w) => {
        w.untold = 0
      },
    ])
    await runLeave(init, { force: false, signal })
    expect(log).toEqual(['drain', 'leave', 'left seed  false'])
    expect([...new Set(progress.map((p) => p.phase))]).toEqual(['drain', 'draw', 'farewell', 'done'])
  })

  it('does not write `leave` while copies are missing', async () => {
    const { init, log } = leaver([])
    await expect(runLeave(init, { force: false, signal })).rejects.toMatchObject({ code: 'unreachable' })
    expect(log).toEqual(['drain', 'end drain'])
  })

  it('does not write `left` while files have no owner', async () => {
    const { init, log } = leaver([
      (w) => {
        w.short = 0
      },
    ])
    await expect(runLeave(init, { force: false, signal })).rejects.toMatchObject({ code: 'orphans-left' })
    expect(log).toEqual(['drain', 'leave', 'end drain'])
  })

  it('names the orphans when it is forced', async () => {
    const { init, log } = leaver([])
    await runLeave(init, { force: true, signal })
    expect(log).toEqual(['drain', 'leave', 'left seed f1,f2 true'])
  })

  it('stops when it is told to, before anything was written', async () => {
    const { init, log } = leaver([])
    await expect(runLeave(init, { force: true, signal: AbortSignal.abort() })).rejects.toThrow()
    expect(log).toEqual(['drain', 'end drain'])
  })

  it('is cancelled as long as `leave` is not written', async () => {
    const cancelling = new AbortController()
    const { init, log } = leaver([() => cancelling.abort(new Error('Ctrl-C'))])
    await expect(runLeave(init, { force: true, signal, cancel: cancelling.signal })).rejects.toThrow('Ctrl-C')
    expect(log).toEqual(['drain', 'end drain'])
  })

  it('goes on when it is cancelled later', async () => {
    const cancelling = new AbortController()
    const { init, log } = leaver([
      (w) => {
        w.short = 0
      },
      (w) => {
        cancelling.abort()
        w.files = []
      },
      (w) => {
        w.untold = 0
      },
    ])
    await runLeave(init, { force: false, signal, cancel: cancelling.signal })
    expect(log).toEqual(['drain', 'leave', 'left seed  false'])
  })

  it('is forced from when that is said', async () => {
    const options = { force: false, signal }
    const { init, log } = leaver([
      () => {
        options.force = true
      },
    ])
    await runLeave(init, options)
    expect(log).toEqual(['drain', 'leave', 'left seed f1,f2 true'])
  })

  it('says that the leaving has begun when files find no owner', async () => {
    const { init } = leaver([], { drained: () => ({ done: 5, hopeless: 0, total: 5 }) })
    await expect(runLeave(init, { force: false, signal })).rejects.toMatchObject({
      advice: expect.stringMatching(/has begun.*repeat.*--force/),
    })
  })

  describe('with nobody online', () => {
    const alone = {
      others: () => ({ total: 2, online: 0, expected: 2 }),
      drawStallMs: () => 0,
      notYetTold: () => 0,
    }

    it('ends soon when it is forced, and says what the others will not know', async () => {
      const { init, progress, now } = leaver([], alone)
      await runLeave(init, { force: true, signal })
      expect(now()).toBe(10_000)
      expect(progress.map(({ message }) => message)).not.toContain('every branch online knows')
      expect(progress.at(-1)?.message).toMatch(/left the network; nobody was online to be told: .* can expel it$/)
    })

    it('waits for somebody who comes', async () => {
      let online = 0
      const { init, log } = leaver(
        [
          () => {
            online = 1
          },
          (w) => {
            w.short = 0
          },
          (w) => {
            w.files = []
          },
        ],
        { ...alone, others: () => ({ total: 2, online, expected: 2 }), drawStallMs: () => 20_000 },
      )
      await runLeave(init, { force: false, signal })
      expect(log).toEqual(['drain', 'leave', 'left seed  false'])
    })

    it('fails soon when files are only here', async () => {
      const { init, log, now } = leaver([], alone)
      await expect(runLeave(init, { force: false, signal })).rejects.toMatchObject({ code: 'unreachable' })
      expect(log).toEqual(['drain', 'end drain'])
      expect(now()).toBe(10_000)
    })
  })

  it('does not wait for copies that nobody may hold, nor call them safe', async () => {
    const nobody = { total: 0, online: 0, expected: 0 }
    const over = { drained: () => ({ done: 0, hopeless: 5, total: 5 }), others: () => nobody }
    const refused = leaver([], over)
    await expect(runLeave(refused.init, { force: false, signal })).rejects.toMatchObject({ code: 'unreachable' })
    const { init, progress, now } = leaver([], { ...over, drawStallMs: () => 0, notYetTold: () => 0 })
    await runLeave(init, { force: true, signal })
    expect(now()).toBe(0)
    expect(progress[0]?.message).toBe('0 of 5 files are safe on other branches')
    expect(progress.at(-1)?.message).toBe('this branch has left the network')
  })

  it('says so when nobody online could be told in time', async () => {
    const { init, progress } = leaver([], { others: () => ({ total: 3, online: 1, expected: 3 }) })
    await runLeave(init, { force: true, signal })
    expect(progress.at(-1)?.message).toMatch(/nobody could be told in time/)
  })
})
