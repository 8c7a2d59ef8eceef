/**
 * The only place that opens SQLite. One writer per file; `write` is the only way to change it, and what should be told
 * to the world is told in `afterCommit`, when it is true.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { MaloteError } from '../errors.ts'
import { DatabaseDamagedError, DatabaseForbiddenError, DatabaseFullError, DatabaseNewerError } from './errors.ts'

/** "MALO" in ASCII: tells our files from any other SQLite database. */
const APPLICATION_ID = 0x4d414c4f
/** Versions ahead of ours that are believed; beyond that the header is damaged. */
const NEWER_MAX = 0xffff
/** As `PRAGMA synchronous` tells it. */
const SYNCHRONOUS_FULL = 2
const MIGRATION_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/

export interface DatabaseInit {
  /** file path, or `:memory:` */
  path: string
  /** folder of numbered SQL files, `0001-init.sql` and so on, each run once in a transaction of its own */
  migrations: string
  /**
   * `full` makes each commit durable against power loss, `normal` only consistent.
   * @default 'full'
   */
  synchronous?: 'full' | 'normal'
  /** The bytes of a database file to go on from, in memory, whatever the path says. */
  image?: Buffer
}

export interface Database {
  /** as it was opened */
  readonly path: string
  /** no file holds it */
  readonly isInMemory: boolean
  /** The first sign of damage that a statement met since the file was opened; null while there is none. */
  damage(): DatabaseDamagedError | null
  /** Moves what stands in the write-ahead log into the file itself. */
  checkpoint(): void
  /** What the file would hold if it were closed now; no copy is kept. */
  image(): Buffer
  /** A prepared statement; cached by its text. */
  prepare<Row = unknown>(sql: string): Sqlite.Statement<unknown[], Row>
  exec(sql: string): void
  /**
   * Runs `work`, which makes many small reads, as one: each by itself takes and gives back the locks of the file, which
   * costs as much as finding a row. Inside of `write` it is part of that. @throws {TypeError} when `work` writes
   */
  read<T>(work: () => T): T
  /** Runs `work` in one transaction; nested calls join the outer one. Rolls back, and forgets `afterCommit`, when it throws. */
  write<T>(work: () => T): T
  /**
   * As `write`, for what may be lost in a power cut (not in a crash of the program) and is then learned again: the
   * commit does not wait for the disk. What was committed by `write` before stays, and the next `write` takes this along.
   * @throws {TypeError} when `work` calls `write`, which could not keep its promise
   */
  writeSoft<T>(work: () => T): T
  /** Runs `tell` after the outermost `write` has committed; at once when there is none. */
  afterCommit(tell: () => void): void
  /** Runs `undo` when the outermost `write` rolls back: for what is kept in memory beside the tables. Nothing outside of `write`. */
  afterRollback(undo: () => void): void
  close(): void
}

/**
 * @throws {DatabaseNewerError} when a newer Malote wrote the file
 * @throws {DatabaseDamagedError} when it is not ours or cannot be read
 * @throws {DatabaseForbiddenError} when the file may not be opened
 */
export function openDatabase(init: DatabaseInit): Database {
  let sqlite: Sqlite.Database | undefined
  try {
    sqlite = new Sqlite(init.image ?? init.path)
    sqlite.pragma('journal_mode = WAL')
    sqlite.pragma(`synchronous = ${init.synchronous ?? 'full'}`)
    // of no effect but on macOS, where a sync alone leaves the bytes in the memory of the disk
    sqlite.pragma('fullfsync = ON')
    sqlite.pragma('checkpoint_fullfsync = ON')
    sqlite.pragma('foreign_keys = ON')
    sqlite.pragma('secure_delete = ON') // what a branch may no longer see must not linger in free pages
    sqlite.pragma('cache_size = -16384')
    sqlite.pragma('temp_store = MEMORY')
    // a page that several commits change is moved into the file once: half of the writing while a newcomer catches up
    sqlite.pragma('wal_autocheckpoint = 8192')
    migrate(sqlite, init)
    assertWhole(sqlite, init.path)
  } catch (error) {
    sqlite?.close()
    if (error instanceof MaloteError) throw error
    throw failureOf(error) === 'forbidden'
      ? new DatabaseForbiddenError(init.path, error)
      : new DatabaseDamagedError(init.path, error)
  }
  return wrap(sqlite, init.path)
}

/** What SQLite's result code says of the file; null for what is no fault of it. */
function failureOf(error: unknown): 'damaged' | 'forbidden' | 'full' | null {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'SQLITE_FULL') return 'full'
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(code)) return 'damaged'
  return /^SQLITE_(CANTOPEN|PERM|AUTH|READONLY)/.test(code) ? 'forbidden' : null
}

/** A file that was cut short reads well until somebody asks for what is missing: its header says how long it was. */
function assertWhole(sqlite: Sqlite.Database, path: string): void {
  if (sqlite.memory) return
  const [{ busy, log, checkpointed } = { busy: 1, log: 0, checkpointed: 0 }] = sqlite.pragma(
    'wal_checkpoint(PASSIVE)',
  ) as { busy: number; log: number; checkpointed: number }[]
  // pages that are still in the log need not be in the file
  if (busy !== 0 || log !== checkpointed) return
  const bytes =
    (sqlite.pragma('page_count', { simple: true }) as number) * (sqlite.pragma('page_size', { simple: true }) as number)
  if (statSync(path).size < bytes) throw new DatabaseDamagedError(path, new Error('the file is cut short'))
}

function migrate(sqlite: Sqlite.Database, init: DatabaseInit): void {
  const files = readdirSync(init.migrations)
    .filter((name) => MIGRATION_NAME.test(name))
    .sort()
  const known = files.length
  const found = sqlite.pragma('user_version', { simple: true }) as number
  const application = sqlite.pragma('application_id', { simple: true }) as number
  if (found > known + NEWER_MAX) throw new DatabaseDamagedError(init.path, new Error('its version makes no sense'))
  if (found > known) throw new DatabaseNewerError(init.path, found, known)
  if (found > 0 && application !== APPLICATION_ID)
    throw new DatabaseDamagedError(init.path, new Error('not a Malote database'))
  files.slice(found).forEach((name, index) => {
    const sql = readFileSync(join(init.migrations, name), 'utf8')
    sqlite.transaction(() => {
      sqlite.exec(sql)
      sqlite.pragma(`application_id = ${APPLICATION_ID}`)
      sqlite.pragma(`user_version = ${found + index + 1}`)
    })()
  })
}

function wrap(sqlite: Sqlite.Database, path: string): Database {
  let damage: DatabaseDamagedError | null = null
  /** Named as what it is, and remembered, wherever it is met first. */
  const told = (error: unknown): unknown => {
    if (failureOf(error) === 'full') return new DatabaseFullError(path, error)
    if (failureOf(error) !== 'damaged') return error
    damage ??= new DatabaseDamagedError(path, error)
    return damage
  }
  const statements = new Map<string, Sqlite.Statement<unknown[], unknown>>()
  const begin = sqlite.prepare('BEGIN IMMEDIATE')
  const beginReading = sqlite.prepare('BEGIN')
  const commit = sqlite.prepare('COMMIT')
  const rollback = sqlite.prepare('ROLLBACK')
  let pending: (() => void)[] = []
  let undos: (() => void)[] = []
  let depth = 0
  let isSoft = false
  let isReading = false
  const isFull = (sqlite.pragma('synchronous', { simple: true }) as number) === SYNCHRONOUS_FULL

  function assertNotReading(): void {
    if (isReading) throw new TypeError('a change inside of a reading')
  }

  function transact<T>(work: () => T): T {
    let result: T
    depth += 1
    try {
      begin.run()
      result = work()
      if (result instanceof Promise) throw new TypeError('a transaction waits for nothing')
      commit.run()
    } catch (error) {
      if (sqlite.inTransaction) rollback.run()
      const undoing = undos
      pending = []
      undos = []
      for (const undo of undoing) undo()
      throw told(error)
    } finally {
      depth -= 1
    }
    return result
  }

  /** After the commit, when another transaction may begin. */
  function tellAll(): void {
    const tellings = pending
    pending = []
    undos = []
    for (const tell of tellings) tell()
  }

  return {
    path,
    isInMemory: sqlite.memory,
    damage: () => damage,
    checkpoint: () => void sqlite.pragma('wal_checkpoint(TRUNCATE)'),
    image: () => sqlite.serialize(),
    prepare<Row>(sql: string) {
      let statement = statements.get(sql)
      if (statement === undefined) {
        try {
          statement = guarded(sqlite.prepare(sql), told)
        } catch (error) {
          throw told(error)
        }
        statements.set(sql, statement)
      }
      return statement as Sqlite.Statement<unknown[], Row>
    },
    exec(sql) {
      try {
        sqlite.exec(sql)
      } catch (error) {
        throw told(error)
      }
    },
    read<T>(work: () => T): T {
      if (depth > 0 || isReading) return work()
      try {
        beginReading.run()
        isReading = true
        return work()
      } catch (error) {
        throw told(error)
      } finally {
        isReading = false
        if (sqlite.inTransaction) commit.run()
      }
    },
    write<T>(work: () => T): T {
      if (isSoft) throw new TypeError('a change that must be durable inside of one that is not')
      if (depth > 0) return work()
      assertNotReading()
      const result = transact(work)
      tellAll()
      return result
    },
    writeSoft<T>(work: () => T): T {
      if (depth > 0) return work()
      assertNotReading()
      if (isFull) sqlite.pragma('synchronous = normal')
      isSoft = true
      let result: T
      try {
        result = transact(work)
      } finally {
        isSoft = false
        if (isFull) sqlite.pragma('synchronous = full')
      }
      tellAll()
      return result
    },
    afterCommit(tell) {
      if (depth > 0) pending.push(tell)
      else tell()
    },
    afterRollback(undo) {
      if (depth > 0) undos.push(undo)
    },
    close: () => void sqlite.close(),
  }
}

/** The statement itself, with its failures named. */
function guarded<S extends Sqlite.Statement<unknown[], unknown>>(statement: S, told: (error: unknown) => unknown): S {
  const run = statement.run.bind(statement)
  const get = statement.get.bind(statement)
  const all = statement.all.bind(statement)
  const iterate = statement.iterate.bind(statement)
  statement.run = (...values) => {
    try {
      return run(...values)
    } catch (error) {
      throw told(error)
    }
  }
  statement.get = (...values) => {
    try {
      return get(...values)
    } catch (error) {
      throw told(error)
    }
  }
  statement.all = (...values) => {
    try {
      return all(...values)
    } catch (error) {
      throw told(error)
    }
  }
  statement.iterate = function* (...values) {
    try {
      yield* iterate(...values)
    } catch (error) {
      throw told(error)
    }
  }
  return statement
}
