/** The state is made anew while the node goes on: it answers, it writes, and a SIGKILL at any moment leaves the old state or the new one. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { Branch, type Json } from '../support/branch.ts'
import { postFile } from '../support/cluster.ts'
import { addPurgedFiles } from '../support/large-ledger.ts'

const FILES = 1_000
/** Far fewer than a free process gives in that time, more than one that does nothing else. */
const ANSWERS_MIN = 3
/** Of the time that a repair without a load beside it took: early, and about where its transaction is. */
const KILLED_AT = [0.3, 0.95]

const root = mkdtempSync(join(tmpdir(), 'malote-repair-'))
const branch = new Branch('Matriz', join(root, 'a'))
const beside = join(branch.data, 'network', 'repair.db')

beforeAll(async () => {
  await branch.up()
  await branch.json('init', '--name', 'Rede de teste', '--branch', branch.name)
  const { network } = await branch.api('/status')
  await branch.end()
  addPurgedFiles(branch.data, network.id, FILES)
}, 120_000)
afterAll(async () => {
  await branch.end()
  rmSync(root, { recursive: true, force: true })
})

/** In several tables, so that a half-finished repair would look like neither state. */
async function damage(): Promise<string[]> {
  await branch.end()
  const path = join(branch.data, 'network', 'shared.db')
  const db = openDatabase({ path, migrations: migrationsFolder('shared') })
  db.exec(`DELETE FROM refs_recent; DELETE FROM refs WHERE file_key % 300 = 3; UPDATE files SET state = 'live' WHERE file_key % 300 = 2;
    DELETE FROM files WHERE file_key % 500 = 4; UPDATE members SET role = 'member'; UPDATE digest SET lanes = zeroblob(2048)`)
  db.close()
  await branch.up()
  const { problems } = await branch.api('/ledger/verify')
  expect(problems.join('\n')).toMatch(/members.*its rows in refs/s)
  return problems
}

const repair = (): Promise<Json> => branch.api('/ledger/repair', { method: 'POST' })

async function underWay(): Promise<void> {
  while (!existsSync(beside)) await setTimeout(1)
}

it('is repaired while it answers and writes; killed meanwhile, it has the old state or the new one', async () => {
  await damage()
  const repaired = repair()
  await underWay()
  const began = performance.now()
  let answers = 0
  const uploaded = postFile(branch, 'agora.txt', Buffer.from('agora'))
  for (; existsSync(beside); answers++) await branch.api('/status')
  const lasted = performance.now() - began
  expect(answers).toBeGreaterThan(ANSWERS_MIN)
  expect(await repaired).toMatchObject({ ok: true, problems: [] })
  const file = (await (await uploaded).json()) as Json
  expect((await branch.api(`/files/${file.id}`)).version).toBe(1)

  let old = await damage()
  for (const share of KILLED_AT) {
    const lost = repair().catch(() => 'killed')
    await underWay()
    await setTimeout(share * lasted)
    await branch.end('SIGKILL')
    await lost
    await branch.up()
    expect(existsSync(beside)).toBe(false)
    const { ok, problems } = await branch.api('/ledger/verify')
    expect(problems).toEqual(ok ? [] : old)
    if (ok) old = await damage()
  }
  expect(await repair()).toMatchObject({ ok: true, problems: [] })
  expect((await branch.api(`/files/${file.id}`)).version).toBe(1)
}, 120_000)
