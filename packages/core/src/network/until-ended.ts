/** The end of an exchange: everything was said, and only the other side's end is still to come. */
import { PeerLimitError } from './errors.ts'
import type { FrameStream } from './types.ts'

/** After our end the other side has this long for its own, unless somebody still reads (ms). */
export const END_MS = 30_000
/** What may still come after everything was said, and is thrown away. */
export const AFTER_END_BYTES = 64 * 1024
const AFTER_END_FRAMES = 64

/** Our side has ended, and nothing is expected: waits for the end of the other side. One that goes on talking is reset. */
export async function untilEnded(stream: FrameStream): Promise<void> {
  try {
    let bytes = 0
    for (let frames = 0; ; frames++) {
      const frame = await stream.read({ timeoutMs: END_MS })
      if (frame === null) return
      bytes += frame.length
      if (bytes > AFTER_END_BYTES || frames >= AFTER_END_FRAMES) throw new PeerLimitError('bytes after the end')
    }
  } catch (error) {
    stream.abort(error instanceof Error ? error : undefined)
  }
}
