import { describe, expect, it } from 'vitest'
import type { EntryId, FileId, NodeId } from '../ids.ts'
import { createDraw, type DrawInit, isMyTurn } from './draw.ts'

const [a, b, c] = ['a', 'b', 'c'] as NodeId[] as [NodeId, NodeId, NodeId]
const seed = 'seed' as EntryId
const file = 'f1' as FileId

describe('isMyTurn', () => {
  const turn = (self: NodeId, elapsed: number, passed: NodeId[] = [], offline: NodeId[] = []) =>
    isMyTurn({
      self,
      order: [a, b, c],
      passed: (node) => passed.includes(node),
      isOnline: (node) => !offline.includes(node),
      since: 1000,
      now: 1000 + elapsed,
      silenceMs: 10_000,
    })

  it('is at once for the best rank', () => expect(turn(a, 0)).toBe(true))
  it('waits for a better rank that may still speak', () => expect(turn(b, 9_999)).toBe(false))
  it('comes when the better rank was silent', () => expect(turn(b, 10_000)).toBe(true))
  it('waits for each better rank in turn', () => {
    expect(turn(c, 19_999)).toBe(false)
    expect(turn(c, 20_000)).toBe(true)
  })
  it('comes at once when the better ranks passed or are offline', () => expect(turn(c, 0, [a], [b])).toBe(true))
  it('never comes for somebody who is no candidate', () => expect(turn('x' as NodeId, 1e9)).toBe(false))
})

describe('createDraw', () => {
  function setUp(over: Partial<DrawInit> = {}) {
    let now = 0
    let timer: (() => void) | undefined
    const log: string[] = []
    const draw = createDraw({
      clock: {
        now: () => now,
        after: (_, callback) => {
          timer = callback
          return () => {
            timer = undefined
          }
        },
      },
      self: b,
      openDraws: () => [{ seed, candidates: [a, b], files: () => (log.includes('accept f1') ? [] : [file]) }],
      order: () => [a, b],
      canAccept: () => true,
      accept: (_, files) => log.push(`accept ${files.join()}`),
      hasPassed: (_s, _f, node) => log.includes(`pass ${node}`),
      pass: () => log.push(`pass ${b}`),
      isOnline: () => true,
      onProblem: (error) => log.push(String(error)),
      ...over,
    })
    return {
      draw,
      log,
      tick: (ms: number) => {
        now += ms
        timer?.()
      },
      isWaiting: () => timer !== undefined,
    }
  }

  it('accepts only after the better rank was silent, and then rests', () => {
    const { draw, log, tick, isWaiting } = setUp()
    draw.look()
    expect(log).toEqual([])
    tick(9_000)
    expect(log).toEqual([])
    tick(1_000)
    expect(log).toEqual(['accept f1'])
    expect(isWaiting()).toBe(false)
  })

  it('passes once when it cannot accept', () => {
    const { draw, log, tick } = setUp({ canAccept: () => false })
    draw.look()
    tick(500)
    expect(log).toEqual(['pass b'])
  })

  it('goes on after a problem', () => {
    let fails = true
    const { draw, log, tick } = setUp({
      order: () => [b],
      accept: () => {
        if (fails) throw new Error('disk full')
        log.push('accept f1')
      },
    })
    draw.look()
    expect(log).toEqual(['Error: disk full'])
    fails = false
    tick(500)
    expect(log).toContain('accept f1')
  })

  it('does not repeat an acceptance that had no effect, but for ever rarer tries', () => {
    const { draw, log, tick } = setUp({
      order: () => [b],
      openDraws: () => [{ seed, candidates: [a, b], files: () => [file] }],
    })
    draw.look()
    for (let at = 0; at < 40 * 60; at++) {
      tick(1000)
      draw.look()
    }
    // after 20, 40, 80, … seconds
    expect(log).toEqual(new Array(7).fill('accept f1'))
  })
})
