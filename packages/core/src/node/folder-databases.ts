/** The two databases of a network's folder: what follows from the ledger, and what only this node knows. */
import { join } from 'node:path'
import { type Database, migrationsFolder, openDatabase, removeBeside } from '../database/index.ts'
import { readingFailure } from './errors.ts'

export interface FolderDatabases {
  readonly shared: Database
  readonly local: Database
  /** of `shared` */
  readonly path: string
  /** Reads what the start needs. What cannot be read closes both, and bears one name. */
  fromDisk<T>(read: () => T): T
  close(): void
}

/** @param init.isNew nothing in it can be damaged yet: an error is what it is @throws {DatabaseDamagedError} */
export function openDatabases(init: { folder: string; isNew: boolean }): FolderDatabases {
  const opened: Database[] = []
  const close = () => {
    for (const each of opened) each.close()
  }
  const pathOf = (name: 'shared' | 'local') => join(init.folder, `${name}.db`)
  const fromDisk = <T>(read: () => T): T => {
    try {
      return read()
    } catch (error) {
      close()
      throw init.isNew ? error : readingFailure(error)
    }
  }
  const open = (name: 'shared' | 'local') => {
    const db = openDatabase({ path: pathOf(name), migrations: migrationsFolder(name) })
    opened.push(db)
    return db
  }
  removeBeside(init.folder) // of a repair that was cut off
  const shared = fromDisk(() => open('shared'))
  return { shared, local: fromDisk(() => open('local')), path: pathOf('shared'), fromDisk, close }
}
