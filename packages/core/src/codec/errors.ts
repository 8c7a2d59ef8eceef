import { MaloteError } from '../errors.ts'

/** Bytes from outside that do not have the form they must have. The only error a decoder throws. */
export class DecodeError extends MaloteError {
  override name = 'DecodeError'
  constructor(message: string, cause?: unknown) {
    super('decode', message, { cause })
  }
}
