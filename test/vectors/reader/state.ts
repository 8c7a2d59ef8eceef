/** state-digest.md, once more: rows, elements, and the hash of their set. */
import { hash } from 'node:crypto'
import { bytesOf, concat, domain, encode, hex, sha256, type Value } from './bytes.ts'

/** A row as JSON: the table's name and its columns in order; bytes are told from text by being wrapped. */
export type JsonRow = readonly JsonCell[]
type JsonCell = string | number | boolean | null | { readonly bytes: string } | readonly JsonCell[]

export function elementOf(network: string, row: JsonRow): Uint8Array {
  return concat(domain('state-row', network), encode(row.map(cellValue)))
}

function cellValue(cell: JsonCell): Value {
  if (typeof cell !== 'object' || cell === null) return cell
  return 'bytes' in cell ? bytesOf(cell.bytes) : cell.map(cellValue)
}

/** LtHash16: 1,024 lanes of 16 bits, little-endian, over SHAKE128; then SHA-256. */
export function setHash(elements: readonly Uint8Array[]): string {
  const lanes = new Uint16Array(1024)
  for (const element of elements) {
    const stream = hash('shake128', element, { outputEncoding: 'buffer', outputLength: 2048 })
    for (let lane = 0; lane < 1024; lane++) lanes[lane] = (lanes[lane] ?? 0) + stream.readUInt16LE(lane * 2)
  }
  const bytes = new Uint8Array(2048)
  const view = new DataView(bytes.buffer)
  for (const [lane, value] of lanes.entries()) view.setUint16(lane * 2, value, true)
  return hex(sha256(bytes))
}
