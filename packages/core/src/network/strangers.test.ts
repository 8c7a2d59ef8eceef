import type { MultiaddrConnection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import {
  MAX_CIRCUITS_PER_ORIGIN,
  MAX_STRANGER_CIRCUITS,
  MAX_STRANGERS,
  STRANGER_GRACE_MS,
  Strangers,
} from './strangers.ts'
import { ManualClock } from './testing.ts'

/** A connection that tells of its end, as libp2p's do. */
class Line extends EventTarget {
  readonly remoteAddr
  isOpen = true

  constructor(ip: string) {
    super()
    this.remoteAddr = multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/1`)
  }

  abort(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.dispatchEvent(new Event('close'))
  }
}

function room() {
  const clock = new ManualClock()
  const members = new Set<NodeId>()
  const strangers = new Strangers({ clock, isMember: (node) => members.has(node) })
  let count = 0
  const come = (ip: string) => {
    const line = new Line(ip)
    count += 1
    const peer = `p${count}` as NodeId
    const isIn = strangers.admit(peer, line as unknown as MultiaddrConnection)
    return { peer, line, isIn }
  }
  return { clock, members, strangers, come }
}

const many = (come: ReturnType<typeof room>['come'], ip: (at: number) => string, count = MAX_STRANGERS) =>
  Array.from({ length: count }, (_, at) => come(ip(at)))
const stillOpen = (all: { line: Line }[]) => all.filter(({ line }) => line.isOpen).length

describe('strangers', () => {
  it('of one address cannot keep another out, nor make room for more of their own', () => {
    const { strangers, come } = room()
    const crowd = many(come, () => '192.0.2.1')
    expect(crowd.every(({ isIn }) => isIn)).toBe(true)
    expect(come('192.0.2.1').isIn).toBe(false)
    const guest = come('192.0.2.2')
    expect([guest.isIn, guest.line.isOpen]).toEqual([true, true])
    expect([crowd[0]?.line.isOpen, stillOpen(crowd), strangers.size]).toEqual([false, MAX_STRANGERS - 1, MAX_STRANGERS])
    // and whatever comes now of the crowd does not drive it out
    for (const late of many(come, () => '192.0.2.1')) expect(late.isIn).toBe(false)
    expect(guest.line.isOpen).toBe(true)
  })

  it('of one /64 are one crowd', () => {
    const { come } = room()
    many(come, (at) => `2001:db8::${(at + 1).toString(16)}`)
    expect(come('2001:db8::ffff:1').isIn).toBe(false)
    expect(come('2001:db8:0:1::1').isIn).toBe(true)
  })

  it('go idle ones first', () => {
    const { strangers, come } = room()
    const crowd = many(come, () => '192.0.2.1')
    const [first, second] = crowd
    if (first === undefined || second === undefined) throw new Error('nobody')
    strangers.registerOpened(first.peer)
    expect(come('192.0.2.2').isIn).toBe(true)
    expect([first.line.isOpen, second.line.isOpen]).toEqual([true, false])
    // pretending to register holds no place either
    for (const { peer } of crowd) strangers.registerOpened(peer)
    expect(come('192.0.2.3').isIn).toBe(true)
    expect(first.line.isOpen).toBe(false)
  })

  it('who is sent away is forgotten, with its time', () => {
    const { clock, strangers, come } = room()
    const crowd = many(come, () => '192.0.2.1')
    for (let at = 0; at < 10; at++) come(`192.0.2.${at + 2}`)
    clock.advance(STRANGER_GRACE_MS)
    expect([strangers.size, stillOpen(crowd)]).toEqual([0, 0])
  })

  it('however they come: never too many, and whoever has less than others is let in', () => {
    const ips = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: MAX_STRANGERS, maxLength: 4 * MAX_STRANGERS })
    fc.assert(
      fc.property(ips, (places) => {
        const { strangers, come } = room()
        const all: (ReturnType<typeof come> & { place: number })[] = []
        for (const place of places) {
          const open = all.filter(({ line, isIn }) => isIn && line.isOpen)
          const of = (each: number) => open.filter((one) => one.place === each).length
          const isLess = [1, 2, 3, 4, 5].some((each) => of(each) > of(place))
          const came = come(`192.0.2.${place}`)
          all.push({ ...came, place })
          expect(came.isIn).toBe(open.length < MAX_STRANGERS || isLess)
          expect(strangers.size).toBe(Math.min(MAX_STRANGERS, open.length + 1))
        }
      }),
      { numRuns: 20 },
    )
  })
})

describe('circuits of strangers', () => {
  it('are few for each address, and few in all', () => {
    const { strangers, come } = room()
    const granted = (ip: string, count: number) =>
      many(come, () => ip, count).filter(({ peer }) => strangers.allowCircuit(peer)).length
    expect(granted('192.0.2.1', 10)).toBe(MAX_CIRCUITS_PER_ORIGIN)
    let all = MAX_CIRCUITS_PER_ORIGIN
    for (let at = 2; at < 8; at++) all += granted(`192.0.2.${at}`, 3)
    expect(all).toBe(MAX_STRANGER_CIRCUITS)
  })
})
