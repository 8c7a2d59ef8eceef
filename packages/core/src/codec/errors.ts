import { MaloteError } from '../errors.ts'

/** Bytes from outside that do not have the form they must have. The only error a decoder throws. */
export class DecodeError extends MaloteError {
  override name = 'DecodeError'
  constructor(message: string, cause?: unknown) {
    super('decode', message, { cause })
  }
}

/** A map that no reader would take. That it was to be written is a fault of ours, found before anything is signed. */
export class EncodeError extends MaloteError {
  override name = 'EncodeError'
  readonly key: string
  constructor(key: string) {
    super('internal', `a map with the key ${key} has no encoding`, { details: { key } })
    this.key = key
  }
}
