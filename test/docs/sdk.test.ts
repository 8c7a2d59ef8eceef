/** docs/sdk.md names every error code and every event that there is, and no other; its example runs. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { EXIT_CODES } from '../../apps/cli/src/output/exit-codes.ts'

const repository = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(repository, path), 'utf8')
const page = read('docs/sdk.md')

/** What stands in backquotes in the first column of the table under a heading. */
function firstColumn(heading: string): string[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(heading)) ?? ''
  const cells = section.split('\n').flatMap((line) => /^\| (`[^|]+) \|/.exec(line)?.[1] ?? [])
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
}

it('has every error code', () => {
  const [, union = ''] = /export type ErrorCode =\n([\s\S]*?)\n\n/.exec(read('packages/core/src/errors.ts')) ?? []
  const codes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, code = '']) => code)
  expect(codes.length).toBeGreaterThan(40)
  expect(firstColumn('Errors').sort()).toEqual(codes.sort())
})

it('has every event', () => {
  const [, map = ''] =
    /export interface EventMap \{\n([\s\S]*?)\n\}/.exec(read('packages/core/src/node/event-types.ts')) ?? []
  const events = [...map.matchAll(/^ {2}'?([a-z:]+)'?: /gm)].map(([, name = '']) => name)
  expect(events.length).toBeGreaterThan(20)
  expect(firstColumn('Events').sort()).toEqual(events.sort())
})

it('has the exit code of every error code', () => {
  const section = page.split(/^## /m).find((each) => each.startsWith('Exit codes')) ?? ''
  const told = [...section.matchAll(/^\| (\d+) \| [^|]+ \| (.+) \|$/gm)].flatMap(([, exit = '', codes = '']) =>
    [...codes.matchAll(/`([^`]+)`/g)].map(([, code = '']) => [code, Number(exit)]),
  )
  expect(Object.fromEntries(told)).toEqual(EXIT_CODES)
})

it('shows a program that runs, and says so when there is no node', () => {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
  const root = mkdtempSync(join(tmpdir(), 'malote-sdk-'))
  try {
    const here = example.replace('/srv/malote', join(root, 'data'))
    expect(here).not.toBe(example)
    symlinkSync(join(repository, 'examples', 'node_modules'), join(root, 'node_modules'))
    writeFileSync(join(root, 'package.json'), '{"type":"module"}')
    writeFileSync(join(root, 'example.ts'), here)
    const { status, stderr } = spawnSync(process.execPath, ['example.ts'], { cwd: root, encoding: 'utf8' })
    expect([stderr, status]).toEqual(['start the node first\n', 0])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
