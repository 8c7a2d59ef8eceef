/** Real media without shipping any: photos as PNG, video as YUV4MPEG2, both playable, made from a seed. */
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, deflateSync } from 'node:zlib'

/** A grainy sunset: gradients with noise, so that it does not compress away. */
export async function makePhoto(path: string, seed: number, width = 1600, height = 900): Promise<void> {
  const random = generator(seed)
  const raw = Buffer.alloc((width * 3 + 1) * height)
  for (let y = 0, at = 0; y < height; y++) {
    raw[at++] = 0 // filter: none
    for (let x = 0; x < width; x++) {
      const grain = random() & 31
      raw[at++] = ((y * 200) / height + grain) & 255
      raw[at++] = ((x * 120) / width + seed * 40 + grain) & 255
      raw[at++] = (220 - (y * 160) / height + grain) & 255
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8) // 8 bits, RGB
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  await writeFile(
    path,
    Buffer.concat([
      signature,
      pngChunk('IHDR', header),
      pngChunk('IDAT', deflateSync(raw, { level: 1 })),
      pngChunk('IEND', Buffer.alloc(0)),
    ]),
  )
}

function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length)
  chunk.writeUInt32BE(data.length, 0)
  chunk.write(type, 4, 'latin1')
  data.copy(chunk, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length)
  return chunk
}

/** 640×360 film of at least that many bytes: a moving gradient with grain, every frame different. */
export async function makeVideo(path: string, bytes: number, seed = 7): Promise<void> {
  const width = 640
  const height = 360
  const frame = (width * height * 3) / 2
  const grain = Buffer.alloc(frame + 65_536)
  const random = generator(seed)
  for (let at = 0; at < grain.length; at++) grain[at] = random() & 255
  function* frames() {
    yield Buffer.from(`YUV4MPEG2 W${width} H${height} F30:1 Ip A1:1 C420jpeg\n`)
    for (let n = 0, written = 0; written < bytes; n++, written += frame + 6) {
      const shift = (n * 7919) % 65_536
      const picture = Buffer.from(grain.subarray(shift, shift + frame))
      picture.writeUInt32BE(n, 0)
      yield Buffer.concat([Buffer.from('FRAME\n'), picture])
    }
  }
  await pipeline(Readable.from(frames()), createWriteStream(path))
}

/** xorshift32: the same bytes for the same seed on every machine. */
function generator(seed: number): () => number {
  let state = seed * 2654435761 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
