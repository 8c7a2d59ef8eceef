/**
 * A program by itself: pictures in on stdin, previews out on stdout (`messages.ts`), until stdin ends. It decodes what
 * anybody may have made, in native code, so it is given nothing else: no path, no token, no key, no environment.
 */
import type { Sharp } from 'sharp'
import { MAKE_MS, PICTURE_MAX, PIXELS_MAX, PREVIEW_SIDE } from './bounds.ts'
import { decodeRequest, encodeAnswer, NO_DECODERS, READY, REQUEST_BYTES, type Request } from './messages.ts'

/** Decoders of the four formats, from memory. All others, and all that read files, are blocked. */
const DECODERS = ['JpegBuffer', 'PngBuffer', 'WebpBuffer', 'NsgifBuffer']

/** Not an orderly end: that waits for threads, and one of them may be decoding for ever. */
const end = () => process.kill(process.pid, 'SIGKILL')

type Decode = (picture: Buffer) => Sharp

/** Optional, and the only thing here that others wrote. */
async function loadDecoders(): Promise<Decode> {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: DECODERS.map((name) => `VipsForeignLoad${name}`) })
  // one picture at a time, and on one core: the node has other work
  sharp.concurrency(1)
  sharp.cache(false)
  return (picture) => sharp(picture, { limitInputPixels: PIXELS_MAX, failOn: 'error' })
}

/** @returns none when it is no picture, or a damaged one */
async function makePreview(decode: Decode, picture: Buffer, most: number): Promise<Uint8Array> {
  try {
    const preview = await decode(picture)
      .autoOrient()
      .resize({ width: PREVIEW_SIDE, height: PREVIEW_SIDE, fit: 'inside', withoutEnlargement: true })
      .webp()
      .timeout({ seconds: MAKE_MS / 1000 })
      .toBuffer()
    return preview.length <= most ? preview : new Uint8Array(0)
  } catch {
    return new Uint8Array(0)
  }
}

/** What comes on stdin, as it is asked for. */
async function serve(decode: Decode): Promise<void> {
  const input = new Input()
  for (;;) {
    const { size, most }: Request = decodeRequest(await input.take(REQUEST_BYTES))
    if (size > PICTURE_MAX) return
    const preview = await makePreview(decode, await input.take(size), most)
    process.stdout.write(Buffer.concat([encodeAnswer(preview.length), preview]))
  }
}

/** Also while a picture is being decoded, it is noticed that the node has gone. */
class Input {
  #into: Buffer = Buffer.alloc(0)
  #filled = 0
  #rest: Buffer = Buffer.alloc(0)
  #full: (() => void) | undefined

  constructor() {
    process.stdin.on('data', (piece: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, piece])
      this.#fill()
    })
    for (const gone of ['end', 'error', 'close']) process.stdin.on(gone, end)
  }

  /** The next bytes, just so many. */
  async take(length: number): Promise<Buffer> {
    this.#into = Buffer.allocUnsafeSlow(length)
    this.#filled = 0
    await new Promise<void>((resolve) => {
      this.#full = resolve
      this.#fill()
    })
    return this.#into
  }

  #fill(): void {
    const taken = this.#rest.copy(this.#into, this.#filled)
    this.#filled += taken
    this.#rest = this.#rest.subarray(taken)
    // nothing more is read than was asked for
    if (this.#rest.length > 0) process.stdin.pause()
    else process.stdin.resume()
    if (this.#filled === this.#into.length) this.#full?.()
  }
}

const decode = await loadDecoders().catch(() => process.exit(NO_DECODERS))
process.stdout.write(Buffer.of(READY))
await serve(decode)
end()
