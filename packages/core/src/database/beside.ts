/**
 * A second database beside a first one, where what is to stand in the first is made ready. What a
 * crash leaves of it means nothing, and is removed before the next one is made and when the folder is opened.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Database, openDatabase } from './open.ts'

const NAME = 'repair.db'

export interface Beside {
  readonly db: Database
  /** Runs `work` while statements of the first database see this one as `beside`. Outside of `write`, which it may call. */
  attached<T>(work: () => T): T
  /** Closes and removes it. */
  close(): void
}

/** Empty, with the tables of `migrations`. One at a time for each database. */
export function openBeside(main: Database, migrations: string): Beside {
  const folder = main.isInMemory ? mkdtempSync(join(tmpdir(), 'malote-')) : dirname(main.path)
  const path = join(folder, NAME)
  const remove = () => (main.isInMemory ? rmSync(folder, { recursive: true, force: true }) : removeBeside(folder))
  if (!main.isInMemory) removeBeside(folder)
  try {
    const db = openDatabase({ path, migrations, synchronous: 'normal' })
    return {
      db,
      attached(work) {
        main.prepare('ATTACH ? AS beside').run(path)
        try {
          return work()
        } finally {
          main.exec('DETACH beside')
        }
      },
      close() {
        db.close()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}

/** What a crash has left. @param folder that of the first database */
export function removeBeside(folder: string): void {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(join(folder, NAME + end), { force: true })
}
