import { expect, it } from 'vitest'
import { allocate, release } from './release.ts'

it('gives back what is large and stands alone', () => {
  const whole = Buffer.allocUnsafeSlow(1 << 20)
  release(whole)
  expect(whole).toHaveLength(0)
  const frame = new Uint8Array(5 + (1 << 20))
  const sealed = frame.subarray(5)
  release(sealed)
  expect([frame.length, sealed.length]).toEqual([0, 0])
  release(sealed)
})

it('leaves alone what others may have a part of', () => {
  const pooled = Buffer.from('small')
  release(pooled)
  expect(pooled.toString()).toBe('small')
  const whole = new Uint8Array(1 << 20)
  release(whole.subarray(0, 1 << 19))
  expect(whole).toHaveLength(1 << 20)
  const shared = new Uint8Array(new SharedArrayBuffer(1 << 20))
  release(shared)
  expect(shared).toHaveLength(1 << 20)
})

it('keeps memory for the next chunk, which nobody else sees', () => {
  const first = allocate(1 << 20)
  const { buffer } = first
  expect(first).toHaveLength(1 << 20)
  first.fill(7)
  const body = first.subarray(5)
  release(body)
  expect([first.length, body.length, buffer.byteLength]).toEqual([0, 0, 0])
  // the same memory, also for a chunk of another length
  const second = allocate((1 << 20) - 100)
  expect(second).toHaveLength((1 << 20) - 100)
  expect(second[0]).toBe(7)
  const third = allocate(1 << 20)
  expect(third.buffer).not.toBe(second.buffer)
  release(second.subarray(0, 1 << 19)) // a part is not all of it
  expect(second).toHaveLength((1 << 20) - 100)
  release(second)
  release(second)
  release(third)
})

it('keeps a bounded amount', () => {
  const before = process.memoryUsage().arrayBuffers
  const all = Array.from({ length: 40 }, () => allocate(1 << 20))
  for (const each of all) release(each)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(9 << 20)
  release(allocate(20 << 20))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(9 << 20)
})
