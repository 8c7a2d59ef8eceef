/**
 * Memory given back by hand. Chunks are mebibytes outside of the JavaScript heap; left to the collector, each 30 MiB or
 * so of them cost a full collection of a heap that holds none of them, which is most of what moving a file takes.
 */

/** Smaller ones may share their memory with others (`Buffer.poolSize`), and are no burden. */
const LEAST_BYTES = 16 * 1024
/** What a view may leave out of its memory: the header of a frame. */
const MARGIN_BYTES = 64

/**
 * Frees the memory behind the bytes at once, where they are all that is in it. Whoever looks at them afterwards finds
 * none (a detached ArrayBuffer, ECMA-262 25.1.3.4), never other bytes. Not while a system call still uses them.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (bytes.length < LEAST_BYTES || buffer.byteLength - bytes.length > MARGIN_BYTES) return
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
