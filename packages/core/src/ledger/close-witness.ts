/**
 * What the copy of a data folder does not carry, so that an orderly close can be told from its copy: the machine and
 * the inode of the database, and a nonce in memory that no disk holds and no boot survives. Decision 0014.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { equalBytes, sha256 } from '../crypto/index.ts'
import { toHex } from '../ids.ts'

export const NONCE_BYTES = 16
const BOOT_BYTES = 32
/** Folders of one user that may be closed at a time; of more the oldest lose their nonce, and ask their peers. */
const MAX_NONCES = 256
/** A file system in memory that every Linux has; elsewhere no close counts as orderly. */
const MEMORY = '/dev/shm'

export interface CloseWitness {
  /** 32 bytes that tell this folder from a copy of it; null when nothing does */
  folder(): Uint8Array | null
  /** Takes away what the last orderly close of this boot has left; null when there was none. */
  take(): Uint8Array | null
  /** @returns false where there is no such place */
  leave(nonce: Uint8Array): boolean
}

/** @param init.memory a folder that no disk holds @default /dev/shm */
export function createCloseWitness(init: {
  databasePath: string
  memory?: string
  bootId?: () => string
}): CloseWitness {
  const { memory = MEMORY, bootId = kernelBootId } = init
  const folder = () => folderIdOf(init.databasePath)

  /** Ours alone: others may write to the folder around it. */
  function place(): { folder: string; path: string } | null {
    const uid = process.getuid?.()
    const id = folder()
    if (uid === undefined || id === null) return null
    const own = join(memory, `malote-${uid}`)
    try {
      lstatSync(memory)
      mkdirSync(own, { recursive: true, mode: 0o700 })
      const stat = lstatSync(own)
      if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) return null
      return { folder: own, path: join(own, toHex(id)) }
    } catch {
      return null
    }
  }

  return {
    folder,
    take() {
      const at = place()
      if (at === null) return null
      try {
        const bytes = readSmall(at.path)
        // what cannot be removed could be found again by a copy of this state
        rmSync(at.path)
        const boot = sha256(new TextEncoder().encode(bootId()))
        return bytes !== null && equalBytes(bytes.subarray(0, BOOT_BYTES), boot) ? bytes.slice(BOOT_BYTES) : null
      } catch {
        return null
      }
    },
    leave(nonce) {
      const at = place()
      if (at === null) return false
      try {
        const boot = sha256(new TextEncoder().encode(bootId()))
        rmSync(at.path, { force: true })
        prune(at.folder)
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
        const file = openSync(at.path, flags, 0o600)
        try {
          return writeSync(file, Buffer.concat([boot, nonce])) === BOOT_BYTES + NONCE_BYTES
        } finally {
          closeSync(file)
        }
      } catch {
        return false
      }
    },
  }
}

/** @returns null for anything but a file of exactly our size */
function readSmall(path: string): Uint8Array | null {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const size = BOOT_BYTES + NONCE_BYTES
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size !== size) return null
    const bytes = new Uint8Array(size)
    return readSync(file, bytes) === size ? bytes : null
  } finally {
    closeSync(file)
  }
}

function prune(folder: string): void {
  const names = readdirSync(folder)
  if (names.length < MAX_NONCES) return
  const aged = names.map((name) => ({ path: join(folder, name), at: lstatSync(join(folder, name)).mtimeMs }))
  aged.sort((a, b) => a.at - b.at)
  for (const { path } of aged.slice(0, names.length - MAX_NONCES + 1)) rmSync(path, { force: true })
}

/**
 * The inode of the database and the machine's id (machine-id(5); its name where there is none). 32 bytes; null for a
 * database that is no file.
 */
function folderIdOf(databasePath: string): Uint8Array | null {
  try {
    const { ino } = statSync(databasePath, { bigint: true })
    return sha256(new TextEncoder().encode(`${machineId()}\0${ino}`))
  } catch {
    return null
  }
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return hostname()
  }
}

function kernelBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
