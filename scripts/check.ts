/**
 * Everything that must hold at every commit: format and lint, import directions, dead code, types (the build before
 * this), unit and integration tests. Closes with one line of totals; exits non-zero when anything fails.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

function run(title: string, command: string, args: string[]): boolean {
  console.log(`\n== ${title}`)
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  return spawnSync(join(bin, command), args, { stdio: 'inherit', env }).status === 0
}

const checks = [
  run('format and lint', 'biome', ['check', '--error-on-warnings', '.']),
  run('import directions', 'depcruise', [
    'packages',
    'apps',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'err',
  ]),
  run('dead code and dependencies', 'knip', []),
]
const tested = run('tests', 'vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`])

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
