/**
 * An audience key sealed to many members. Each wrap takes the processor for a fraction of a millisecond, and there may be
 * thousands: everybody else in the process gets a turn every few of them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { grantSlot, type SealingKey, sealTo } from '../crypto/index.ts'
import { type AudienceId, idBytes, type KeyId, type NetworkId } from '../ids.ts'
import type { Member } from '../membership/index.ts'
import type { GrantSlot } from './boxes-format.ts'

/** Some 5 ms of work. */
export const WRAPS_PER_TURN = 8

export interface WrapsInit {
  readonly network: NetworkId
  /** the writer's own */
  readonly sealing: SealingKey
  readonly audience: AudienceId
  readonly key: KeyId
  readonly secret: Uint8Array
  readonly receivers: readonly Pick<Member, 'sealing'>[]
}

/** Both ends of a grant name what it is for. */
export function grantContext(audience: AudienceId, key: KeyId): Uint8Array {
  return Buffer.concat([idBytes(audience), idBytes(key)])
}

/** One slot for each member whose key can be sealed to: one that came in with a worthless key keeps nobody else from the file. */
export async function wrapForAll(init: WrapsInit): Promise<GrantSlot[]> {
  const { network, sealing, audience, key, secret } = init
  const context = grantContext(audience, key)
  const slots: GrantSlot[] = []
  await inTurns(init.receivers, async (member) => {
    try {
      const sealed = await sealTo(network, member.sealing, context, secret)
      slots.push([grantSlot(network, sealing, member.sealing, audience, key), sealed])
    } catch {
      // a point of small order: nothing can be sealed to it, and its owner has chosen it
    }
  })
  return slots
}

/** One after the other, with a turn for everybody else every few. */
export async function inTurns<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  let done = 0
  for (const item of items) {
    await work(item)
    done += 1
    if (done % WRAPS_PER_TURN === 0) await nextTurn()
  }
}
