import { describe, expect, it } from 'vitest'
import { natOf } from './nat.ts'

const OWN = ['192.168.1.5', '5.6.7.8']
const at = (ip: string, port: number) => ({ ip, port })

describe('which NAT', () => {
  it.each([
    ['unknown', []],
    ['unknown', [at('192.168.1.1', 999)]],
    ['none', [at('5.6.7.8', 4000), at('5.6.7.8', 4000)]],
    ['some', [at('9.9.9.9', 50_000)]],
    ['some', [at('9.9.9.9', 50_000), at('192.168.1.5', 4000)]],
    ['one', [at('9.9.9.9', 50_000), at('9.9.9.9', 50_000)]],
    ['each', [at('9.9.9.9', 50_000), at('9.9.9.9', 50_001)]],
    ['each', [at('9.9.9.9', 50_000), at('9.9.9.10', 50_000), at('9.9.9.9', 50_000)]],
  ])('it is: %s, from %o', (kind, seen) => {
    expect(natOf(OWN, 4000, seen).kind).toBe(kind)
  })

  it('names where it is seen, and whether the port stays', () => {
    const kept = natOf(OWN, 4000, [at('9.9.9.9', 4000), at('9.9.9.9', 4000)])
    expect(kept).toEqual({ kind: 'one', seenAt: ['9.9.9.9'], keepsPort: true })
    expect(natOf(OWN, 4000, [at('9.9.9.9', 4001)]).keepsPort).toBe(false)
  })
})
