import { describe, expect, it } from 'vitest'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import type { MemberPresence, PresenceEvent } from '../network/index.ts'
import { ManualClock } from '../network/testing.ts'
import { createAbsence, MEETING_MS } from './absence.ts'

const [self, other, gone] = [1, 2, 3].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed))) as [
  NodeId,
  NodeId,
  NodeId,
]
const HOUR = 3_600_000
const GRACE = 24 * HOUR

function setUp(lastSeen: Map<NodeId, number>, admitted = new Map<NodeId, number>()) {
  const clock = new ManualClock()
  clock.advance(100 * GRACE)
  const connected = new Set<NodeId>()
  let tell = (_: PresenceEvent) => {}
  const get = (node: NodeId): MemberPresence => ({
    node,
    connected: connected.has(node),
    lastSeen: lastSeen.get(node) ?? null,
    rttMs: null,
    version: null,
    addresses: [],
  })
  const absence = createAbsence({
    clock,
    graceMs: GRACE,
    self,
    admittedAt: (node) => admitted.get(node) ?? 0,
    presence: {
      get,
      isConnected: (node) => connected.has(node),
      list: () => [other, gone].map(get),
      onChange(listener) {
        tell = listener
        return () => {}
      },
    },
  })
  const change = (type: 'connected' | 'disconnected', node: NodeId) => {
    if (type === 'connected') connected.add(node)
    else connected.delete(node)
    lastSeen.set(node, clock.now())
    tell({ type, node })
  }
  return { clock, absence, change, now: () => clock.now() }
}

describe('absence', () => {
  it('calls one gone that was not seen for longer than the grace, while others are there', () => {
    const { clock, absence, change } = setUp(new Map())
    change('connected', other)
    change('connected', gone)
    change('disconnected', gone)
    clock.advance(GRACE)
    expect(absence.isAway(gone)).toBe(false)
    clock.advance(1)
    expect([absence.isAway(gone), absence.isAway(other)]).toEqual([true, false])
    change('connected', gone)
    expect(absence.isAway(gone)).toBe(false)
  })

  it('does not take its own absence for that of the others: after a long one it waits until they had time to come', () => {
    const { clock, absence, change } = setUp(
      new Map([
        [other, 0],
        [gone, 0],
      ]),
    )
    expect([absence.isAway(other), absence.isAway(gone)], 'alone it knows nothing').toEqual([false, false])
    change('connected', other)
    clock.advance(MEETING_MS - 1)
    expect(absence.isAway(gone)).toBe(false)
    clock.advance(1)
    expect(absence.isAway(gone)).toBe(true)
    change('disconnected', other)
    clock.advance(2 * GRACE)
    expect([absence.isAway(other), absence.isAway(gone)], 'its cable was pulled').toEqual([false, false])
    change('connected', other)
    expect(absence.isAway(gone)).toBe(false)
  })

  it('calls one gone that it never saw, when both have been members for longer than the grace', () => {
    const admitted = new Map<NodeId, number>()
    const { clock, absence, change, now } = setUp(new Map(), admitted)
    admitted.set(self, now())
    change('connected', other)
    clock.advance(GRACE)
    expect(absence.isAway(gone)).toBe(false)
    clock.advance(1)
    expect([absence.isAway(gone), absence.isAway(self)]).toEqual([true, false])
  })
})
