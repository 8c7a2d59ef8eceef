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
    drained: () => ({ done: 5 - world.short, total: 5 }),
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
  return { init, log, progress }
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
})
