import { expect, it } from 'vitest'
import { BEGUN_BY_ALL, BEGUN_BY_PEER, MINUTE_MS, SOCKETS_BY_PEER } from './limits.ts'
import { Quotas } from './quotas.ts'

const begun = (quotas: Quotas, peer: string, isSocket: boolean, now = 0) => {
  let count = 0
  while (count < 1_000 && quotas.mayBegin(peer, isSocket, now)) count += 1
  return count
}

it('a peer begins so many conversations in a minute, and so many for sockets besides', () => {
  const quotas = new Quotas()
  expect(begun(quotas, 'a', false)).toBe(BEGUN_BY_PEER)
  expect(begun(quotas, 'a', true)).toBe(SOCKETS_BY_PEER)
  expect(begun(quotas, 'b', true)).toBe(SOCKETS_BY_PEER)
  expect(begun(quotas, 'a', true, MINUTE_MS - 1)).toBe(0)
  expect(begun(quotas, 'a', true, MINUTE_MS)).toBe(SOCKETS_BY_PEER)
})

it('all of them together begin no more than all may', () => {
  const quotas = new Quotas()
  const all = Array.from({ length: 20 }, (_, at) => begun(quotas, `peer ${at}`, true)).reduce((sum, each) => sum + each)
  expect(all).toBe(BEGUN_BY_ALL)
})
