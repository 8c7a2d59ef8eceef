import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import { type AudienceId, type BoxHash, type FileId, idBytes, type KeyId } from '../ids.ts'
import { ManualClock } from '../ledger/testing.ts'
import { createSeeker, type Seeker } from './views-seek.ts'

const FILE = '01'.repeat(16) as FileId
const BOX = '02'.repeat(32) as BoxHash
const AUDIENCE = '03'.repeat(16) as AudienceId
const KEY = '04'.repeat(16) as KeyId

let folder: string
let db: Database
let clock: ManualClock
let seeker: Seeker
let asked: string[]
let isThere: boolean

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malote-seek-'))
  db = openDatabase({ path: join(folder, 'local.db'), migrations: migrationsFolder('local'), synchronous: 'normal' })
  clock = new ManualClock()
  asked = []
  isThere = false
  const found = (box: BoxHash | null) => {
    db.prepare('DELETE FROM waits WHERE box IS ?').run(box === null ? null : idBytes(box))
  }
  seeker = createSeeker({
    db,
    clock,
    sources: () => [],
    grants: {
      acquire: async () => {
        asked.push('key')
        if (isThere) found(null)
        return isThere
      },
    },
    boxes: {
      put: () => BOX,
      local: () => null,
      get: async () => {
        asked.push('box')
        return isThere ? new Uint8Array(1) : null
      },
      remove: () => undefined,
    },
    boxArrived: found,
  })
})

afterEach(async () => {
  await seeker.stop()
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

function wait(box: BoxHash | null): void {
  db.prepare('INSERT INTO waits (file, audience, key_id, box) VALUES (?, ?, ?, ?)').run(
    idBytes(FILE),
    idBytes(AUDIENCE),
    idBytes(KEY),
    box === null ? null : idBytes(box),
  )
}

/** All that begins now has ended. */
const turns = () => new Promise((resolve) => setImmediate(resolve))

async function pass(ms: number): Promise<string[]> {
  asked = []
  clock.advance(ms)
  await turns()
  return asked
}

for (const [what, begin] of [
  ['box', () => seeker.box(FILE, BOX)],
  ['key', () => seeker.key(AUDIENCE, KEY)],
] as const) {
  test(`a ${what} that nobody has yet is sought again soon, with growing pauses, until it is there`, async () => {
    wait(what === 'box' ? BOX : null)
    begin()
    await turns()
    expect(asked).toEqual([what])
    expect(await pass(999)).toEqual([])
    expect(await pass(1)).toEqual([what])
    expect(await pass(1_999)).toEqual([])
    isThere = true
    expect(await pass(1)).toEqual([what])
    expect(await pass(60_000)).toEqual([])
  })

  test(`a ${what} that is nowhere is left to the retry of all`, async () => {
    wait(what === 'box' ? BOX : null)
    begin()
    await turns()
    for (const seconds of [1, 2, 4, 8, 16]) expect(await pass(seconds * 1_000)).toEqual([what])
    expect(await pass(600_000)).toEqual([])
    await seeker.retry()
    expect(asked).toEqual([what])
  })

  test(`a ${what} that no file waits for any more is not sought again`, async () => {
    wait(what === 'box' ? BOX : null)
    begin()
    await turns()
    db.prepare('DELETE FROM waits').run()
    expect(await pass(600_000)).toEqual([])
  })
}
