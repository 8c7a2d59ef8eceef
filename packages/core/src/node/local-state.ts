/** Small things that only this node knows: named settings, and the files of which somebody here wants a copy. */
import type { Database } from '../database/index.ts'
import { type FileId, idBytes } from '../ids.ts'
import type { LocalSettings } from '../ledger/index.ts'

export function createSettings(db: Database): LocalSettings {
  return {
    getSetting(name) {
      const row = db.prepare<{ value: Uint8Array }>('SELECT value FROM settings WHERE name = ?').get(name)
      return row === undefined ? null : new Uint8Array(row.value)
    },
    setSetting(name, value) {
      db.write(() => {
        if (value === null) db.prepare('DELETE FROM settings WHERE name = ?').run(name)
        else db.prepare('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)').run(name, value)
      })
    },
  }
}

export interface Kept {
  has(file: FileId): boolean
  add(file: FileId): void
  remove(file: FileId): void
}

export function createKept(db: Database): Kept {
  return {
    has: (file) => db.prepare('SELECT 1 FROM kept WHERE file = ?').get(idBytes(file)) !== undefined,
    add: (file) => void db.prepare('INSERT OR IGNORE INTO kept (file) VALUES (?)').run(idBytes(file)),
    remove: (file) => void db.prepare('DELETE FROM kept WHERE file = ?').run(idBytes(file)),
  }
}
