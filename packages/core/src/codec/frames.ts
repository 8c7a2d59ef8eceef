/**
 * Length-prefixed frames: a 4-byte big-endian length, then that many bytes. The length is checked against the limit
 * before anything is allocated, and what arrives is kept as the pieces it came in until a frame is whole.
 */
import { DecodeError } from './errors.ts'

const HEADER = 4

export function encodeFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER + payload.length)
  new DataView(frame.buffer).setUint32(0, payload.length)
  frame.set(payload, HEADER)
  return frame
}

/** The header alone, for a payload that is written after it without being copied. */
export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(HEADER)
  new DataView(header.buffer).setUint32(0, length)
  return header
}

export class FrameDecoder {
  readonly #maxBytes: number
  #pieces: Uint8Array[] = []
  #buffered = 0
  #expected: number | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** True between frames: a stream that ends now ended cleanly. */
  get isEmpty(): boolean {
    return this.#buffered === 0 && this.#expected === undefined
  }

  /** @returns the frames that became whole. @throws {DecodeError} when a frame announces more than the limit */
  push(piece: Uint8Array): Uint8Array[] {
    if (piece.length > 0) {
      this.#pieces.push(piece)
      this.#buffered += piece.length
    }
    const frames: Uint8Array[] = []
    for (;;) {
      if (this.#expected === undefined) {
        if (this.#buffered < HEADER) return frames
        const header = this.#take(HEADER)
        this.#expected = new DataView(header.buffer, header.byteOffset, HEADER).getUint32(0)
        if (this.#expected > this.#maxBytes) {
          throw new DecodeError(`frame of ${this.#expected} bytes where at most ${this.#maxBytes} are allowed`)
        }
      }
      if (this.#buffered < this.#expected) return frames
      frames.push(this.#take(this.#expected))
      this.#expected = undefined
    }
  }

  #take(length: number): Uint8Array {
    this.#buffered -= length
    const first = this.#pieces[0]
    if (length === 0) return new Uint8Array(0)
    if (first !== undefined && first.length >= length) {
      if (first.length === length) this.#pieces.shift()
      else this.#pieces[0] = first.subarray(length)
      return first.subarray(0, length)
    }
    const taken = new Uint8Array(length)
    let filled = 0
    let used = 0
    while (filled < length) {
      const piece = this.#pieces[used] as Uint8Array
      const part = Math.min(piece.length, length - filled)
      taken.set(part === piece.length ? piece : piece.subarray(0, part), filled)
      filled += part
      if (part === piece.length) used += 1
      else this.#pieces[used] = piece.subarray(part)
    }
    this.#pieces.splice(0, used)
    return taken
  }
}
