import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import type { AudienceId, BoxHash, BranchId, EntryId, FileId } from '../ids.ts'
import { EVERYONE_LIST } from './audience-list.ts'
import type { FileMeta } from './boxes-format.ts'
import { createScrubber } from './scrub.ts'
import type { SharedFile } from './types.ts'
import { createViewsTable, type ViewQuery, type ViewsTable } from './views-table.ts'

let folder: string
let db: Database
let table: ViewsTable

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malote-views-'))
  db = openDatabase({ path: join(folder, 'local.db'), migrations: migrationsFolder('local'), synchronous: 'normal' })
  table = createViewsTable(db)
})

afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Spread over the id space, the same in every run. */
const idOf = (n: number) => ((n * 2_654_435_761) % 4_294_967_296).toString(16).padStart(8, '0').repeat(4) as FileId
const hex = (n: number, bytes: number) => n.toString(16).padStart(bytes * 2, '0')

function put(n: number, meta: Partial<FileMeta> = {}, shared: Partial<SharedFile> = {}): FileId {
  const file = idOf(n)
  const row: SharedFile = {
    file,
    state: 'live',
    owner: hex(7, 32) as BranchId,
    ownership: hex(n, 32) as EntryId,
    author: new Uint8Array(32),
    salt: new Uint8Array(16),
    head: hex(n, 32) as EntryId,
    version: 1,
    epoch: 1,
    audience: hex(0, 16) as AudienceId,
    meta: hex(n, 32) as BoxHash,
    preview: null,
    created: n,
    updated: n,
    deleted: null,
    offer: null,
    ...shared,
  }
  const details = {
    name: `file ${n}`,
    type: 'image/png',
    tags: [],
    campaign: null,
    created: n,
    plainHash: new Uint8Array(32),
  }
  table.put(row, 10, { ...details, list: EVERYONE_LIST, ...meta })
  return file
}

function all(query: ViewQuery): FileId[] {
  const found: FileId[] = []
  for (let cursor: string | undefined; ; ) {
    const page = table.list({ ...query, cursor })
    found.push(...page.items.map((item) => item.file))
    if (page.next === null) return found
    cursor = page.next
  }
}

describe('listing', () => {
  test('finds parts of names, tags and campaigns in any case, whole tags and campaigns', () => {
    const poster = put(1, { name: 'Straße ÉTÉ.png', tags: ['Spring', 'red'], campaign: 'Launch 2026' })
    const other = put(2, { name: 'other', tags: ['springtime'] })
    expect(all({ q: 'été' })).toEqual([poster])
    expect(all({ q: 'PRING' })).toEqual([other, poster])
    expect(all({ q: 'launch' })).toEqual([poster])
    expect(all({ q: '%' })).toEqual([])
    expect(all({ tag: 'SPRING' })).toEqual([poster])
    expect(all({ campaign: 'launch 2026' })).toEqual([poster])
    expect(all({ campaign: 'launch' })).toEqual([])
    expect(all({ owner: hex(8, 32) as BranchId })).toEqual([])
    expect(all({ owner: hex(7, 32) as BranchId, q: 'other' })).toEqual([other])
  })

  test('pages have no gaps and no doubles, newest first, also where times are equal', () => {
    for (let n = 0; n < 25; n++) put(n, {}, { updated: Math.floor(n / 10) })
    const trashed = put(100, {}, { state: 'deleted' })
    const whole = all({ limit: 1000 })
    expect(whole).toHaveLength(25)
    for (const limit of [1, 3, 10, 24, 25]) expect(all({ limit })).toEqual(whole)
    expect(all({ deleted: true })).toEqual([trashed])
    expect(table.count()).toEqual({ files: 25, bytes: 250 })
  })

  test.each(['', 'x', '!.AAAA', 'zz', '9zzzzzzzzzzzzz.AAAAAAAAAAAAAAAAAAAAAA'])('refuses the cursor %j', (cursor) => {
    expect(() => table.list({ cursor })).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('references', () => {
  test('id, unique prefix, exact name', () => {
    const file = put(1, { name: 'poster' })
    put(2, { name: 'twice' })
    put(3, { name: 'twice' })
    put(4, { name: 'poster' }, { state: 'deleted' })
    for (const ref of [file, file.slice(0, 6), file.toUpperCase(), 'poster']) expect(table.resolve(ref).file).toBe(file)
    expect(() => table.resolve('twice')).toThrow(
      expect.objectContaining({
        code: 'ambiguous',
        details: { ref: expect.any(String), candidates: expect.any(Array) },
      }),
    )
    for (const ref of ['Poster', file.slice(0, 5), '', 'nothing']) {
      expect(() => table.resolve(ref)).toThrow(expect.objectContaining({ code: 'not-found' }))
    }
  })

  test('a name as it looks, in whichever form its accents are; as it was written, where that is one', () => {
    const [composed, decomposed] = ['Ver\u00e3o', 'Vera\u0303o']
    const first = put(1, { name: decomposed })
    for (const ref of [composed, decomposed]) expect(table.resolve(ref).file).toBe(first)
    const second = put(2, { name: composed })
    expect([composed, decomposed].map((ref) => table.resolve(ref).file)).toEqual([second, first])
    const third = put(3, { name: composed })
    expect(() => table.resolve(composed)).toThrow(expect.objectContaining({ code: 'ambiguous' }))
    expect(table.resolve(decomposed).file).toBe(first)
    expect(third).not.toBe(second)
  })
})

describe('what is removed', () => {
  test('leaves no trace in the files, among many rows that stay and go', () => {
    const secret = (n: number) => `geheim-${n}-Kampagne`
    const order = Array.from({ length: 1200 }, (_, n) => (n * 7919) % 1200)
    db.write(() => {
      for (const n of order)
        put(n, {
          name: n % 3 === 0 ? secret(n) : `open ${n} `.padEnd(10 + (n % 90), 'x'),
          campaign: n % 3 === 0 ? secret(n) : null,
        })
    })
    const scrubber = createScrubber(db, systemClock)
    expect(scrubber.now()).toBe(true)
    expect(contents().includes('geheim-')).toBe(true) // the scan can find it
    for (const n of order) {
      if (n % 3 === 0) table.remove(idOf(n))
      else if (n % 5 === 0) put(n, { name: `renamed ${n}` })
    }
    expect(scrubber.now()).toBe(true)
    expect(table.count().files).toBe(800)
    expect(contents().includes('geheim-')).toBe(false)
    scrubber.stop()
  })

  function contents(): string {
    return ['local.db', 'local.db-wal'].map((name) => readFileSync(join(folder, name)).toString('latin1')).join('')
  }
})
