/** The key that refs are made with: of this folder alone, from the first ref on. */
import { asBuffer } from '../crypto/index.ts'
import { type Database, DatabaseDamagedError } from '../database/index.ts'
import { systemRandom } from '../random.ts'
import { createShortHash, SHORT_SECRET_BYTES } from './short-hash.ts'

export interface RefSecret {
  /** What stands for a hash; makes the key where there is none. */
  short(hash: Uint8Array): number
  /** undefined where there is no key, so that no ref can be there. @throws {DatabaseDamagedError} */
  find(hash: Uint8Array): number | undefined
  /** null for none, or none that could be used */
  bytes(): Uint8Array | null
  /** Whether the one in use is also the one on disk. */
  isKept(): boolean
  /** Forgets what is in memory. */
  reload(): void
}

export function createRefSecret(db: Database): RefSecret {
  let inUse: { readonly bytes: Uint8Array; readonly hash: (hash: Uint8Array) => number } | undefined

  function onDisk(): Uint8Array | null {
    const found = db.prepare<{ secret: Uint8Array }>('SELECT secret FROM refs_secret').get()?.secret
    return found === undefined ? null : new Uint8Array(found)
  }

  function use(bytes: Uint8Array): (hash: Uint8Array) => number {
    inUse = { bytes, hash: createShortHash(bytes) }
    return inUse.hash
  }

  function findHash(): ((hash: Uint8Array) => number) | undefined {
    if (inUse !== undefined) return inUse.hash
    const known = onDisk()
    if (known === null) return undefined
    if (!isUsable(known)) throw new DatabaseDamagedError(db.path, new Error('refs_secret'))
    return use(known)
  }

  return {
    short(hash) {
      const known = findHash()
      if (known !== undefined) return known(hash)
      const secret = systemRandom.bytes(SHORT_SECRET_BYTES)
      db.prepare('INSERT INTO refs_secret (id, secret) VALUES (1, ?)').run(secret)
      return use(secret)(hash)
    },
    find: (hash) => findHash()?.(hash),
    bytes() {
      const found = inUse?.bytes ?? onDisk()
      return found !== null && isUsable(found) ? found : null
    },
    isKept() {
      const kept = onDisk()
      return kept !== null && isUsable(kept) && (inUse === undefined || asBuffer(kept).equals(inUse.bytes))
    },
    reload() {
      inUse = undefined
    },
  }
}

function isUsable(secret: Uint8Array): boolean {
  return secret.length === SHORT_SECRET_BYTES
}
