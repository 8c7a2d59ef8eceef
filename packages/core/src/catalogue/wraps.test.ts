import { describe, expect, it } from 'vitest'
import {
  equalBytes,
  generateSealingKey,
  grantSlot,
  keyIdOf,
  newAudienceKey,
  openSealedTo,
  type SealingKey,
} from '../crypto/index.ts'
import { EVERYONE, type NetworkId } from '../ids.ts'
import { grantContext, WRAPS_PER_TURN, wrapForAll } from './wraps.ts'

const network = 'ab'.repeat(32) as NetworkId
const sealing = generateSealingKey()
const secret = newAudienceKey()
const key = keyIdOf(network, EVERYONE, secret)
const wrap = (receivers: readonly Uint8Array[]) =>
  wrapForAll({
    network,
    sealing,
    audience: EVERYONE,
    key,
    secret,
    receivers: receivers.map((each) => ({ sealing: each })),
  })

async function open(slots: Awaited<ReturnType<typeof wrap>>, member: SealingKey): Promise<Uint8Array | null> {
  const own = grantSlot(network, member, sealing.publicKey, EVERYONE, key)
  const slot = slots.find(([name]) => equalBytes(name, own))
  return slot === undefined ? null : await openSealedTo(network, member, grantContext(EVERYONE, key), slot[1])
}

/** Turns that the event loop gave others while this went on. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const count = () => {
    if (isOver) return
    turns += 1
    setImmediate(count)
  }
  setImmediate(count)
  await work
  isOver = true
  return turns
}

describe('a key that is sealed to many', () => {
  it('opens for each of them, and for nobody else', async () => {
    const members = Array.from({ length: 20 }, generateSealingKey)
    const slots = await wrap(members.map(({ publicKey }) => publicKey))
    expect(slots).toHaveLength(20)
    for (const member of members) expect(await open(slots, member)).toEqual(secret)
    expect(await open(slots, generateSealingKey())).toBeNull()
  })

  it('lets everybody else have a turn every few wraps', async () => {
    const members = Array.from({ length: WRAPS_PER_TURN * 12 }, () => generateSealingKey().publicKey)
    expect(await turnsDuring(wrap(members))).toBeGreaterThanOrEqual(11)
  })

  it('reaches the others when one has a key that nothing can be sealed to', async () => {
    const [first, last] = [generateSealingKey(), generateSealingKey()]
    const slots = await wrap([first.publicKey, new Uint8Array(32), last.publicKey])
    expect(slots).toHaveLength(2)
    for (const member of [first, last]) expect(await open(slots, member)).toEqual(secret)
  })
})
