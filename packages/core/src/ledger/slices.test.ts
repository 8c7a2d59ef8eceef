import { describe, expect, it } from 'vitest'
import { createSlices, SLICE_MIN, SLICE_MS } from './slices.ts'
import type { SignedBytes } from './types.ts'

const frame: SignedBytes[] = Array.from({ length: 512 }, (_, n) => ({
  bytes: Uint8Array.of(n),
  sig: null,
  cosig: null,
}))

describe('slices of a fetch', () => {
  it('give back all entries in order, whatever the pace', () => {
    const slices = createSlices()
    const seen: SignedBytes[] = []
    for (const slice of slices.of(frame)) {
      seen.push(...slice)
      slices.took(slice.length, seen.length % 3 === 0 ? 500 : 1)
    }
    expect(seen).toEqual(frame)
  })

  it('shrink on a slow machine, never to nothing, and grow on a quick one', () => {
    const slices = createSlices()
    const first = () => [...slices.of(frame)][0]?.length ?? 0
    for (let n = 0; n < 20; n++) slices.took(first(), first() * 10)
    expect(first()).toBe(SLICE_MIN)
    for (let n = 0; n < 20; n++) slices.took(first(), first() / 20)
    expect(first()).toBeGreaterThanOrEqual(20 * SLICE_MS * 0.9)
  })
})
