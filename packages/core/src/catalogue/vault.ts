/**
 * Bytes that must be gone when they are erased: names, lists, file keys.
 *
 * SQLite's `secure_delete` zeroes what is deleted, but not the copies that balancing leaves behind in pages whose rows
 * were moved. So these rows never move: they are appended in order of rowid (a full last page gets a new neighbour, no
 * row changes page), never deleted, and erased by an update of exactly the same size, which SQLite writes in place.
 * Erased slots are used again. A truncating checkpoint (`scrub.ts`) then clears the write-ahead log.
 */
import type { Database } from '../database/index.ts'

export interface Vault {
  /** @returns the slot */
  put(bytes: Uint8Array): number
  get(slot: number): Uint8Array
  erase(slot: number): void
  /** In place where the size class is the same. @returns the slot where it is now */
  replace(slot: number, bytes: Uint8Array): number
}

/** Slots have few sizes, so that they are used again: a power of two, from this on. */
const SLOT_MIN = 64
const LENGTH_BYTES = 4

export function createVault(db: Database): Vault {
  function sizeFor(length: number): number {
    let size = SLOT_MIN
    while (size < length + LENGTH_BYTES) size *= 2
    return size
  }

  /** Length, bytes, zeros. */
  function filled(bytes: Uint8Array): Uint8Array {
    const whole = new Uint8Array(sizeFor(bytes.length))
    new DataView(whole.buffer).setUint32(0, bytes.length)
    whole.set(bytes, LENGTH_BYTES)
    return whole
  }

  function overwrite(slot: number, whole: Uint8Array): void {
    db.prepare('UPDATE vault SET bytes = ? WHERE slot = ?').run(whole, slot)
  }

  function put(bytes: Uint8Array): number {
    const whole = filled(bytes)
    const free = db.prepare<{ slot: number }>('SELECT slot FROM vault_free WHERE size = ? LIMIT 1').get(whole.length)
    if (free === undefined) return Number(db.prepare('INSERT INTO vault (bytes) VALUES (?)').run(whole).lastInsertRowid)
    db.prepare('DELETE FROM vault_free WHERE size = ? AND slot = ?').run(whole.length, free.slot)
    overwrite(free.slot, whole)
    return free.slot
  }

  function sizeOf(slot: number): number {
    return db.prepare<{ size: number }>('SELECT length(bytes) AS size FROM vault WHERE slot = ?').get(slot)?.size ?? 0
  }

  function erase(slot: number): void {
    const size = sizeOf(slot)
    overwrite(slot, new Uint8Array(size))
    db.prepare('INSERT INTO vault_free (size, slot) VALUES (?, ?)').run(size, slot)
  }

  return {
    put: (bytes) => db.write(() => put(bytes)),
    get(slot) {
      const whole = db.prepare<{ bytes: Uint8Array }>('SELECT bytes FROM vault WHERE slot = ?').get(slot)?.bytes
      return whole === undefined ? new Uint8Array(0) : unfilled(whole)
    },
    erase: (slot) => db.write(() => erase(slot)),
    replace: (slot, bytes) =>
      db.write(() => {
        if (sizeOf(slot) !== sizeFor(bytes.length)) {
          erase(slot)
          return put(bytes)
        }
        overwrite(slot, filled(bytes))
        return slot
      }),
  }
}

/** The bytes in a slot's whole content, without a copy. */
export function unfilled(whole: Uint8Array): Uint8Array {
  const length = new DataView(whole.buffer, whole.byteOffset).getUint32(0)
  return whole.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
}
