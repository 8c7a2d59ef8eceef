/** Copies of the sources with one deliberate fault each, run seed by seed until one finds it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCampaign } from './campaign.ts'
import type { Mutation } from './mutations.ts'
import type { SeedResult } from './run-seed.ts'

export interface Caught {
  readonly mutation: Mutation
  /** null when no seed found it */
  readonly seed: number | null
  /** name of the invariant */
  readonly invariant: string
  readonly ms: number
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

export async function runMutation(mutation: Mutation, options: { seeds: number; jobs: number }): Promise<Caught> {
  const began = process.hrtime.bigint()
  const root = copySources()
  try {
    const path = join(root, 'packages', 'core', 'src', mutation.file)
    writeFileSync(path, mutated(readFileSync(path, 'utf8'), mutation))
    const { jobs, seeds } = options
    const known = await runCampaign({ root, from: mutation.seed, seeds: 1, jobs: 1, untilFailure: true })
    const others =
      known.failed.length > 0
        ? known
        : await runCampaign({ root, from: mutation.seed + 1, seeds, jobs, untilFailure: true })
    const [found] = others.failed
    return {
      mutation,
      seed: found?.seed ?? null,
      invariant: invariantOf(found),
      ms: Number((process.hrtime.bigint() - began) / 1_000_000n),
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function invariantOf(found: SeedResult | undefined): string {
  return found?.problems[0]?.split(':')[0] ?? '-'
}
