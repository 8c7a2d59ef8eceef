import { describe, expect, it } from 'vitest'
import { isJump, withWishes } from './wishes.ts'

const from = (index: number) => Array.from({ length: 8 }, (_, at) => index + at)

describe('withWishes', () => {
  it('keeps what a reader waits for before what it will want next', () => {
    let wishes: number[] = []
    for (const at of [38, 39, 40, 41]) wishes = withWishes(wishes, from(at))
    expect(wishes).toEqual([38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48])
  })

  it('puts where a reader has jumped to before where it was', () => {
    const wishes = withWishes(from(38), from(100))
    expect(wishes.slice(0, 9)).toEqual([...from(100), 38])
  })

  it('keeps the newest of too many', () => {
    let wishes: number[] = []
    for (let at = 0; at < 1000; at++) wishes = withWishes(wishes, from(at))
    expect([wishes.length, wishes.at(-1)]).toEqual([256, 1006])
    for (let at = 5000; at > 0; at -= 100) wishes = withWishes(wishes, from(at))
    expect([wishes.length, wishes[0]]).toEqual([256, 100])
  })
})

describe('isJump', () => {
  it('tells going on, also of two readers in turn, from jumping', () => {
    let wishes: number[] = []
    const want = (at: number) => {
      const result = isJump(wishes, from(at))
      wishes = withWishes(wishes, from(at))
      return result
    }
    expect([0, 1, 2, 10, 500, 501, 18, 509, 900, 20].map(want)).toEqual([
      ...[true, false, false, false],
      ...[true, false, false, false],
      ...[true, false],
    ])
  })
})
