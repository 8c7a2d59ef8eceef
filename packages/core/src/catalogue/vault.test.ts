import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { createScrubber } from './scrub.ts'
import { createVault } from './vault.ts'

const MARK = 'geheim'

test('keeps what is put, and no trace of what was erased, in any order and size', () => {
  const step = fc.record({
    what: fc.constantFrom('put', 'put', 'erase', 'replace'),
    at: fc.nat(200),
    size: fc.integer({ min: 6, max: 9000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 150 }), (steps) => {
      const folder = mkdtempSync(join(tmpdir(), 'malote-vault-'))
      const db = openDatabase({
        path: join(folder, 'local.db'),
        migrations: migrationsFolder('local'),
        synchronous: 'normal',
      })
      try {
        const vault = createVault(db)
        const held: { slot: number; bytes: Uint8Array }[] = []
        for (const { what, at, size } of steps) {
          const bytes = new Uint8Array(Buffer.from(MARK.repeat(size / 6)))
          const old = held[at % Math.max(held.length, 1)]
          if (what === 'put' || old === undefined) held.push({ slot: vault.put(bytes), bytes })
          else if (what === 'replace') Object.assign(old, { slot: vault.replace(old.slot, bytes), bytes })
          else {
            vault.erase(old.slot)
            held.splice(held.indexOf(old), 1)
          }
        }
        for (const { slot, bytes } of held) expect(Buffer.compare(vault.get(slot), bytes)).toBe(0)
        const scan = () => ['local.db', 'local.db-wal'].some((name) => readFileSync(join(folder, name)).includes(MARK))
        if (held.length > 0) expect(scan()).toBe(true)
        for (const { slot } of held) vault.erase(slot)
        expect(createScrubber(db, systemClock).now()).toBe(true)
        expect(scan()).toBe(false)
      } finally {
        db.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 15 },
  )
})
