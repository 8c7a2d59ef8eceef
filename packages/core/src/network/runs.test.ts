import { expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { nodeIdFromPublicKey } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { isEarlier, isProof, OwnRun, TWIN_LIFE_MS } from './runs.ts'
import { ManualClock, TEST_NETWORK } from './testing.ts'

const key = generateSigningKey()
const self = nodeIdFromPublicKey(key.publicKey)
const member = nodeIdFromPublicKey(generateSigningKey().publicKey)
const other = nodeIdFromPublicKey(generateSigningKey().publicKey)
const runOf = (clock = systemClock, signer = key) =>
  new OwnRun({
    signer,
    self: nodeIdFromPublicKey(signer.publicKey),
    network: TEST_NETWORK,
    clock,
    random: systemRandom,
  })

it('proves itself against one other run, and no other', () => {
  const [a, b] = [runOf(), runOf()]
  const proof = a.prove(b.run)
  expect(isProof(TEST_NETWORK, self, proof, b.run)).toBe(true)
  expect(isProof(TEST_NETWORK, self, proof, a.run)).toBe(false)
  expect(isProof(TEST_NETWORK, member, proof, b.run)).toBe(false)
  expect(isProof(TEST_NETWORK, self, { ...proof, since: proof.since - 1 }, b.run)).toBe(false)
})

it('orders two runs alike on both sides', () => {
  const [low, high] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
  expect(isEarlier({ run: high, since: 1 }, { run: low, since: 2 })).toBe(true)
  expect(isEarlier({ run: low, since: 2 }, { run: high, since: 1 })).toBe(false)
  expect(isEarlier({ run: low, since: 1 }, { run: high, since: 1 })).toBe(true)
  expect(isEarlier({ run: high, since: 1 }, { run: low, since: 1 })).toBe(false)
})

it('believes nobody without a proof, nor one of its own, nor an old one', () => {
  const clock = new ManualClock()
  const [own, before] = [runOf(clock), runOf(clock)]
  const stranger = runOf(clock, generateSigningKey())
  expect(own.onTwice(member, stranger.prove(own.run))).toBeNull()
  expect(own.onTwice(member, own.prove(own.run))).toBeNull()
  // made before this process began, so against the run of another
  expect(own.onTwice(member, before.prove(runOf(clock).run))).toBeNull()
  expect(own.twin()).toBeNull()
})

it('gives way to an earlier one until that is gone or its word has lapsed', () => {
  const clock = new ManualClock()
  const first = runOf(clock)
  clock.advance(1)
  const second = runOf(clock)
  clock.advance(1)
  const third = runOf(clock)
  expect(first.onTwice(member, second.prove(first.run))).toMatchObject({ weAreLater: false })
  expect(second.onTwice(member, first.prove(second.run))).toMatchObject({ weAreLater: true })
  expect(second.onTwice(other, third.prove(second.run))).toMatchObject({ weAreLater: false })
  expect(second.twin()).toMatchObject({ by: member, weAreLater: true })
  second.onSole(member, first.run)
  expect(second.twin()).toMatchObject({ by: member })
  second.onSole(member, second.run)
  expect(second.isSole(member)).toBe(false)
  expect(second.twin()).toMatchObject({ by: other, weAreLater: false })
  clock.advance(TWIN_LIFE_MS + 1)
  expect([first.twin(), second.twin()]).toEqual([null, null])
  expect([first.isSole(member), second.isSole(member), second.isSole(other)]).toEqual([false, true, false])
})
