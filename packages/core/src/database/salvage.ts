/**
 * Reads records out of an SQLite file that SQLite itself may refuse: every page by itself, without the tree above it,
 * and without trust. Whoever uses it must be able to tell a record by what it says. The format (sqlite.org/fileformat2)
 * has been the same since 2004. Spec: docs/specs/repair.md, "Rebuild".
 *
 * Of the write-ahead log only committed frames count, as SQLite would: same salts, valid checksums, up to the last commit.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Database } from './open.ts'

export type SalvagedValue = null | number | string | Uint8Array

export interface SalvagedRecord {
  /** where it stands, for `at` */
  readonly place: number
  /** of a table's row; 0 for records of indexes and of tables without row ids */
  readonly rowid: number
  readonly values: readonly SalvagedValue[]
}

export interface Salvage {
  /** Whatever on any page looks like a record, by page. */
  records(): Generator<SalvagedRecord>
  at(place: number): SalvagedRecord | undefined
  close(): void
}

const TABLE_LEAF = 13
const INDEX_LEAF = 10
const INDEX_INNER = 2
const DEFAULT_PAGE = 4096
/** Far more than any row of ours. */
const PAYLOAD_MAX = 1024 * 1024
const COLUMNS_MAX = 64
const CELLS_PER_PAGE = 65_536
const WAL_HEADER = 32
const FRAME_HEADER = 24

/** @throws the system's error when the file cannot be opened */
export function openSalvage(path: string): Salvage {
  const file = openSync(path, 'r')
  const pages = pagesOf(file, path)

  function read(place: number, page: Buffer): SalvagedRecord | undefined {
    const number = Math.floor(place / CELLS_PER_PAGE)
    const head = number === 1 ? 100 : 0
    const type = page[head] ?? 0
    if (type !== TABLE_LEAF && type !== INDEX_LEAF && type !== INDEX_INNER) return undefined
    const pointers = head + (type === INDEX_INNER ? 12 : 8)
    const pointer = pointers + (place % CELLS_PER_PAGE) * 2
    if (pointer + 2 > page.length) return undefined
    const cell = page.readUInt16BE(pointer)
    const payload = payloadAt(page, type, cell)
    const values = payload === undefined ? undefined : valuesOf(payload.bytes)
    return payload === undefined || values === undefined ? undefined : { place, rowid: payload.rowid, values }
  }

  function payloadAt(page: Buffer, type: number, cell: number): { rowid: number; bytes: Buffer } | undefined {
    const size = varint(page, type === INDEX_INNER ? cell + 4 : cell)
    if (size === undefined || size.value > PAYLOAD_MAX) return undefined
    const row = type === TABLE_LEAF ? varint(page, size.end) : { value: 0, end: size.end }
    if (row === undefined) return undefined
    const { usable } = pages
    const most = type === TABLE_LEAF ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23
    const least = Math.floor(((usable - 12) * 32) / 255) - 23
    const spilt = least + ((size.value - least) % (usable - 4))
    const local = size.value <= most ? size.value : spilt <= most ? spilt : least
    if (row.end + local > page.length) return undefined
    const parts = [page.subarray(row.end, row.end + local)]
    let left = size.value - local
    if (left > 0 && row.end + local + 4 > page.length) return undefined
    let next = left > 0 ? page.readUInt32BE(row.end + local) : 0
    const visited = new Set<number>()
    while (left > 0) {
      const overflow = visited.has(next) ? undefined : pages.read(next)
      if (overflow === undefined) return undefined
      visited.add(next)
      const part = overflow.subarray(4, Math.min(usable, 4 + left))
      parts.push(part)
      left -= part.length
      next = overflow.readUInt32BE(0)
    }
    return { rowid: row.value, bytes: Buffer.concat(parts) }
  }

  return {
    *records() {
      for (let number = 1; number <= pages.count; number++) {
        const page = pages.read(number)
        if (page === undefined) continue
        const head = number === 1 ? 100 : 0
        const cells = page.length < head + 8 ? 0 : page.readUInt16BE(head + 3)
        for (let cell = 0; cell < Math.min(cells, page.length / 4); cell++) {
          const record = read(number * CELLS_PER_PAGE + cell, page)
          if (record !== undefined) yield record
        }
      }
    },
    at(place) {
      const page = pages.read(Math.floor(place / CELLS_PER_PAGE))
      return page === undefined ? undefined : read(place, page)
    },
    close() {
      closeSync(file)
      pages.close()
    },
  }
}

interface Pages {
  readonly count: number
  /** bytes of a page that are used */
  readonly usable: number
  read(number: number): Buffer | undefined
  close(): void
}

function pagesOf(file: number, path: string): Pages {
  const header = readAt(file, 0, 100)
  const stated = header.length < 18 ? 0 : header.readUInt16BE(16)
  const fromHeader = stated === 1 ? 65_536 : stated
  const isPower = fromHeader >= 512 && (fromHeader & (fromHeader - 1)) === 0
  const log = openLog(`${path}-wal`)
  const size = log?.pageSize ?? (isPower ? fromHeader : DEFAULT_PAGE)
  const reserved = header[20] ?? 0
  const inFile = Math.ceil(fstatSync(file).size / size)
  return {
    count: Math.max(inFile, log?.highest ?? 0),
    usable: reserved <= 64 ? size - reserved : size,
    read(number) {
      if (number < 1) return undefined
      const logged = log?.frames.get(number)
      if (log !== null && logged !== undefined) return readAt(log.file, logged, size)
      if (number > inFile) return undefined
      const page = readAt(file, (number - 1) * size, size)
      return page.length < size ? Buffer.concat([page, Buffer.alloc(size - page.length)]) : page
    },
    close() {
      if (log !== null) closeSync(log.file)
    },
  }
}

interface Log {
  readonly file: number
  readonly pageSize: number
  /** newest committed image of each page: where it stands in the log */
  readonly frames: ReadonlyMap<number, number>
  readonly highest: number
}

function openLog(path: string): Log | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  const header = readAt(file, 0, WAL_HEADER)
  const magic = header.length < WAL_HEADER ? 0 : header.readUInt32BE(0)
  const pageSize = header.length < WAL_HEADER ? 0 : header.readUInt32BE(8)
  if ((magic & 0xfffffffe) >>> 0 !== 0x377f0682 || pageSize < 512 || pageSize > 65_536) {
    closeSync(file)
    return null
  }
  const sum = checksum((magic & 1) === 1)
  sum.add(header.subarray(0, 24))
  const frames = new Map<number, number>()
  const pending = new Map<number, number>()
  const salts = header.subarray(16, 24)
  for (let at = WAL_HEADER; sum.is(header, 24) || at > WAL_HEADER; at += FRAME_HEADER + pageSize) {
    const frame = readAt(file, at, FRAME_HEADER + pageSize)
    if (frame.length < FRAME_HEADER + pageSize || !frame.subarray(8, 16).equals(salts)) break
    sum.add(frame.subarray(0, 8))
    sum.add(frame.subarray(FRAME_HEADER))
    if (!sum.is(frame, 16)) break
    pending.set(frame.readUInt32BE(0), at + FRAME_HEADER)
    if (frame.readUInt32BE(4) === 0) continue
    for (const [page, offset] of pending) frames.set(page, offset)
    pending.clear()
  }
  return { file, pageSize, frames, highest: Math.max(0, ...frames.keys()) }
}

/** The log's running checksum. */
function checksum(bigEndian: boolean) {
  let [a, b] = [0, 0]
  return {
    add(bytes: Buffer) {
      for (let at = 0; at + 8 <= bytes.length; at += 8) {
        a = (a + (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + b) >>> 0
        b = (b + (bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + a) >>> 0
      }
    },
    is: (bytes: Buffer, at: number) => bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b,
  }
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  let read = 0
  while (read < length) {
    const more = readSync(file, buffer, read, length - read, position + read)
    if (more === 0) break
    read += more
  }
  return buffer.subarray(0, read)
}

/** Big-endian base 128, at most nine bytes; larger than 2^53 is nothing of ours. */
function varint(bytes: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0
  for (let at = start; at < start + 8; at++) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    value = value * 128 + (byte & 127)
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    if (byte < 128) return { value, end: at + 1 }
  }
  return undefined
}

function valuesOf(payload: Buffer): SalvagedValue[] | undefined {
  const head = varint(payload, 0)
  if (head === undefined || head.value > payload.length) return undefined
  const values: SalvagedValue[] = []
  let body = head.value
  for (let at = head.end; at < head.value; ) {
    const type = varint(payload, at)
    if (type === undefined || values.length >= COLUMNS_MAX) return undefined
    at = type.end
    const size = sizeOf(type.value)
    if (size === undefined || body + size > payload.length) return undefined
    values.push(decoded(type.value, payload.subarray(body, body + size)))
    body += size
  }
  return values
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]

function sizeOf(type: number): number | undefined {
  return type >= 12 ? Math.floor((type - 12) / 2) : INTEGER_BYTES[type]
}

function decoded(type: number, bytes: Buffer): SalvagedValue {
  if (type === 0) return null
  if (type === 7) return bytes.readDoubleBE(0)
  if (type === 6) return Number(bytes.readBigInt64BE(0))
  if (type < 7) return bytes.readIntBE(0, bytes.length)
  if (type < 12) return type - 8
  return type % 2 === 1 ? bytes.toString('utf8') : new Uint8Array(bytes)
}

/**
 * Copies what SQLite can still read of these tables, each as far as it goes, into tables of the same name.
 * @returns rows copied
 */
export function copyReadable(path: string, to: Database, tables: readonly string[]): number {
  let copied = 0
  let from: Sqlite.Database | undefined
  try {
    from = new Sqlite(path, { readonly: true, fileMustExist: true })
    for (const table of tables) copied += copyTable(from, to, table)
  } catch {
    // not even its header can be read: there is nothing to copy
  } finally {
    from?.close()
  }
  return copied
}

function copyTable(from: Sqlite.Database, to: Database, table: string): number {
  let copied = 0
  const known = new Set(
    to
      .prepare<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => name),
  )
  try {
    for (const row of from.prepare(`SELECT * FROM ${table}`).iterate() as Iterable<Record<string, unknown>>) {
      const columns = Object.keys(row).filter((column) => known.has(column))
      const holes = columns.map(() => '?').join(', ')
      const insert = to.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${holes})`)
      try {
        copied += insert.run(...columns.map((column) => row[column])).changes
      } catch {
        // a value that its column does not take is no value of ours
      }
    }
  } catch {
    // the rest of the table cannot be read
  }
  return copied
}
