/**
 * Everything that must hold at every commit: format and lint, import directions, dead code, types (the build before
 * this), unit and integration tests. Closes with one line of totals; exits non-zero when anything fails.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setup as installDebian } from '../test/support/debian.ts'

const bin = join(import.meta.dirname, '..', 'node_modules', '.bin')
const folder = mkdtempSync(join(tmpdir(), 'malote-check-'))
const report = join(folder, 'report.json')

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  numFailedTestSuites: number
}

interface Check {
  readonly title: string
  readonly command: string
  readonly args: readonly string[]
}

const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }

/** Runs beside the others, and says what it has to say in one piece. */
async function run({ title, command, args }: Check): Promise<boolean> {
  const child = spawn(join(bin, command), args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => said.push(piece))
  const [code] = await once(child, 'close')
  console.log(`\n== ${title}\n${Buffer.concat(said).toString().trim()}`)
  return code === 0
}

const installing = installDebian()
const checks = await Promise.all(
  [
    { title: 'format and lint', command: 'biome', args: ['check', '--error-on-warnings', '.'] },
    {
      title: 'import directions',
      command: 'depcruise',
      args: ['packages', 'apps', '--config', '.dependency-cruiser.cjs', '--output-type', 'err'],
    },
    { title: 'dead code and dependencies', command: 'knip', args: [] },
  ].map(run),
)
await installing
console.log('\n== tests')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const tested = spawnSync(join(bin, 'vitest'), ['run', ...reporters], { stdio: 'inherit', env }).status === 0

let totals = { passed: 0, failed: 1, skipped: 0 }
try {
  const result = JSON.parse(readFileSync(report, 'utf8')) as Report
  totals = {
    passed: result.numPassedTests,
    // a suite that could not even start has no failed test of its own
    failed: Math.max(result.numFailedTests, result.numFailedTestSuites > 0 ? 1 : 0),
    skipped: result.numPendingTests + result.numTodoTests,
  }
} catch (error) {
  console.error(`no test report: ${error}`)
}
rmSync(folder, { recursive: true, force: true })
const failedChecks = checks.filter((passed) => !passed).length
console.log(
  `\n${totals.passed + checks.length - failedChecks} passed, ${totals.failed + failedChecks} failed, ${totals.skipped} skipped`,
)
process.exitCode = failedChecks === 0 && tested && totals.failed === 0 ? 0 : 1
