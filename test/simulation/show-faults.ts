/** `npm run simulate -- --mutations`: every fault is found by its seed, and the same seed finds nothing without it. */
import { describeFailure, runCampaign } from './campaign.ts'
import { checkMutation, type Found, readTable, runMutation, seedsFor, writeTable } from './mutate.ts'
import { type Mutation, mutations } from './mutations.ts'

export interface FaultsInit {
  /** only rules that contain this text */
  readonly rule: string
  readonly jobs: number
  /** seeds to be tried where the known one does not find the fault */
  readonly search: number
  /** writes the table anew */
  readonly record: boolean
  print(line: string): void
}

/** @returns whether all were found */
export async function showFaults({ rule, jobs, search, record, print }: FaultsInit): Promise<boolean> {
  for (const mutation of mutations) checkMutation(mutation)
  const table = readTable()
  const rules = new Set(mutations.map((each) => each.rule))
  if (rules.size < mutations.length) throw new TypeError('two faults have one name')
  for (const known of table.keys()) if (record && !rules.has(known)) table.delete(known)
  const left = mutations.filter((each) => each.rule.includes(rule))
  const count = left.length
  let found = 0
  const used = new Set<number>()
  print('| rule | changed | seed | invariant |\n| --- | --- | --- | --- |')

  async function work(): Promise<void> {
    for (let mutation = left.shift(); mutation !== undefined; mutation = left.shift()) {
      const result = await find(mutation, table.get(mutation.rule), search)
      print(`| ${mutation.rule} | ${mutation.file} | ${result?.seed ?? 'NOT FOUND'} | ${result?.invariant ?? '-'} |`)
      if (result === null) continue
      found += 1
      used.add(result.seed)
      table.set(mutation.rule, result)
      if (record) writeTable(table)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))

  const sound = await runCampaign({ seeds: [...used], jobs })
  for (const failure of sound.failed) print(describeFailure(failure))
  print(`${found} of ${count} faults found by ${used.size} seeds, ${sound.failed.length} of which fail without a fault`)
  return found === count && sound.failed.length === 0
}

async function find(mutation: Mutation, known: Found | undefined, search: number): Promise<Found | null> {
  const first = known === undefined ? null : await runMutation(mutation, [known.seed])
  return first ?? (search > 0 ? await runMutation(mutation, seedsFor(mutation, search)) : null)
}
