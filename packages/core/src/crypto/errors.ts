import { MaloteError } from '../errors.ts'

/** Sealed bytes that do not open: a wrong key, or bytes that were changed. */
export class SealBrokenError extends MaloteError {
  override name = 'SealBrokenError'
  constructor(cause?: unknown) {
    super('damaged', 'sealed bytes do not open with this key', { cause })
  }
}
