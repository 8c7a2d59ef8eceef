/** Copies of the sources with one deliberate fault each, run seed by seed until one finds it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCampaign } from './campaign.ts'
import type { Mutation } from './mutations.ts'
import { LARGE_EVERY, type SeedResult, situationsOf } from './run-seed.ts'

/** Which seed finds a fault, and by which invariant. */
export interface Found {
  readonly seed: number
  readonly invariant: string
}

/** @throws {TypeError} when the text to be changed does not stand in the file exactly once */
export function mutated(source: string, { rule, file, find, replace }: Mutation): string {
  const parts = source.split(find)
  if (parts.length !== 2) {
    throw new TypeError(`${file}: the text of the rule "${rule}" stands there ${parts.length - 1} times: ${find}`)
  }
  return parts.join(replace)
}

const repository = join(import.meta.dirname, '..', '..')
const TABLE = join(import.meta.dirname, 'mutation-seeds.json')

/** The sources and the simulation in a folder of their own, with the dependencies of this one. */
function copySources(): string {
  const root = mkdtempSync(join(tmpdir(), 'malote-mutation-'))
  const core = join('packages', 'core')
  mkdirSync(join(root, core), { recursive: true })
  for (const path of [join(core, 'src'), join(core, 'package.json'), join('test', 'simulation'), 'package.json']) {
    cpSync(join(repository, path), join(root, path), { recursive: true })
  }
  symlinkSync(join(repository, core, 'node_modules'), join(root, core, 'node_modules'))
  return root
}

export function checkMutation(mutation: Mutation): void {
  mutated(readFileSync(join(repository, 'packages', 'core', 'src', mutation.file), 'utf8'), mutation)
}

/** A fault can make a run that never ends; a sound one takes seconds. */
const SEED_DEADLINE_MS = 180_000

/** The first of these seeds that finds the fault; null when none does, or not in time. */
export async function runMutation(mutation: Mutation, seeds: readonly number[]): Promise<Found | null> {
  const root = copySources()
  try {
    const path = join(root, 'packages', 'core', 'src', mutation.file)
    writeFileSync(path, mutated(readFileSync(path, 'utf8'), mutation))
    const signal = AbortSignal.timeout(seeds.length * SEED_DEADLINE_MS)
    const { failed } = await runCampaign({ root, seeds, jobs: 1, untilFailure: true, signal })
    const [found] = failed
    return found === undefined ? null : { seed: found.seed, invariant: invariantOf(found) }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Small runs, those first in which its situation comes. */
export function seedsFor({ scene }: Mutation, count: number): number[] {
  const seeds: number[] = []
  const others: number[] = []
  for (let seed = 1; seeds.length + others.length < 20 * count && seeds.length < count; seed++) {
    if (seed % LARGE_EVERY === 0) continue
    if (scene === undefined || situationsOf(seed).includes(scene)) seeds.push(seed)
    else others.push(seed)
  }
  return [...seeds, ...others].slice(0, count)
}

/** By rule. */
export function readTable(): Map<string, Found> {
  return new Map(Object.entries(JSON.parse(readFileSync(TABLE, 'utf8')) as Record<string, Found>))
}

export function writeTable(table: ReadonlyMap<string, Found>): void {
  const sorted = [...table].sort(([a], [b]) => (a < b ? -1 : 1))
  writeFileSync(TABLE, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`)
}

function invariantOf({ problems }: SeedResult): string {
  return problems[0]?.split(':')[0] ?? '-'
}
