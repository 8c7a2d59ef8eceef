/** One node per data folder. The lock is an SQLite lock: the kernel lets go of it however the process ends. */
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { FolderLockedError } from './errors.ts'

export interface FolderLock {
  release(): void
}

/** @throws {FolderLockedError} when another process holds it */
export function lockFolder(folder: string): FolderLock {
  const sqlite = new Sqlite(join(folder, 'lock'), { timeout: 0 })
  try {
    sqlite.pragma('locking_mode = EXCLUSIVE')
    sqlite.exec('BEGIN EXCLUSIVE')
  } catch {
    sqlite.close()
    throw new FolderLockedError(folder)
  }
  return {
    release() {
      if (sqlite.open) sqlite.close()
    },
  }
}
