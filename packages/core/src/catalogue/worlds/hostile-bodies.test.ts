/** A member may sign whatever it likes: no body stops the fold, and all nodes make the same of it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CborValue, encodeCbor } from '../../codec/index.ts'
import { toHex } from '../../ids.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../../testing.ts'
import { createReplica } from '../testing.ts'
import { arranged, arrivals, batches, EVERYTHING, play, scripts } from './testing.ts'

/** Values that are of the right type and wrong all the same, and some that are not. */
const value: fc.Arbitrary<CborValue> = fc.oneof(
  fc.constantFrom<CborValue>(null, true, '', 'admin', [], {}, [[]]),
  fc.constantFrom(0, 1, 2, 255, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1),
  fc.constantFrom(0, 16, 32, 60, 64).map((length) => new Uint8Array(length)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

interface Forgery {
  readonly actor: number
  readonly of: number
  readonly field: number
  readonly value: CborValue
  /** into a field within the field, where there is one */
  readonly deep: boolean
}

const forgeries = fc.array(
  fc.record<Forgery>({ actor: fc.nat(5), of: fc.nat(), field: fc.nat(12), value, deep: fc.boolean() }),
  { minLength: 5, maxLength: 30 },
)

function forged(body: CborValue, { field, value: by, deep }: Forgery): CborValue {
  const fields = body as Record<string, CborValue>
  const names = Object.keys(fields)
  const name = names[field % Math.max(1, names.length)] ?? 'file'
  const inner = fields[name]
  const isMap = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Uint8Array)
  return {
    ...fields,
    [name]: deep && isMap && inner !== undefined ? forged(inner, { field, value: by, deep, actor: 0, of: 0 }) : by,
  }
}

test(
  'no body stops the fold',
  async () => {
    await fc.assert(
      fc.asyncProperty(scripts(EVERYTHING, { maxLength: 25 }), forgeries, arrivals, async (script, made, arrival) => {
        const { world } = play(script)
        const samples = world.entries.slice(1)
        for (const forgery of made) {
          const sample = samples[forgery.of % samples.length]
          const actor = world.actors[forgery.actor % world.actors.length]
          if (sample === undefined || actor === undefined) continue
          const body = forged(sample.body, forgery)
          if (encodeCbor(body).length < 60_000) actor.write(sample.kind, body)
        }
        const [inOrder, shuffled] = [createReplica(world.network), createReplica(world.network)]
        inOrder.deliver(world.entries)
        for (const batch of batches(arranged(world.entries, arrival), arrival)) shuffled.deliver(batch)
        expect(toHex(shuffled.state.digest())).toBe(toHex(inOrder.state.digest()))
        expect(toHex((await inOrder.state.verify()).recomputed)).toBe(toHex(inOrder.state.digest()))
        for (const each of [inOrder, shuffled]) each.close()
      }),
      tries(8),
    )
  },
  PROPERTY_TIMEOUT_MS,
)
