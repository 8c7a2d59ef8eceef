/**
 * What the node and its process of previews say to each other. The node: header, then the picture. The process: one byte
 * when it has loaded its decoders; then for each picture, in order, header and preview. Numbers are big-endian.
 */

export interface Request {
  /** bytes of the picture, which follow */
  readonly size: number
  /** bytes that the preview may have */
  readonly most: number
}

export const REQUEST_BYTES = 8
/** Length of the preview, which follows; 0: there is none. */
export const ANSWER_BYTES = 4
export const READY = 0x52
/** Exit code of a process that has no decoders. */
export const NO_DECODERS = 3

export function encodeRequest({ size, most }: Request): Buffer {
  const header = Buffer.alloc(REQUEST_BYTES)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(most, 4)
  return header
}

export function decodeRequest(header: Buffer): Request {
  return { size: header.readUInt32BE(0), most: header.readUInt32BE(4) }
}

export function encodeAnswer(length: number): Buffer {
  const header = Buffer.alloc(ANSWER_BYTES)
  header.writeUInt32BE(length, 0)
  return header
}

/** @returns length of the preview */
export function decodeAnswer(header: Buffer): number {
  return header.readUInt32BE(0)
}
