/**
 * `npm run crash -- [--kills N] [--seed S]`: real branches killed at seeded moments of uploads, updates, fetches, sealing
 * anew, replication and starts, and everything checked after each. Ends with an error at the first fault, with its seed.
 */
import { parseArgs } from 'node:util'
import { keepCompiled } from '../test/support/branch.ts'
import { startCluster } from '../test/support/cluster.ts'
import { CAMPAIGN_MEMBERS, crashCampaign } from '../test/support/crash-campaign.ts'

const DEFAULT_KILLS = '200'
const KILLS_MAX = 100_000
/** Kills on one network: then a new one, so that neither its ledger nor its disk grow without end. */
const AT_ONCE = 100

const { values } = parseArgs({
  options: { kills: { type: 'string', default: DEFAULT_KILLS }, seed: { type: 'string' } },
})
const kills = Number(values.kills)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
if (!Number.isSafeInteger(kills) || kills < 1 || kills > KILLS_MAX || !Number.isSafeInteger(seed))
  throw new RangeError(`--kills must be from 1 to ${KILLS_MAX}, --seed a number`)

keepCompiled()
let inTime = 0
let acknowledged = 0
for (let done = 0; done < kills; done += AT_ONCE) {
  const round = seed + done / AT_ONCE
  const count = Math.min(AT_ONCE, kills - done)
  console.log(`seed ${round}: ${count} kills`)
  const cluster = await startCluster(CAMPAIGN_MEMBERS)
  try {
    const result = await crashCampaign({ cluster, seed: round, kills: count, say: (line) => console.log(`  ${line}`) })
    inTime += result.inTime
    acknowledged += result.acknowledged
  } finally {
    await cluster.close()
  }
}
console.log(
  `${kills} kills, ${inTime} of them in the middle, ${acknowledged} when it was acknowledged: nothing was lost`,
)
