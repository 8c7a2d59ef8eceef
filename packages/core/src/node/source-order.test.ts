import { expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { nearestFirst } from './source-order.ts'

it('turns first to who is connected, then to who has all of it, then to who is near', () => {
  const known: Record<string, { connected: boolean; all: boolean; ms?: number }> = {
    gone: { connected: false, all: true, ms: 1 },
    partial: { connected: true, all: false, ms: 1 },
    far: { connected: true, all: true, ms: 300 },
    unmeasured: { connected: true, all: true },
    near: { connected: true, all: true, ms: 20 },
    nothing: { connected: false, all: false },
  }
  const order = nearestFirst([...Object.keys(known), 'near'] as NodeId[], {
    isConnected: (node) => known[node]?.connected === true,
    hasAll: (node) => known[node]?.all === true,
    tripMs: (node) => known[node]?.ms,
  })
  expect(order).toEqual(['near', 'far', 'unmeasured', 'partial', 'gone', 'nothing'])
})
