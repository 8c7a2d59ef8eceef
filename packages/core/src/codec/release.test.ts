import { expect, it } from 'vitest'
import { release } from './release.ts'

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
