/** A newcomer takes in a large ledger: it answers all the while, and whoever waits sees how far it is. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Branch, cliCommand, type Json } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { addPurgedFiles } from '../support/large-ledger.ts'

const FILES = 6_000
/** Far fewer than a free process gives in that time, far more than one that is busy with entries. */
const ANSWERS_MIN = 20

/** To the line's beginning, and what stands there goes. */
const ERASE = '\r\u001b[K'

const root = mkdtempSync(join(tmpdir(), 'malote-catch-up-'))
const [founder, newcomer] = [new Branch('Matriz', join(root, 'a')), new Branch('Nova', join(root, 'b'))]

beforeAll(async () => {
  await Promise.all([founder.up(), newcomer.up()])
  await founder.json('init', '--name', 'Rede de teste', '--branch', founder.name)
  const { network } = await founder.api('/status')
  await founder.end()
  addPurgedFiles(founder.data, network.id, FILES)
  await founder.up()
}, 120_000)
afterAll(async () => {
  await Promise.all([founder.end(), newcomer.end()])
  rmSync(root, { recursive: true, force: true })
})

/** On a terminal of its own, as a person would. @returns what it showed */
async function onTerminal(args: string[]): Promise<{ code: number; shown: string }> {
  const quoted = [...cliCommand, ...args].map((word) => `'${word}'`).join(' ')
  const { NO_COLOR: _, ...env } = process.env
  const child = spawn('script', ['-qec', quoted, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const parts: Buffer[] = []
  child.stdout.on('data', (part) => parts.push(part))
  const [code] = (await once(child, 'close')) as [number]
  return { code, shown: Buffer.concat(parts).toString() }
}

it('answers while it catches up, and tells how far it is: in status and on the terminal', async () => {
  const { entries } = await founder.api('/ledger/digest')
  expect(entries).toBeGreaterThan(2 * FILES)
  const { invite } = await founder.json('invite', '--branch', newcomer.name)
  let isDone = false
  const registering = onTerminal(['register', invite, '--data', newcomer.data]).finally(() => {
    isDone = true
  })
  /** answers while entries were missing, and how many were here in each */
  const seen: number[] = []
  while (!isDone) {
    const { ledger } = await newcomer.api('/status')
    if (ledger.catchingUp === null) continue
    expect(ledger.catchingUp.expected).toBeGreaterThanOrEqual(entries)
    seen.push(ledger.catchingUp.have)
    expect((await newcomer.fetch('/nodes')).status).toBeLessThan(500)
  }
  const { code, shown } = await registering
  expect(code, shown).toBe(0)
  expect(seen.length).toBeGreaterThanOrEqual(ANSWERS_MIN)
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(new Set(seen).size).toBeGreaterThanOrEqual(3)

  // one line, drawn over and taken away at the end
  const lines = shown.split(ERASE)
  const drawn = lines.flatMap((line) => {
    const [, percent, have, expected] = /^entries [█·]{16} (\d+) % {2}(\d+) of (\d+)$/.exec(line) ?? []
    return have === undefined ? [] : [{ percent: Number(percent), have: Number(have), expected: Number(expected) }]
  })
  expect(drawn.length, shown).toBeGreaterThanOrEqual(3)
  for (const { percent, have, expected } of drawn) expect(percent).toBe(Math.floor((have / expected) * 100))
  const counts = drawn.map(({ have }) => have)
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  expect(lines.at(-1)).toBe('joined Rede de teste as Nova; 2 members\r\n')

  await eventually('the same everywhere', async () => {
    const digests = await Promise.all([founder, newcomer].map((branch) => branch.api('/ledger/digest')))
    return new Set(digests.map((digest: Json) => digest.state)).size === 1
  })
  expect((await newcomer.api('/status')).ledger.catchingUp).toBeNull()
}, 120_000)
