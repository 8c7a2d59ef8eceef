import { describe, expect, it } from 'vitest'
import type { FileId, Root } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import { newTransfer } from './transfer.ts'
import { createTransferSaver } from './transfer-saver.ts'
import type { TransferKind } from './types.ts'

function setUp() {
  const clock = new ManualClock()
  const problems: unknown[] = []
  const rows = new Map<string, string>()
  const disk = { isFull: false }
  const check = () => {
    if (disk.isFull) throw new Error('database or disk is full')
  }
  const saver = createTransferSaver({
    clock,
    onProblem: (error) => problems.push(error),
    table: {
      load: () => [],
      save(all) {
        check()
        for (const { id, state } of all) rows.set(id, state)
      },
      remove(ids) {
        check()
        for (const id of ids) rows.delete(id)
      },
    },
  })
  const transfer = (kind: TransferKind) =>
    newTransfer(
      { root: 'ab'.repeat(32) as Root, size: 1, chunk: 1024 * 1024 },
      { kind, fileId: 'cd'.repeat(16) as FileId },
      0,
    )
  return { saver, clock, problems, rows, disk, transfer }
}

describe('createTransferSaver', () => {
  it("writes a person's at once, the others together, and on stop", () => {
    const { saver, clock, rows, transfer } = setUp()
    saver.changed(transfer('replicate'))
    expect(rows.size).toBe(0)
    clock.advance(250)
    expect(rows.size).toBe(1)
    saver.changed(transfer('fetch'))
    expect(rows.size).toBe(2)
    saver.changed(transfer('drain'))
    saver.stop()
    expect(rows.size).toBe(3)
  })

  it('tells that the disk is full, keeps what is due, and writes it when there is room', () => {
    const { saver, clock, problems, rows, disk, transfer } = setUp()
    const old = transfer('fetch')
    saver.changed(old)
    disk.isFull = true
    const fresh = transfer('fetch')
    saver.changed(fresh)
    saver.forget([old])
    expect(problems).toHaveLength(2)
    disk.isFull = false
    clock.advance(10_000)
    expect([...rows.keys()]).toEqual([fresh.id])
    expect(problems).toHaveLength(2)
  })

  it('writes the newest of two under one id', () => {
    const { saver, clock, rows, transfer } = setUp()
    const failed = { ...transfer('replicate'), state: 'failed' as const }
    saver.changed(failed)
    saver.changed({ ...failed, state: 'queued' })
    clock.advance(250)
    expect([...rows.values()]).toEqual(['queued'])
  })
})
