import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tries } from '../testing.ts'
import { PathMeter } from './path-meter.ts'
import { bestPath, type Path } from './paths.ts'

const KINDS = [
  ['tcp', 'lan'],
  ['tcp', 'tcp'],
  ['udp', 'udp'],
  ['udp', 'punched-udp'],
  ['tcp', 'punched-tcp'],
  ['relay', 'relay'],
] as const

const measured = {
  rttMs: fc.option(fc.double({ min: 0, max: 2000, noNaN: true })),
  bytesPerMs: fc.option(fc.double({ min: 1, max: 500_000, noNaN: true })),
}
const pathArb = fc
  .record({
    how: fc.constantFrom(...KINDS),
    isOutbound: fc.boolean(),
    via: fc.constantFrom('192.0.2.1', '198.51.100.7', 'somebody'),
    openedAt: fc.nat(1000),
    isSilent: fc.boolean(),
    ...measured,
  })
  .map(({ how: [path, kind], ...rest }): Omit<Path, 'id'> => ({ path, kind, ...rest }))
const pathsArb = fc
  .array(pathArb, { minLength: 1, maxLength: 8 })
  .map((paths) => paths.map((path, index): Path => ({ ...path, id: `c${index}` })))

const path = (id: string, more: Partial<Path> = {}): Path => ({
  id,
  path: 'tcp',
  kind: 'tcp',
  isOutbound: true,
  via: id,
  openedAt: 0,
  rttMs: 20,
  bytesPerMs: null,
  isSilent: false,
  ...more,
})
const relayed = (id: string, more: Partial<Path> = {}) => path(id, { path: 'relay', kind: 'relay', ...more })
const best = (paths: readonly Path[], current?: string) => bestPath(paths, { current, isSmaller: true })?.id

describe('the best path', () => {
  it('is none where there is none', () => {
    expect(best([])).toBeUndefined()
  })

  it('is one that answers, and direct, where there is one', () => {
    fc.assert(
      fc.property(pathsArb, fc.nat(8), fc.boolean(), (paths, at, isSmaller) => {
        const chosen = bestPath(paths, { current: `c${at}`, isSmaller }) as Path
        const answering = paths.filter(({ isSilent }) => !isSilent)
        if (answering.length > 0) expect(chosen.isSilent).toBe(false)
        const rivals = answering.length > 0 ? answering : paths
        if (rivals.some((each) => each.path !== 'relay')) expect(chosen.path).not.toBe('relay')
      }),
      tries(500),
    )
  })

  it('does not depend on the order in which they are named', () => {
    fc.assert(
      fc.property(pathsArb, fc.nat(8), fc.boolean(), fc.infiniteStream(fc.nat()), (paths, at, isSmaller, chance) => {
        const how = { current: `c${at}`, isSmaller }
        const keyed = paths.map((each) => ({ each, key: chance.next().value }))
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ each }) => each)
        expect(bestPath(shuffled, how)?.id).toBe(bestPath(paths, how)?.id)
      }),
      tries(300),
    )
  })

  it('stays as it is when nothing has changed, and when what is measured trembles by a tenth', () => {
    const noise = fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 40, maxLength: 40 })
    fc.assert(
      fc.property(pathsArb, fc.boolean(), noise, (paths, isSmaller, factors) => {
        let current = bestPath(paths, { current: undefined, isSmaller })?.id
        const first = current
        for (let at = 0; at + 8 <= factors.length; at += 8) {
          const now = paths.map((each, index): Path => {
            const factor = factors[at + index] ?? 1
            return {
              ...each,
              rttMs: each.rttMs === null ? null : each.rttMs * factor,
              bytesPerMs: each.bytesPerMs === null ? null : each.bytesPerMs * factor,
            }
          })
          current = bestPath(now, { current, isSmaller })?.id
          expect(current).toBe(first)
        }
      }),
      tries(300),
    )
  })

  it('never swings between two: a change back needs other figures', () => {
    fc.assert(
      fc.property(pathsArb, fc.nat(8), fc.boolean(), (paths, at, isSmaller) => {
        const once = bestPath(paths, { current: `c${at}`, isSmaller })?.id
        expect(bestPath(paths, { current: once, isSmaller })?.id).toBe(once)
      }),
      tries(500),
    )
  })

  it('is the same for both ends where only who has opened it tells two apart', () => {
    const twins = fc.record({ first: fc.boolean(), at: fc.nat(9), ...measured })
    fc.assert(
      fc.property(twins, twins, (a, b) => {
        const here = [a, b].map(({ first, at, ...figures }, index) =>
          path(`c${index}`, { via: '192.0.2.1', isOutbound: first, openedAt: at, ...figures }),
        )
        const there = here.map((each) => ({ ...each, isOutbound: !each.isOutbound, rttMs: 30, via: '192.0.2.9' }))
        const ours = bestPath(here, { current: undefined, isSmaller: true })?.id
        expect(bestPath(there, { current: undefined, isSmaller: false })?.id).toBe(ours)
        // whatever each of them uses so far
        expect(bestPath(here, { current: 'c1', isSmaller: true })?.id).toBe(ours)
        expect(bestPath(there, { current: 'c0', isSmaller: false })?.id).toBe(ours)
      }),
      tries(200),
    )
  })

  it('changes for one that is clearly better, in round trip or in rate', () => {
    expect(best([path('slow', { rttMs: 80 }), path('fast', { rttMs: 20 })], 'slow')).toBe('fast')
    expect(best([path('used', { rttMs: 24 }), path('other', { rttMs: 20 })], 'used')).toBe('used')
    const thin = path('thin', { bytesPerMs: 200 })
    expect(best([thin, path('wide', { bytesPerMs: 20_000 })], 'thin')).toBe('wide')
  })

  it('is TCP, unless UDP is clearly faster', () => {
    const udp = (more: Partial<Path> = {}) => path('udp', { path: 'udp', kind: 'udp', ...more })
    expect(best([udp(), path('tcp')])).toBe('tcp')
    expect(best([udp({ rttMs: 19 }), path('tcp')], 'tcp')).toBe('tcp')
    expect(best([udp({ rttMs: 40 }), path('tcp', { rttMs: 40 })], 'udp')).toBe('tcp')
    expect(best([udp({ bytesPerMs: 40_000 }), path('tcp', { bytesPerMs: 1000 })], 'tcp')).toBe('udp')
  })

  it('leaves the relay as soon as there is a direct one, and comes back to it when that is silent', () => {
    const relay = relayed('relay', { rttMs: 1, bytesPerMs: 90_000 })
    expect(best([relay], 'relay')).toBe('relay')
    expect(best([relay, path('direct', { rttMs: null })], 'relay')).toBe('direct')
    expect(best([relay, path('direct', { isSilent: true })], 'direct')).toBe('relay')
  })
})

describe('what is measured of a path', () => {
  it('is the busiest second of what came, and no pause', () => {
    const meter = new PathMeter()
    expect(meter.bytesPerMs(0)).toBeNull()
    for (let ms = 1000; ms <= 3000; ms += 10) meter.heard(100_000, ms)
    expect(meter.bytesPerMs(4000)).toBeCloseTo(10_000, -3)
    expect(meter.bytesPerMs(60_000)).toBeCloseTo(10_000, -3)
    expect(meter.bytesPerMs(20 * 60_000)).toBeNull()
  })

  it('is nothing while only small things pass', () => {
    const meter = new PathMeter()
    for (let ms = 0; ms < 60_000; ms += 100) meter.heard(100, ms)
    expect(meter.bytesPerMs(60_000)).toBeNull()
  })

  it('remembers for a while what may still be in a buffer', () => {
    const meter = new PathMeter()
    meter.sent(5_000_000, 100_000)
    meter.sent(9_000_000, 100_000, true)
    expect([meter.sentLately(100_001), meter.sentLately(129_000), meter.sentLately(131_000)]).toEqual([
      5_000_000, 5_000_000, 5_000_000,
    ])
    expect([meter.sentLately(165_000), meter.bytesPerMs(165_000)]).toEqual([0, null])
  })

  it('knows since when an answer is owed', () => {
    const meter = new PathMeter()
    expect(meter.owedSince).toBeNull()
    meter.sent(10, 5)
    meter.sent(10, 7)
    expect(meter.owedSince).toBe(5)
    meter.heard(10, 9)
    expect(meter.owedSince).toBeNull()
    meter.sent(1, 11)
    meter.answered(8, 12)
    expect([meter.owedSince, meter.rttMs]).toEqual([null, 8])
    meter.answered(16, 13)
    expect(meter.rttMs).toBe(10)
    meter.answered(4, 14)
    expect(meter.rttMs).toBe(4)
  })
})
