/**
 * Every path takes the same entries: one by one as they are pushed, in bulk with one signature per chain, in any order
 * and any batches, also among copies with missing, wrong or foreign signatures. On the real ledger.
 */
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { generateSigningKey } from '../../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../../database/index.ts'
import { nodeIdFromPublicKey, toHex } from '../../ids.ts'
import { createLedger, type Ledger, type SignedBytes } from '../../ledger/index.ts'
import { ManualClock, memorySettings, nobodyAround } from '../../ledger/testing.ts'
import { systemRandom } from '../../random.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../../testing.ts'
import { kindInfo } from '../kind-info.ts'
import { createSharedState, type SharedState } from '../shared-state.ts'
import type { World } from '../testing.ts'
import { arranged, arrivals, batches, EVERYTHING, play, scripts, tampered, tamperings } from './testing.ts'

interface Node {
  readonly db: Database
  readonly clock: ManualClock
  readonly ledger: Ledger
  readonly state: SharedState
}

const open: Node[] = []

function node({ network }: World, now: number): Node {
  const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
  const clock = new ManualClock(now)
  const ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer: generateSigningKey(),
    clock,
    random: systemRandom,
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    ...nobodyAround,
  })
  const state = createSharedState({ db, entries: ledger, network: () => ledger.network() })
  const made = { db, clock, ledger, state }
  open.push(made)
  return made
}

afterEach(() => close())

function close(): void {
  for (const { ledger, db } of open.splice(0)) {
    ledger.close()
    db.close()
  }
}

/**
 * As fetching does: again and again, until nothing new was taken. What waits for another shows nowhere: the founding
 * entry first, then what it introduces, then whoever vouches for both.
 */
function deliver({ ledger }: Node, all: readonly (readonly SignedBytes[])[], live: boolean): void {
  const from = { peer: nodeIdFromPublicKey(generateSigningKey().publicKey), live }
  const taken = () => ledger.count() + ledger.held().length
  for (let before = taken(), idle = 0; idle < 3; before = taken()) {
    for (const batch of all) ledger.ingest(batch, from)
    idle = taken() === before ? idle + 1 : 0
  }
}

function shown({ ledger, state }: Node) {
  return {
    count: ledger.count(),
    held: ledger.held().length,
    heads: toHex(ledger.sync.headsHash()),
    digest: toHex(state.digest()),
    refused: ledger
      .page(0, 10_000)
      .flatMap(({ entry, refusal }) => (refusal === null ? [] : `${entry.id} ${refusal.code}`))
      .sort(),
  }
}

test(
  'live, bulk and shuffled arrival take the same entries and make the same state',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        scripts(EVERYTHING),
        arrivals,
        tamperings,
        fc.nat(100),
        async (script, arrival, changes, share) => {
          const { world } = play(script)
          const sent = tampered(world.entries, changes)
          // a part of the entries is ahead of the nodes' clocks at first
          const last = Math.max(...world.entries.map(({ ms }) => ms))
          const first = world.entries[0]?.ms ?? 0
          const now = first + ((last - first) * share) / 100
          close() // of a try that failed
          const [live, bulk, shuffled] = [node(world, now), node(world, now), node(world, now)]
          const turns: [Node, SignedBytes[][], boolean][] = [
            [live, sent.map((entry) => [entry]), true],
            [bulk, [sent], false],
            [shuffled, [...batches(arranged(sent, arrival), arrival)], false],
          ]
          for (const [each, all, isLive] of turns) deliver(each, all, isLive)
          expect(shown(bulk)).toEqual(shown(live))
          expect(shown(shuffled)).toEqual(shown(live))
          for (const [each, all, isLive] of turns) {
            each.clock.advance(last - now)
            deliver(each, all, isLive)
            expect((await each.state.verify()).recomputed).toEqual(each.state.digest())
          }
          expect(live.ledger.held()).toEqual([])
          expect(shown(bulk)).toEqual(shown(live))
          expect(shown(shuffled)).toEqual(shown(live))
          close()
        },
      ),
      tries(5),
    )
  },
  PROPERTY_TIMEOUT_MS,
)
