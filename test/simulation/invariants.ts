/** What must hold after every run, by name: `docs/SIMULATION.md` says what each of them means. */

import { checkContents } from './check-contents.ts'
import { checkEntries } from './check-entries.ts'
import { checkFiles, checkUploads } from './check-files.ts'
import { checkHandovers } from './check-handovers.ts'
import { checkNothingForged, checkNothingLost, checkOwnFeeds, checkWellFormed } from './check-ledger.ts'
import {
  checkAdmissions,
  checkAuthority,
  checkClockFree,
  checkClosedFeeds,
  checkControlOrder,
  checkNotBlocked,
} from './check-members.ts'
import { checkPower } from './check-power.ts'
import { checkBulk, checkOrder, checkPlacement } from './check-replay.ts'
import { checkShapes } from './check-shapes.ts'
import { checkStanding } from './check-standing.ts'
import { type Evidence, gather } from './evidence.ts'
import { agree, type Outcome } from './scenario.ts'

const checks: readonly ((evidence: Evidence) => void)[] = [
  checkWellFormed,
  checkNothingForged,
  checkOwnFeeds,
  checkNothingLost,
  checkControlOrder,
  checkNotBlocked,
  checkClockFree,
  checkAuthority,
  checkAdmissions,
  checkStanding,
  checkPower,
  checkClosedFeeds,
  checkFiles,
  checkUploads,
  checkHandovers,
  checkShapes,
  checkContents,
  checkEntries,
  checkPlacement,
  checkBulk,
  checkOrder,
]

export async function judge({ world, present }: Outcome): Promise<void> {
  if (!agree(present)) return world.problem(`equal-heads: ${describeDifference(present)}`)
  // one node's rows are recomputed from its entries: all others have an equal digest
  const node = world.random.pick(present)
  for (const problem of (await node?.up.state.verify())?.problems ?? []) {
    // what a hostile member made up to be waited for is told, and harms nothing
    if (!problem.includes('name others that are not here')) world.problem(`verify-clean: ${node?.name}: ${problem}`)
  }
  const evidence = gather(world, present)
  for (const check of checks) check(evidence)
}

function describeDifference(present: Outcome['present']): string {
  const counts = present.map(({ name, up }) => {
    const heads = Buffer.from(up.ledger.sync.headsHash()).toString('hex').slice(0, 6)
    return `${name} ${up.ledger.count()} entries, heads ${heads}, state ${Buffer.from(up.state.digest()).toString('hex').slice(0, 6)}`
  })
  return counts.slice(0, 8).join('; ')
}
