/**
 * The one place with keys. Audience keys and file keys are in local.db (file keys in its vault, which leaves no trace of
 * what is erased); derived subkeys are cached, bounded, and overwritten when a file is forgotten.
 *
 * The key of a *closed* access epoch is only ever reached through the key of a newer one (`older`), never by unwrapping
 * it anew: a node that gave up a file still has the audience key of its old epochs, and must not use it.
 */
import { type CborValue, decodeCbor, encodeCbor } from '../codec/index.ts'
import { deriveEpochKeys, type EpochKeys, equalBytes, keyIdOf, unwrapFileKey } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type FileId,
  idBytes,
  idFrom,
  type KeyId,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
  publicKeyFromNodeId,
  toHex,
} from '../ids.ts'
import { type AudienceList, listId, listShape, listToCbor } from './audience-list.ts'
import { BOX_MAX, openOlder } from './boxes-format.ts'
import type { SharedReads } from './reads.ts'
import { createVault } from './vault.ts'

export interface KeyringInit {
  db: Database
  network: NetworkId
  reads: Pick<SharedReads, 'epochs'>
  /** sets of subkeys kept derived @default 512 */
  cached?: number
}

export interface HeldAudienceKey {
  readonly audience: AudienceId
  readonly key: KeyId
  readonly secret: Uint8Array
  /** null until the list's box was opened */
  readonly list: AudienceList | null
  /** null until the grants box was opened */
  readonly gone: readonly NodeId[] | null
}

export interface Keyring {
  audienceKey(audience: AudienceId, key: KeyId): HeldAudienceKey | null
  /** False, and nothing kept, when the secret is not the one that the key id commits to. */
  putAudienceKey(audience: AudienceId, key: KeyId, secret: Uint8Array): boolean
  /** Keeps what was read beside a key. */
  note(audience: AudienceId, key: KeyId, facts: { list?: AudienceList; gone?: readonly NodeId[] }): void
  /** Audiences whose list, as read beside some key of theirs, is equal; in order of id. */
  audiencesWith(list: AudienceList): AudienceId[]
  /** One row at a time, in order of id. */
  audienceKeys(): IterableIterator<HeldAudienceKey>
  forgetAudienceKey(audience: AudienceId, key: KeyId): void
  /** Subkeys of an access epoch, from here, from its audience key, or (closed epochs) from the newer epoch's key. */
  fileKey(file: FileId, epoch: number): EpochKeys | null
  putFileKey(file: FileId, epoch: number, secret: Uint8Array): void
  /** Takes back what was put for an entry that was not written after all. */
  forgetEpoch(file: FileId, epoch: number): void
  /** Forgets the file's keys, all or through an epoch. */
  forgetFile(file: FileId, through?: number): void
  /** Remembers a box that was made or opened with an epoch's key. */
  noteBox(file: FileId, epoch: number, hash: BoxHash): void
  /** The boxes made or opened, all or through an epoch. */
  boxesOf(file: FileId, through?: number): BoxHash[]
  forgetBoxes(file: FileId, through?: number): void
  /** The newest access epoch through this one whose key is here, or an audience key that it was wrapped with. */
  newestHeld(file: FileId, through: number): number | null
  /** The newest access epoch whose key this node gave up on a notice; null when it never did or may read again. */
  gaveUp(file: FileId): number | null
  giveUp(file: FileId, epoch: number): void
  /** Overwrites what is cached. */
  close(): void
}

interface AudienceRow {
  audience: Uint8Array
  key_id: Uint8Array
  secret: Uint8Array
  list: Uint8Array | null
  list_id: Uint8Array | null
  gone: Uint8Array | null
}

/** Lists kept decoded; some 6 MB of them with 1,000 branches each. */
const LISTS_MAX = 64
const ALL_EPOCHS = Number.MAX_SAFE_INTEGER
/** Steps back from epoch to epoch in one call; more epochs than one file will ever have. */
const CHAIN_MAX = 65_536

/** Whether these are an audience, the id of one of its keys, and that very key. */
export function audienceKeyProves(network: NetworkId, audience: unknown, keyId: unknown, secret: unknown): boolean {
  if (!isBytes(audience, 16) || !isBytes(secret, 32) || !(keyId instanceof Uint8Array)) return false
  return equalBytes(idBytes(keyIdOf(network, idFrom<AudienceId>(audience), secret)), keyId)
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length
}

export function createKeyring(init: KeyringInit): Keyring {
  const { db, network, reads } = init
  const cached = init.cached ?? 512
  const cache = new Map<string, EpochKeys>()
  /** by their id, the longest unused first */
  const lists = new Map<string, AudienceList>()
  const vault = createVault(db)

  /** A list of a thousand branches takes most of a millisecond to decode, many look at a key without it, and keys share it. */
  function listIn({ list, list_id: id }: AudienceRow): AudienceList | null {
    if (list === null || id === null) return null
    const name = toHex(id)
    const known = lists.get(name) ?? listShape(decodeCbor(list, BOX_MAX))
    lists.delete(name)
    lists.set(name, known)
    const oldest = lists.keys().next()
    if (lists.size > LISTS_MAX && !oldest.done) lists.delete(oldest.value)
    return known
  }

  function held(row: AudienceRow): HeldAudienceKey {
    return {
      audience: idFrom<AudienceId>(row.audience),
      key: idFrom<KeyId>(row.key_id),
      secret: row.secret,
      get list() {
        return listIn(row)
      },
      gone: row.gone === null ? null : splitNodes(row.gone),
    }
  }

  function audienceKey(audience: AudienceId, key: KeyId): HeldAudienceKey | null {
    const row = db
      .prepare<AudienceRow>('SELECT * FROM audience_secrets WHERE audience = ? AND key_id = ?')
      .get(idBytes(audience), idBytes(key))
    return row === undefined ? null : held(row)
  }

  function hasAudienceKey(audience: AudienceId, key: KeyId): boolean {
    const sql = 'SELECT 1 FROM audience_secrets WHERE audience = ? AND key_id = ?'
    return db.prepare(sql).get(idBytes(audience), idBytes(key)) !== undefined
  }

  function remember(keys: EpochKeys): EpochKeys {
    const name = cacheName(keys.file, keys.epoch)
    cache.delete(name)
    cache.set(name, keys)
    if (cache.size > cached) {
      // not overwritten: whoever asked for it may still be reading
      const oldest = cache.keys().next()
      if (!oldest.done) cache.delete(oldest.value)
    }
    return keys
  }

  function stored(file: FileId, epoch: number): EpochKeys | null {
    const name = cacheName(file, epoch)
    const known = cache.get(name)
    if (known !== undefined) return remember(known)
    const row = db
      .prepare<{ slot: number }>('SELECT slot FROM file_secrets WHERE file = ? AND epoch = ?')
      .get(idBytes(file), epoch)
    return row === undefined
      ? null
      : remember(deriveEpochKeys(network, file, epoch, Uint8Array.from(vault.get(row.slot))))
  }

  function putFileKey(file: FileId, epoch: number, secret: Uint8Array): void {
    const where = [idBytes(file), epoch] as const
    db.write(() => {
      eraseFileKeys('file = ? AND epoch = ?', ...where)
      db.prepare('INSERT INTO file_secrets (file, epoch, slot) VALUES (?, ?, ?)').run(...where, vault.put(secret))
    })
    cache.delete(cacheName(file, epoch))
  }

  function eraseFileKeys(where: string, ...values: unknown[]): void {
    for (const { slot } of db
      .prepare<{ slot: number }>(`SELECT slot FROM file_secrets WHERE ${where}`)
      .all(...values)) {
      vault.erase(slot)
    }
    db.prepare(`DELETE FROM file_secrets WHERE ${where}`).run(...values)
  }

  /** Kept only when it is the key whose proof key the entry names: an owner cannot show two readers two keys. */
  function adopt(file: FileId, epoch: number, secret: Uint8Array, proof: Uint8Array): EpochKeys | null {
    const keys = deriveEpochKeys(network, file, epoch, Uint8Array.from(secret))
    if (!equalBytes(keys.proof.publicKey, proof)) return null
    putFileKey(file, epoch, secret)
    return remember(keys)
  }

  function fileKey(file: FileId, epoch: number): EpochKeys | null {
    const here = stored(file, epoch)
    if (here !== null) return here
    const rows = [...reads.epochs(file)].filter((row) => row.epoch >= epoch).sort((a, b) => b.epoch - a.epoch)
    const newest = rows[0]
    if (newest === undefined) return null
    let keys: EpochKeys | null = null
    for (const [step, row] of rows.entries()) {
      if (step >= CHAIN_MAX) return null
      const newer: EpochKeys | null = keys
      keys = stored(file, row.epoch)
      if (keys !== null) continue
      if (row === newest && !row.closed) keys = unwrapped(file, row)
      else if (newer !== null) keys = throughNewer(file, row, newer, rows[step - 1]?.older ?? null)
    }
    return keys?.epoch === epoch ? keys : null
  }

  function unwrapped(file: FileId, row: ReturnType<SharedReads['epochs']>[number]): EpochKeys | null {
    const wrapping = audienceKey(row.audience, row.key)
    if (wrapping === null) return null
    try {
      const secret = unwrapFileKey(network, wrapping.secret, file, row.epoch, row.wrap)
      const keys = adopt(file, row.epoch, secret, row.proof)
      if (keys !== null) db.prepare('DELETE FROM given_up WHERE file = ?').run(idBytes(file))
      return keys
    } catch {
      return null // a wrap that does not open is its owner's fault; the file stays hidden
    } finally {
      wrapping.secret.fill(0)
    }
  }

  function throughNewer(
    file: FileId,
    row: { epoch: number; proof: Uint8Array },
    newer: EpochKeys,
    older: Uint8Array | null,
  ): EpochKeys | null {
    if (older === null || newer.epoch !== row.epoch + 1) return null
    try {
      const opened = openOlder(newer, older)
      return opened.epoch === row.epoch ? adopt(file, row.epoch, opened.key, row.proof) : null
    } catch {
      return null
    }
  }

  function wipe(keys: EpochKeys): void {
    keys.fileKey.fill(0)
    keys.nonce.fill(0)
    keys.proof.seed.fill(0)
  }

  return {
    audienceKey,
    putAudienceKey(audience, key, secret) {
      if (secret.length !== 32 || keyIdOf(network, audience, secret) !== key) return false
      db.prepare('INSERT OR IGNORE INTO audience_secrets (audience, key_id, secret) VALUES (?, ?, ?)').run(
        idBytes(audience),
        idBytes(key),
        secret,
      )
      return true
    },
    note(audience, key, { list, gone }) {
      const where = [idBytes(audience), idBytes(key)]
      if (list !== undefined) {
        db.prepare('UPDATE audience_secrets SET list = ?, list_id = ? WHERE audience = ? AND key_id = ?').run(
          encodeCbor(listToCbor(list) as CborValue),
          listId(list),
          ...where,
        )
      }
      if (gone !== undefined) {
        db.prepare('UPDATE audience_secrets SET gone = ? WHERE audience = ? AND key_id = ?').run(
          Buffer.concat(gone.map(publicKeyFromNodeId)),
          ...where,
        )
      }
    },
    audiencesWith(list) {
      const rows = db
        .prepare<{ audience: Uint8Array }>(
          'SELECT DISTINCT audience FROM audience_secrets WHERE list_id = ? ORDER BY audience',
        )
        .all(listId(list))
      return rows.map((row) => idFrom<AudienceId>(row.audience))
    },
    *audienceKeys() {
      // paged by hand: an open cursor would block writes on the same connection
      let after: AudienceRow | undefined
      for (;;) {
        const rows: AudienceRow[] = db
          .prepare<AudienceRow>(
            'SELECT * FROM audience_secrets WHERE (audience, key_id) > (?, ?) ORDER BY audience, key_id LIMIT 256',
          )
          .all(after?.audience ?? new Uint8Array(0), after?.key_id ?? new Uint8Array(0))
        for (const row of rows) yield held(row)
        after = rows.at(-1)
        if (after === undefined) return
      }
    },
    forgetAudienceKey(audience, key) {
      db.prepare('DELETE FROM audience_secrets WHERE audience = ? AND key_id = ?').run(idBytes(audience), idBytes(key))
    },
    fileKey,
    putFileKey,
    forgetEpoch(file, epoch) {
      db.write(() => eraseFileKeys('file = ? AND epoch = ?', idBytes(file), epoch))
      cache.delete(cacheName(file, epoch))
    },
    forgetFile(file, through = ALL_EPOCHS) {
      db.write(() => eraseFileKeys('file = ? AND epoch <= ?', idBytes(file), through))
      for (const [name, keys] of cache) {
        if (keys.file !== file || keys.epoch > through) continue
        cache.delete(name)
        wipe(keys)
      }
    },
    noteBox(file, epoch, hash) {
      db.prepare('INSERT OR IGNORE INTO file_boxes (file, epoch, hash) VALUES (?, ?, ?)').run(
        idBytes(file),
        epoch,
        idBytes(hash),
      )
    },
    boxesOf(file, through = ALL_EPOCHS) {
      const rows = db
        .prepare<{ hash: Uint8Array }>('SELECT hash FROM file_boxes WHERE file = ? AND epoch <= ?')
        .all(idBytes(file), through)
      return rows.map((row) => idFrom<BoxHash>(row.hash))
    },
    forgetBoxes(file, through = ALL_EPOCHS) {
      db.prepare('DELETE FROM file_boxes WHERE file = ? AND epoch <= ?').run(idBytes(file), through)
    },
    newestHeld(file, through) {
      const here = db
        .prepare<{ epoch: number | null }>('SELECT max(epoch) AS epoch FROM file_secrets WHERE file = ? AND epoch <= ?')
        .get(idBytes(file), through)?.epoch
      const rows = reads.epochs(file).filter(({ epoch }) => epoch <= through && epoch > (here ?? 0))
      const wrapped = rows.sort((a, b) => b.epoch - a.epoch).find((row) => hasAudienceKey(row.audience, row.key))
      return wrapped?.epoch ?? here ?? null
    },
    gaveUp(file) {
      const row = db.prepare<{ epoch: number }>('SELECT epoch FROM given_up WHERE file = ?').get(idBytes(file))
      return row?.epoch ?? null
    },
    giveUp(file, epoch) {
      db.prepare(
        'INSERT INTO given_up (file, epoch) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET epoch = max(epoch, excluded.epoch)',
      ).run(idBytes(file), epoch)
    },
    close() {
      for (const keys of cache.values()) wipe(keys)
      cache.clear()
    },
  }
}

function cacheName(file: FileId, epoch: number): string {
  return `${file}/${epoch}`
}

function splitNodes(bytes: Uint8Array): NodeId[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => nodeIdFromPublicKey(bytes.subarray(i * 32, i * 32 + 32)))
}
