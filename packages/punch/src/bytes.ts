/** Reading and writing fixed fields. Whatever does not fit is a `PunchMessageError`. */
import { PunchMessageError } from './errors.ts'

export class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** An unsigned number of up to six bytes. */
  uint(length: number): number {
    let value = 0
    for (const byte of this.take(length)) value = value * 256 + byte
    return value
  }

  take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new PunchMessageError('it is cut short')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  /** Bytes after their length, which has `width` bytes. */
  sized(width: number, max: number): Uint8Array {
    const length = this.uint(width)
    if (length > max) throw new PunchMessageError('a field is too long')
    return this.take(length)
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new PunchMessageError('there is more than there should be')
  }
}

export function uint(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let left = value
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = left % 256
    left = Math.floor(left / 256)
  }
  return bytes
}

export function sized(bytes: Uint8Array, width: number): Uint8Array {
  return joined([uint(bytes.length, width), bytes])
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, 'utf8'))
