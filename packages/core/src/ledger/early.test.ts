import { expect, it } from 'vitest'
import { generateSigningKey, sha256 } from '../crypto/index.ts'
import { idFrom, type NetworkId, type NodeId } from '../ids.ts'
import { createEarly, EARLY_MAX } from './early.ts'
import { makeEntry } from './entry.ts'
import type { Entry } from './types.ts'

const key = generateSigningKey()
const network = idFrom<NetworkId>(sha256(new Uint8Array(1)))
const [ana, bia] = ['ana', 'bia'] as NodeId[] as [NodeId, NodeId]

function chain(length: number, size = 1): Entry[] {
  const entries: Entry[] = []
  for (let seq = 0; seq < length; seq++) {
    const place = { incarnation: new Uint8Array(16), seq, prev: entries.at(-1)?.id ?? null, ms: seq + 1, counter: 0 }
    entries.push(makeEntry({ network, ...place, kind: 'note', seen: [], body: { text: new Uint8Array(size) } }, key))
  }
  return entries
}

it('what waits is given once, after its predecessor, with who sent it', () => {
  const early = createEarly()
  const [first, second, third] = chain(3) as [Entry, Entry, Entry]
  expect([early.add(third, ana), early.add(second, bia), early.add(first, ana)]).toEqual([true, true, false])
  expect(early.size()).toBe(2)
  expect(early.after(first.id)).toMatchObject({
    id: second.id,
    peer: bia,
    entry: { bytes: second.bytes, sig: second.sig },
  })
  expect(early.after(first.id)).toBeUndefined()
  expect(early.drop(bia)).toEqual([])
  expect(early.drop(ana)).toEqual([third.id])
  expect(early.size()).toBe(0)
})

it('has room for so many entries, and so many bytes', () => {
  const many = createEarly()
  const added = chain(EARLY_MAX + 5).map((entry) => many.add(entry, ana))
  expect(added.filter((isIn) => isIn)).toHaveLength(EARLY_MAX)
  const large = createEarly()
  const [, other] = chain(2, 60_000) as [Entry, Entry]
  for (const entry of chain(40, 60_000)) large.add(entry, ana)
  expect(large.size()).toBe(Math.floor((1024 * 1024) / other.bytes.length))
  // and is there again for others
  large.drop(ana)
  expect(large.add(other, bia)).toBe(true)
})
