/** BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020), hash and keyed hash of 32 bytes; plain and slow. */

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
const [CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED] = [1, 2, 4, 8, 16]
const [CHUNK_BYTES, BLOCK_BYTES] = [1024, 64]

type Words = readonly number[]

/** What is left to compress once it is known whether it is the root. */
interface Node {
  readonly chaining: Words
  readonly block: Words
  readonly counter: number
  readonly length: number
  readonly flags: number
}

function compress({ chaining, block, counter, length, flags }: Node): number[] {
  const state = [...chaining, ...IV.slice(0, 4), counter >>> 0, Math.floor(counter / 2 ** 32), length, flags]
  const word = (at: number) => state[at] ?? 0
  const turn = (value: number, by: number) => (value >>> by) | (value << (32 - by))
  const mix = (a: number, b: number, c: number, d: number, x: number, y: number) => {
    state[a] = (word(a) + word(b) + x) | 0
    state[d] = turn(word(d) ^ word(a), 16)
    state[c] = (word(c) + word(d)) | 0
    state[b] = turn(word(b) ^ word(c), 12)
    state[a] = (word(a) + word(b) + y) | 0
    state[d] = turn(word(d) ^ word(a), 8)
    state[c] = (word(c) + word(d)) | 0
    state[b] = turn(word(b) ^ word(c), 7)
  }
  let words = block
  for (let round = 0; round < 7; round++) {
    const w = (at: number) => words[at] ?? 0
    mix(0, 4, 8, 12, w(0), w(1))
    mix(1, 5, 9, 13, w(2), w(3))
    mix(2, 6, 10, 14, w(4), w(5))
    mix(3, 7, 11, 15, w(6), w(7))
    mix(0, 5, 10, 15, w(8), w(9))
    mix(1, 6, 11, 12, w(10), w(11))
    mix(2, 7, 8, 13, w(12), w(13))
    mix(3, 4, 9, 14, w(14), w(15))
    words = PERMUTATION.map(w)
  }
  return Array.from({ length: 8 }, (_, at) => (word(at) ^ word(at + 8)) >>> 0)
}

function wordsOf(bytes: Uint8Array): number[] {
  const padded = new Uint8Array(BLOCK_BYTES)
  padded.set(bytes)
  const view = new DataView(padded.buffer)
  return Array.from({ length: 16 }, (_, at) => view.getUint32(at * 4, true))
}

function chunkNode(key: Words, flags: number, bytes: Uint8Array, counter: number): Node {
  let chaining = key
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK_BYTES))
  for (let at = 0; ; at++) {
    const part = bytes.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES)
    const isLast = at === blocks - 1
    const own = flags | (at === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END : 0)
    const node = { chaining, block: wordsOf(part), counter, length: part.length, flags: own }
    if (isLast) return node
    chaining = compress(node)
  }
}

/** The left side of a tree is the largest power of two of chunks that leaves something for the right. */
function treeNode(key: Words, flags: number, bytes: Uint8Array, counter: number): Node {
  if (bytes.length <= CHUNK_BYTES) return chunkNode(key, flags, bytes, counter)
  let left = 1
  while (left * 2 * CHUNK_BYTES < bytes.length) left *= 2
  const cut = left * CHUNK_BYTES
  const children = [
    ...compress(treeNode(key, flags, bytes.subarray(0, cut), counter)),
    ...compress(treeNode(key, flags, bytes.subarray(cut), counter + left)),
  ]
  return { chaining: key, block: children, counter: 0, length: BLOCK_BYTES, flags: flags | PARENT }
}

export function blake3(bytes: Uint8Array, key?: Uint8Array): Uint8Array {
  const flags = key === undefined ? 0 : KEYED
  const node = treeNode(key === undefined ? IV : wordsOf(key).slice(0, 8), flags, bytes, 0)
  const result = new Uint8Array(32)
  const view = new DataView(result.buffer)
  for (const [at, word] of compress({ ...node, flags: node.flags | ROOT }).entries()) view.setUint32(at * 4, word, true)
  return result
}
