/**
 * Memory of chunks, given back by hand. Chunks are mebibytes outside of the JavaScript heap; left to the collector, each
 * 30 MiB or so of them cost a full collection of a heap that holds none of them, which is most of what moving a file takes.
 * And some is kept for the next chunk: of memory fresh from the system each page is a fault, dearer than what is done with it.
 * @module @malote/core/release
 */

/** Smaller ones may share their memory with others (`Buffer.poolSize`), and are no burden. */
const LEAST_BYTES = 16 * 1024
/** What a view may leave out of its memory: the header of a frame. */
const MARGIN_BYTES = 64
/** Chunks, whole ones and what is left at the end of a file, are given memory in steps of this size. */
const STEP_BYTES = 64 * 1024
/** From this size on memory is kept, */
const KEPT_FROM_BYTES = 512 * 1024
/** so much of it in all: as many as are in hand at one time while a file comes or goes. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024

/** Of ours, how much was asked for: the rest belongs to nobody. */
const asked = new WeakMap<ArrayBuffer, number>()
/** oldest first */
const kept: ArrayBuffer[] = []
let keptBytes = 0

/** Memory for a chunk, with whatever lies in it: to be overwritten whole, and given back with `release`. */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes < KEPT_FROM_BYTES) return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
  const at = kept.findLastIndex((each) => each.byteLength === size)
  const buffer = (at < 0 ? undefined : takeOut(at)) ?? Buffer.allocUnsafeSlow(size).buffer
  asked.set(buffer, bytes)
  return new Uint8Array(buffer, 0, bytes)
}

/**
 * Gives back the memory behind the bytes at once, where they are all that is in it. Whoever looks at them afterwards finds
 * none (a detached ArrayBuffer, ECMA-262 25.1.3.4), never other bytes. Not while a system call still uses them.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (!(buffer instanceof ArrayBuffer)) return
  const ours = asked.get(buffer)
  if (bytes.length < LEAST_BYTES || (ours ?? buffer.byteLength) - bytes.length > MARGIN_BYTES) return
  if (ours === undefined) buffer.transfer(0)
  else keep(buffer.transfer()) // the same memory in another object: what points to the old one finds it empty
}

function keep(buffer: ArrayBuffer): void {
  while (kept.length > 0 && keptBytes + buffer.byteLength > MAX_KEPT_BYTES) takeOut(0)?.transfer(0)
  if (buffer.byteLength > MAX_KEPT_BYTES) return void buffer.transfer(0)
  kept.push(buffer)
  keptBytes += buffer.byteLength
}

function takeOut(at: number): ArrayBuffer | undefined {
  const [buffer] = kept.splice(at, 1)
  keptBytes -= buffer?.byteLength ?? 0
  return buffer
}
