/**
 * The files of a rebuild: what is damaged moves aside, and what proves itself in it is taken over. Nothing is deleted.
 * `rebuilding` says what has been moved where until all of it has been taken over, so that a crash at any moment is gone
 * on from. Spec: docs/specs/repair.md, "Rebuild".
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { audienceKeyProves } from '../catalogue/index.ts'
import { blake3, equalBytes } from '../crypto/index.ts'
import {
  checkPages,
  copyReadable,
  type Database,
  DatabaseNewerError,
  migrationsFolder,
  openDatabase,
  openSalvage,
  type SalvagedValue,
} from '../database/index.ts'
import type { NetworkId } from '../ids.ts'
import { BEGIN_ANEW, type Entry, foundingIn, ORDERLY_CLOSE } from '../ledger/index.ts'
import { readAnchor, writeAnchor } from './anchor.ts'
import { NetworkUnknownError } from './errors.ts'
import { writePrivateFile } from './identity.ts'
import { createSettings } from './local-state.ts'

const FILE = 'rebuilding'
const PARTS = ['', '-wal', '-shm'] as const
/** Not proven by anything, but small, of this node alone, and harmless when wrong. */
const COPIED_TABLES = ['settings', 'given_up', 'kept', 'notices', 'member_addresses', 'last_seen']

interface Rebuilding {
  /** folders beside the databases that hold what was moved */
  readonly folders: readonly string[]
  /** names that have yet to be moved into the last of them */
  readonly moving: readonly string[]
}

/** What a rebuild has not been able to take over so far. */
export interface RebuildLeft {
  readonly entries: number
  /** of this node's own */
  readonly own: number
  /** the first of these */
  readonly named: readonly Entry[]
}

/** The files of a rebuild that is not finished; null when there is none. */
export function setAsideFiles(folder: string): { readonly shared: string[] } | null {
  const state = readState(folder)
  if (state === null) return null
  return { shared: state.folders.map((each) => join(folder, each, 'shared.db')).filter((path) => existsSync(path)) }
}

/** All that was set aside has been taken over; the folders stay for whoever wants to look. */
export function endRebuild(folder: string): void {
  rmSync(join(folder, FILE), { force: true })
}

/**
 * Makes new databases in place of the damaged ones.
 * @throws {DatabaseNewerError} which is no damage @throws {NetworkUnknownError}
 */
export async function beginRebuild(folder: string, log: (message: string) => void): Promise<NetworkId> {
  finishMoving(folder)
  refuseNewer(folder)
  const network = readAnchor(folder)?.network ?? networkIn(folder)
  if (network === null) throw new NetworkUnknownError(folder)
  if (readAnchor(folder) === null) writeAnchor(folder, { network, addresses: [] })
  const names = ['shared.db', ...((await isLocalSound(folder, network)) ? [] : ['local.db'])]
  const before = readState(folder)?.folders ?? []
  const target = freeName(folder)
  mkdirSync(join(folder, target), { mode: 0o700 })
  const moving = names.flatMap((name) => PARTS.map((part) => `${name}${part}`))
  writeState(folder, { folders: [...before, target], moving })
  finishMoving(folder)
  log(`the damaged files are kept in ${join(folder, target)}`)
  const local = openLocal(folder)
  try {
    for (const each of [...before, target]) takeOverLocal(join(folder, each, 'local.db'), local, network)
    const settings = createSettings(local)
    settings.setSetting(ORDERLY_CLOSE, null)
    settings.setSetting(BEGIN_ANEW, new Uint8Array(0))
  } finally {
    local.close()
  }
  return network
}

/** After a crash in the middle. Before anything else is opened, or an old log would be taken for that of a new file. */
export function finishMoving(folder: string): void {
  const state = readState(folder)
  const target = state?.folders.at(-1)
  if (state === null || target === undefined || state.moving.length === 0) return
  mkdirSync(join(folder, target), { recursive: true, mode: 0o700 })
  for (const name of state.moving) {
    const to = join(folder, target, name)
    if (existsSync(join(folder, name)) && !existsSync(to)) renameSync(join(folder, name), to)
  }
  writeState(folder, { ...state, moving: [] })
}

function readState(folder: string): Rebuilding | null {
  try {
    const { folders, moving } = JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as Record<string, unknown>
    return { folders: names(folders), moving: names(moving) }
  } catch {
    return null
  }
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((name): name is string => /^[a-z0-9.-]+$/.test(String(name))) : []
}

function writeState(folder: string, state: Rebuilding): void {
  writePrivateFile(join(folder, FILE), Buffer.from(JSON.stringify(state)))
}

function freeName(folder: string): string {
  for (let n = 1; ; n++) if (!existsSync(join(folder, `damaged-${n}`))) return `damaged-${n}`
}

function refuseNewer(folder: string): void {
  for (const name of ['shared', 'local'] as const) {
    const path = join(folder, `${name}.db`)
    if (!existsSync(path)) continue
    try {
      openDatabase({ path, migrations: migrationsFolder(name) }).close()
    } catch (error) {
      if (error instanceof DatabaseNewerError) throw error
    }
  }
}

/** Of a folder from before there were anchors, or that lost it: as its founding entry says. */
function networkIn(folder: string): NetworkId | null {
  const before = readState(folder)?.folders ?? []
  for (const each of ['.', ...before]) {
    const path = join(folder, each, 'shared.db')
    if (!existsSync(path)) continue
    const salvage = openSalvage(path)
    try {
      for (const { values } of salvage.records()) {
        const network = foundingIn(values)
        if (network !== null) return network
      }
    } finally {
      salvage.close()
    }
  }
  return null
}

function openLocal(folder: string): Database {
  return openDatabase({ path: join(folder, 'local.db'), migrations: migrationsFolder('local') })
}

/** SQLite finds nothing wrong, and keys and boxes are what they are named. */
async function isLocalSound(folder: string, network: NetworkId): Promise<boolean> {
  const path = join(folder, 'local.db')
  if (!existsSync(path) || (await checkPages(path)).length > 0) return false
  let local: Database | undefined
  try {
    local = openLocal(folder)
    const rows = [
      ...local.prepare<Record<string, SalvagedValue>>('SELECT audience, key_id, secret FROM audience_secrets').all(),
    ]
    for (const row of rows) if (!audienceKeyProves(network, row.audience, row.key_id, row.secret)) return false
    const boxes = local.prepare<{ hash: Uint8Array; bytes: Uint8Array }>('SELECT hash, bytes FROM boxes')
    for (const { hash, bytes } of boxes.iterate()) if (!equalBytes(blake3(bytes), hash)) return false
    return true
  } catch {
    return false
  } finally {
    local?.close()
  }
}

function takeOverLocal(path: string, to: Database, network: NetworkId): void {
  if (!existsSync(path)) return
  const salvage = openSalvage(path)
  try {
    to.write(() => {
      copyReadable(path, to, COPIED_TABLES)
      for (const { values } of salvage.records()) takeOver(values, to, network)
    })
  } finally {
    salvage.close()
  }
}

function takeOver(values: readonly SalvagedValue[], to: Database, network: NetworkId): void {
  const [first, second, third] = values
  if (first instanceof Uint8Array && second instanceof Uint8Array && first.length === 32 && second.length > 0) {
    if (values.length === 2 && equalBytes(blake3(second), first))
      to.prepare('INSERT OR IGNORE INTO boxes (hash, bytes) VALUES (?, ?)').run(first, second)
  }
  if (values.length >= 3 && audienceKeyProves(network, first, second, third)) {
    to.prepare('INSERT OR IGNORE INTO audience_secrets (audience, key_id, secret) VALUES (?, ?, ?)').run(
      first,
      second,
      third,
    )
  }
}
