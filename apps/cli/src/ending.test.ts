import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { endInTime, STOP_MS } from './ending.ts'

afterEach(() => vi.useRealTimers())

describe('the end of a process', () => {
  it('is told and forced where stopping does not come to its end', () => {
    vi.useFakeTimers()
    const told: string[] = []
    const codes: number[] = []
    endInTime(
      (what) => told.push(what),
      (code) => codes.push(code),
    )
    vi.advanceTimersByTime(STOP_MS - 1)
    expect([told, codes]).toEqual([[], []])
    vi.advanceTimersByTime(1)
    expect(codes).toEqual([1])
    expect(told).toEqual([expect.stringMatching(/^stopping takes too long: /)])
  })

  it('is told and forced where something was left open', () => {
    vi.useFakeTimers()
    const codes: number[] = []
    endInTime(
      () => {},
      (code) => codes.push(code),
    )()
    vi.advanceTimersByTime(STOP_MS)
    expect(codes).toEqual([1])
  })

  it('comes by itself, at once, where nothing is open', async () => {
    const program = `
      import { endInTime } from ${JSON.stringify(join(import.meta.dirname, 'ending.ts'))}
      endInTime(console.log)()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said: string[] = []
    child.stdout.on('data', (part) => said.push(String(part)))
    expect(await once(child, 'close')).toEqual([0, null])
    expect(said).toEqual([])
  })
})
