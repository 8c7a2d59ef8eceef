import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LEAST_HANDS, MOST_HANDS, UploadHands } from './upload-hands.ts'

const CHUNK = 1024 * 1024

/** Members that always want more, each with a link of so many bytes per ms, behind ours. @returns how many hands in the end */
function settle(ours: number, theirs: readonly number[], forMs: number): number[] {
  let now = 0
  const hands = new UploadHands(now)
  const taken = new Map<number, number>()
  const limits: number[] = []
  for (; now < forMs; now += 10) {
    for (let member = 0; member < theirs.length && hands.isFree(now); member++) {
      if (taken.has(member)) continue
      hands.take()
      taken.set(member, CHUNK)
    }
    const wanted = [...taken.keys()].reduce((sum, member) => sum + (theirs[member] ?? 0), 0)
    for (const [member, left] of taken) {
      const rate = ((theirs[member] ?? 0) * Math.min(ours, wanted)) / Math.max(wanted, 1)
      if (left > rate * 10) {
        taken.set(member, left - rate * 10)
        continue
      }
      taken.delete(member)
      hands.sent(CHUNK)
      hands.giveBack()
    }
    limits.push(hands.limit)
  }
  return limits
}

describe('UploadHands', () => {
  it('stays with few where they fill the link', () => {
    const limits = settle(6250, Array(23).fill(12_500), 60_000)
    expect(limits.toSorted((a, b) => a - b)[limits.length >> 1]).toBeLessThanOrEqual(LEAST_HANDS + 2)
  })

  it('tries no more while a file of some seconds leaves over a link that is full', () => {
    expect(Math.max(...settle(12_500, Array(8).fill(12_500), 20_000))).toBe(LEAST_HANDS)
  })

  it('takes more where members are slower than the link', () => {
    const limits = settle(12_500, Array(40).fill(600), 60_000)
    expect(Math.max(...limits.slice(-1000))).toBeGreaterThanOrEqual(16)
  })

  it('is not held up by members that do not read', () => {
    const limits = settle(12_500, [...Array(8).fill(0), 12_500, 12_500], 60_000)
    expect(limits.at(-1)).toBeGreaterThan(8)
  })

  it('keeps within its limits whatever happens', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3000), fc.nat(40), fc.boolean()), { maxLength: 300 }), (steps) => {
        let now = 0
        const hands = new UploadHands(now)
        let busy = 0
        for (const [ms, chunks, gives] of steps) {
          now += ms
          if (hands.isFree(now)) {
            hands.take()
            busy += 1
          }
          for (let n = 0; n < chunks; n++) hands.sent(CHUNK)
          if (gives && busy > 0) {
            hands.giveBack()
            busy -= 1
          }
          expect(busy).toBeLessThanOrEqual(MOST_HANDS)
          expect(hands.limit).toBeGreaterThanOrEqual(LEAST_HANDS)
          expect(hands.limit).toBeLessThanOrEqual(MOST_HANDS)
        }
      }),
    )
  })
})
