/** What is handed to a stream for one frame. */
import { encodeFrame, frameHeader } from '../codec/index.ts'

/** Parts up to this size are joined with the header: one small copy is cheaper than one more encrypted message. */
const JOIN_BELOW = 16 * 1024

/** The buffers to send for one frame: the header joined with what is small, large parts as they are. */
export function framePieces(parts: readonly Uint8Array[]): Uint8Array[] {
  const total = parts.reduce((sum, part) => sum + part.length, 0)
  const [only] = parts
  if (parts.length === 1 && only !== undefined && total <= JOIN_BELOW) return [encodeFrame(only)]
  const pieces: Uint8Array[] = []
  let small: Uint8Array[] = [frameHeader(total)]
  const flush = () => {
    const [first] = small
    if (first !== undefined) pieces.push(small.length === 1 ? first : new Uint8Array(Buffer.concat(small)))
    small = []
  }
  for (const part of parts) {
    if (part.length <= JOIN_BELOW) small.push(part)
    else {
      flush()
      pieces.push(part)
    }
  }
  flush()
  return pieces
}
