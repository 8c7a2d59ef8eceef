/** Any permutation, duplication and partition of a set of entries gives one state: digest, refusals, membership. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { toHex } from '../../ids.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../../testing.ts'
import { createReplica, type Replica, type World } from '../testing.ts'
import {
  type Action,
  AUTHORITY,
  arranged,
  arrivals,
  batches,
  DEPARTURES,
  EVERYTHING,
  HANDOVERS,
  play,
  scripts,
} from './testing.ts'

const open: Replica[] = []

function replica(world: World): Replica {
  const made = createReplica(world.network)
  open.push(made)
  return made
}

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** All that two nodes with the same entries must agree on. */
function shown({ state, entries }: Replica) {
  const { members, branches, invites, cuts, closed, departures } = state.membership()
  return {
    digest: toHex(state.digest()),
    refused: [...entries.verdicts].flatMap(([id, verdict]) => (verdict === null ? [] : `${id} ${verdict.code}`)).sort(),
    members: [...members.values()].map((each) => JSON.stringify(each)).sort(),
    branches: [...branches.values()].map((each) => JSON.stringify(each)).sort(),
    invites: [...invites.values()].map((each) => JSON.stringify(each)).sort(),
    cuts: [...cuts].map(String).sort(),
    closed: [...closed].sort(),
    departures: [...departures.keys()].sort(),
  }
}

/** What was kept row by row is what a fold from nothing gives. Entries whose ancestors are not here yet may wait. */
async function expectVerified({ state }: Replica): Promise<void> {
  const { recomputed, problems } = await state.verify()
  expect(problems.filter((problem) => !problem.includes('not here'))).toEqual([])
  expect(toHex(recomputed)).toBe(toHex(state.digest()))
}

const histories: [string, readonly Action[], number][] = [
  ['everything', EVERYTHING, 8],
  ['departures', DEPARTURES, 7],
  ['handovers', HANDOVERS, 7],
  ['authority', AUTHORITY, 7],
]

describe.each(histories)('histories of %s', (_name, of, numRuns) => {
  test(
    'any order, duplicates and batches make no difference, and every step on the way is a fold from nothing',
    async () => {
      await fc.assert(
        fc.asyncProperty(scripts(of), arrivals, async (script, arrival) => {
          const { world } = play(script)
          const reference = replica(world)
          reference.deliver(world.entries)
          for (const order of [world.entries, arranged(world.entries, arrival)]) {
            const other = replica(world)
            for (const batch of batches(order, arrival)) {
              other.deliver(batch)
              await expectVerified(other)
            }
            expect(shown(other)).toEqual(shown(reference))
          }
          for (const each of open.splice(0)) each.close()
        }),
        tries(numRuns),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

test(
  'parts that were apart agree once each has what the other has',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        scripts(EVERYTHING),
        arrivals,
        fc.integer({ min: 2, max: 4 }),
        async (script, arrival, parts) => {
          const { world } = play(script)
          const nodes = Array.from({ length: parts }, () => replica(world))
          const got = nodes.map(() => new Set<number>())
          for (const [turn, batch] of [...batches([...world.entries.keys()], arrival)].entries()) {
            const part = turn % parts
            for (const at of batch) got[part]?.add(at)
            nodes[part]?.deliver(batch.flatMap((at) => world.entries[at] ?? []))
          }
          const numbers = arranged([...world.entries.keys()], arrival)
          for (const [part, node] of nodes.entries()) {
            node.deliver(numbers.filter((at) => got[part]?.has(at) === false).flatMap((at) => world.entries[at] ?? []))
            await expectVerified(node)
          }
          const [first, ...others] = nodes.map(shown)
          for (const other of others) expect(other).toEqual(first)
          for (const each of open.splice(0)) each.close()
        },
      ),
      tries(6),
    )
  },
  PROPERTY_TIMEOUT_MS,
)

test(
  'one script makes one ledger, to the last bit',
  () => {
    fc.assert(
      fc.property(scripts(EVERYTHING), (script) => {
        const ids = () => play(script).world.entries.map(({ id }) => id)
        expect(ids()).toEqual(ids())
      }),
      tries(3),
    )
  },
  PROPERTY_TIMEOUT_MS,
)
