/** The real process, with real pictures; what it must never be is done by programs that do just that. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PREVIEW_MAX } from '../catalogue/index.ts'
import { type Clock, systemClock } from '../clock.ts'
import { IDLE_MS, MAKE_MS, PICTURE_MAX, PIXELS_MAX, START_MS, TURN_MS } from './bounds.ts'
import { type Child, PREVIEW_PROCESS, startChild } from './child.ts'
import { HEAD_BYTES } from './formats.ts'
import { createPreviewMaker, type Picture, type PreviewMaker, type PreviewMakerInit } from './maker.ts'

const RED = { r: 220, g: 20, b: 20 }
const BLUE = { r: 20, g: 20, b: 220 }

/** What is read a piece at a time; `read` is told before each piece. */
function picture(bytes: Uint8Array, beforePiece: (at: number, signal: AbortSignal) => unknown = () => {}): Picture {
  return {
    size: bytes.length,
    async *read({ start, end }, signal) {
      for (let at = start; at < end; at += 64 * 1024) {
        if (end > HEAD_BYTES) await beforePiece(at, signal)
        yield new Uint8Array(bytes.subarray(at, Math.min(end, at + 64 * 1024)))
      }
    },
  }
}

const plain = (width: number, height: number, background = RED) =>
  sharp({ create: { width, height, channels: 3, background } })
/** Left red, right blue. */
const halves = (width: number, height: number) =>
  plain(width, height).composite([
    { input: { create: { width: width / 2, height, channels: 3, background: BLUE } }, left: width / 2, top: 0 },
  ])

/** A valid PNG of black, one bit a pixel: small however many pixels it has. */
function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([1, 0, 0, 0, 0], 8)
  const rows = deflateSync(Buffer.alloc((1 + Math.ceil(width / 8)) * height), { level: 1 })
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    check.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, check])
  }
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

async function pixelAt(preview: Uint8Array | undefined, left: number, top: number): Promise<'red' | 'blue' | 'other'> {
  const { data } = await sharp(preview)
    .extract({ left, top, width: 1, height: 1 })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const [r = 0, , b = 0] = data
  return r > 180 && b < 80 ? 'red' : b > 180 && r < 80 ? 'blue' : 'other'
}

function isAlive(pid: number | null): boolean {
  try {
    return process.kill(Number(pid), 0)
  } catch {
    return false
  }
}

const log: unknown[] = []
const makers: PreviewMaker[] = []
function makerOf(init: Partial<PreviewMakerInit> = {}): PreviewMaker {
  const maker = createPreviewMaker({
    clock: systemClock,
    most: PREVIEW_MAX,
    log: (_message, error) => log.push(error),
    ...init,
  })
  makers.push(maker)
  return maker
}
beforeEach(() => void log.splice(0))
afterEach(async () => {
  for (const maker of makers.splice(0)) await maker.stop()
})

describe('a preview', () => {
  let maker: PreviewMaker
  beforeAll(() => {
    maker = createPreviewMaker({ clock: systemClock, most: PREVIEW_MAX, log: (_message, error) => log.push(error) })
  })
  afterAll(() => maker.stop())

  const made = async (bytes: Uint8Array) => {
    const preview = await maker.make(picture(bytes))
    return preview === null ? null : { ...preview, ...(await sharp(preview.bytes).metadata()) }
  }

  it('is turned as the camera says, and has none of what it says else', async () => {
    const photo = await halves(800, 400)
      .withExif({
        IFD0: { Model: 'Secret camera' },
        IFD3: { GPSLatitudeRef: 'S', GPSLatitude: '8/1 3/1 14/1', GPSLongitudeRef: 'W', GPSLongitude: '34/1 52/1 0/1' },
      })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer()
    const before = await sharp(photo).metadata()
    expect([before.orientation, before.width, before.exif?.includes('Secret')]).toEqual([6, 800, true])

    const preview = await made(photo)
    expect(preview).toMatchObject({ type: 'image/webp', format: 'webp', width: 160, height: 320 })
    expect(preview?.bytes.length).toBeLessThan(2000)
    for (const what of ['exif', 'xmp', 'icc', 'iptc', 'orientation'] as const) expect(preview?.[what]).toBeUndefined()
    expect([await pixelAt(preview?.bytes, 80, 40), await pixelAt(preview?.bytes, 80, 280)]).toEqual(['red', 'blue'])
  })

  it('is made of four formats, by one process', async () => {
    const pids = new Set<number | null>()
    for (const format of ['jpeg', 'png', 'webp', 'gif'] as const) {
      const preview = await made(await halves(640, 480)[format]().toBuffer())
      pids.add(maker.pid)
      expect([format, preview?.width, preview?.height]).toEqual([format, 320, 240])
      expect([await pixelAt(preview?.bytes, 40, 120), await pixelAt(preview?.bytes, 280, 120)]).toEqual(['red', 'blue'])
    }
    // for print: four colours
    const print = await made(await plain(500, 500).toColourspace('cmyk').jpeg().toBuffer())
    expect([print?.space, await pixelAt(print?.bytes, 100, 100)]).toEqual(['srgb', 'red'])
    expect(await made(await plain(40, 30).png().toBuffer())).toMatchObject({ width: 40, height: 30 })
    expect([...pids]).toEqual([maker.pid])
  })

  it('of an animation is its first picture', async () => {
    const frames = await Promise.all([RED, BLUE, RED].map((colour) => plain(60, 40, colour).png().toBuffer()))
    const animation = await sharp(frames, { join: { animated: true } })
      .gif({ delay: [10, 10, 10] })
      .toBuffer()
    expect((await sharp(animation).metadata()).pages).toBe(3)
    const preview = await made(animation)
    expect([preview?.width, preview?.height, preview?.pages ?? 1]).toEqual([60, 40, 1])
    expect(await pixelAt(preview?.bytes, 30, 20)).toBe('red')
  })

  it('is not made of what is damaged or too large, and the process goes on', async () => {
    const { pid } = maker
    const photo = await halves(800, 600).jpeg().toBuffer()
    expect(await made(photo.subarray(0, photo.length / 2))).toBeNull()
    expect(await made(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(1000)]))).toBeNull()
    const [fits, bomb] = [blackPng(1000, PIXELS_MAX / 1000), blackPng(1000, PIXELS_MAX / 1000 + 1)]
    expect(bomb.length).toBeLessThan(64 * 1024)
    expect(await made(fits)).toMatchObject({ height: 320 })
    expect(await made(bomb)).toBeNull()
    expect(await made(photo)).toMatchObject({ width: 320, height: 240 })
    expect([maker.pid, log]).toEqual([pid, []])
  })

  it('is at most as large as it may be', async () => {
    const narrow = makerOf({ most: 100 })
    expect(await narrow.make(picture(await halves(400, 400).png().toBuffer()))).toBeNull()
    expect(log).toEqual([])
  })
})

describe('no process is asked', () => {
  const start = (): Child => {
    throw new Error('started')
  }

  it('about what is no picture, whatever its name says', async () => {
    const maker = makerOf({ start })
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    const tiff = await plain(9, 9).tiff().toBuffer()
    for (const bytes of [svg, tiff, Buffer.from('%PDF-1.7 and so on'), Buffer.from('short')])
      expect(await maker.make(picture(bytes))).toBeNull()
    expect(log).toEqual([])
    expect(await maker.make(picture(await plain(9, 9).png().toBuffer()))).toBeNull()
    expect(log).toMatchObject([{ message: 'started' }])
  })

  it('about a file that is too large, which is not even read', async () => {
    const maker = makerOf({ start })
    const read = () => {
      throw new Error('read')
    }
    expect(await maker.make({ size: PICTURE_MAX + 1, read })).toBeNull()
    expect(log).toEqual([])
    expect(await maker.make({ size: PICTURE_MAX, read })).toBeNull()
    expect(log).toMatchObject([{ message: 'read' }])
  })
})

it('the process decodes nothing but the four formats', async () => {
  const child = startChild()
  const signal = AbortSignal.timeout(START_MS)
  try {
    await child.ready(signal)
    const lengthOf = async (bytes: Uint8Array) => {
      const pieces = picture(bytes).read({ start: 0, end: bytes.length }, signal)
      return (await child.make({ size: bytes.length, pieces }, PREVIEW_MAX, signal)).length
    }
    const small = plain(20, 20)
    for (const other of [await small.tiff().toBuffer(), await small.avif({ effort: 0 }).toBuffer()])
      expect(await lengthOf(other)).toBe(0)
    expect(await lengthOf(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'))).toBe(0)
    expect(await lengthOf(await small.png().toBuffer())).toBeGreaterThan(0)
  } finally {
    child.kill()
    await child.ended
  }
})

/** Time that passes only when told to. */
function manualClock() {
  const timers = new Set<{ ms: number; callback: () => void }>()
  const clock: Clock = {
    now: () => 0,
    after(ms, callback) {
      const timer = { ms, callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  /** Every timer that was set for so long. */
  const pass = (ms: number) => {
    const due = [...timers].filter((timer) => timer.ms === ms)
    for (const timer of due) if (timers.delete(timer)) timer.callback()
    return due.length
  }
  return { clock, pass }
}

describe('the process', () => {
  let bytes: Buffer
  beforeAll(async () => {
    // several pieces: noise does not become small
    const noise = { type: 'gaussian' as const, mean: 128, sigma: 60 }
    bytes = await sharp({ create: { width: 400, height: 400, channels: 3, background: RED, noise } })
      .png()
      .toBuffer()
    expect(bytes.length).toBeGreaterThan(200_000)
  })
  /** Real processes, and when each has ended. */
  function counted(script?: string) {
    const children: Child[] = []
    const start = () => {
      const child = startChild(script)
      children.push(child)
      return child
    }
    return { children, start }
  }
  const never = (_at: number, signal: AbortSignal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

  it('that is killed takes one preview along, no more', async () => {
    const maker = makerOf()
    expect(await maker.make(picture(bytes))).not.toBeNull()
    const { pid } = maker
    const kill = (at: number) => at > 0 && maker.pid === pid && process.kill(Number(pid), 'SIGKILL')
    expect(await maker.make(picture(bytes, kill))).toBeNull()
    expect(log).toMatchObject([{ name: 'EndedError' }])
    expect(isAlive(pid)).toBe(false)
    expect(await maker.make(picture(bytes))).not.toBeNull()
    expect(maker.pid).not.toBe(pid)
  })

  it('is ended when it has had nothing to do, and when the node stops', async () => {
    const { clock, pass } = manualClock()
    const { children, start } = counted()
    const maker = makerOf({ clock, start })
    expect(maker.pid).toBeNull()
    expect(await maker.make(picture(bytes))).not.toBeNull()
    const { pid } = maker
    expect(await maker.make(picture(bytes))).not.toBeNull()
    expect([maker.pid, isAlive(pid)]).toEqual([pid, true])
    expect(pass(IDLE_MS)).toBe(1)
    await children[0]?.ended
    expect([maker.pid, isAlive(pid)]).toEqual([null, false])

    expect(await maker.make(picture(bytes))).not.toBeNull()
    const second = maker.pid
    await maker.stop()
    expect([maker.pid, isAlive(second), children.length]).toEqual([null, false, 2])
    expect(await maker.make(picture(bytes))).toBeNull()
    expect([children.length, log]).toEqual([2, []])
  })

  it('has so much time for one picture', async () => {
    const { clock, pass } = manualClock()
    const { children, start } = counted()
    const maker = makerOf({ clock, start })
    const reading = Promise.withResolvers<void>()
    const making = maker.make(
      picture(bytes, (at, signal) => {
        reading.resolve()
        return never(at, signal)
      }),
    )
    await reading.promise
    expect(pass(MAKE_MS)).toBe(1)
    expect(await making).toBeNull()
    expect(log).toMatchObject([{ message: expect.stringContaining(`${MAKE_MS} ms`) }])
    await children[0]?.ended
    expect(isAlive(children[0]?.pid ?? null)).toBe(false)
  })

  it('has one picture at a time; who gives up, or waits too long, does not hold up the others', async () => {
    const { clock, pass } = manualClock()
    const maker = makerOf({ clock })
    const reading = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const order: string[] = []
    const first = maker.make(
      picture(bytes, () => {
        reading.resolve()
        return goOn.promise
      }),
    )
    await reading.promise
    // two that wait their turn: the first of them for too long
    const late = maker.make(picture(bytes, () => order.push('late')))
    while (pass(TURN_MS) === 0) await new Promise(setImmediate)
    expect(await late).toBeNull()
    const upload = new AbortController()
    const given = maker.make(
      picture(bytes, () => order.push('given up')),
      { signal: upload.signal },
    )
    const last = maker.make(picture(bytes, (at) => at === 0 && order.push('last')))
    upload.abort(new Error('Ctrl-C'))
    expect(await given).toBeNull()
    order.push('first goes on')
    goOn.resolve()
    expect([await first, await last]).not.toContain(null)
    expect(order).toEqual(['first goes on', 'last'])
    expect(log).toMatchObject([{ message: expect.stringContaining('waiting') }])
  })

  it('is ended by the signal of the upload', async () => {
    const { children, start } = counted()
    const maker = makerOf({ start })
    const upload = new AbortController()
    const end = () => upload.abort(new Error('Ctrl-C'))
    expect(await maker.make(picture(bytes, end), { signal: upload.signal })).toBeNull()
    await children[0]?.ended
    expect([maker.pid, log]).toEqual([null, []])
    expect(await maker.make(picture(bytes), { signal: upload.signal })).toBeNull()
    expect(children).toHaveLength(1)
  })

  describe('when it is not what it should be', () => {
    let folder: string
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'malote-previews-'))
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it('has no decoders: told once, and never started again', async () => {
      // the real one, where no package can be found
      const source = join(PREVIEW_PROCESS, '..')
      for (const name of ['preview-process.ts', 'bounds.ts', 'messages.ts'])
        copyFileSync(join(source, name), join(folder, name))
      const { children, start } = counted(join(folder, 'preview-process.ts'))
      const maker = makerOf({ start })
      expect(await maker.make(picture(bytes))).toBeNull()
      expect(await maker.make(picture(bytes))).toBeNull()
      expect(log).toMatchObject([{ name: 'NoDecodersError' }])
      expect(children).toHaveLength(1)
    })

    it.each([
      ['says nonsense', 'did not begin', `process.stdout.write('hello'); setInterval(() => {}, 1000)`],
      ['ends at once', 'has ended', ''],
      [
        'wants to give more than it may',
        'wants to give 2139062143 bytes',
        `process.stdout.write('R' + '\\x7f\\x7f\\x7f\\x7f', 'latin1'); setInterval(() => {}, 1000)`,
      ],
      [
        'goes on talking',
        'says more than it was asked',
        `process.stdin.resume(); process.stdout.write(Buffer.concat([Buffer.from('R\\0\\0\\0\\x01'), Buffer.alloc(1000)]))`,
      ],
    ])('%s: no preview, and it is ended', async (what, told, text) => {
      const script = join(folder, `${what.replaceAll(' ', '-')}.js`)
      writeFileSync(script, text)
      const { children, start } = counted(script)
      const maker = makerOf({ start })
      expect(await maker.make(picture(bytes))).toBeNull()
      expect(log).toMatchObject([{ message: expect.stringContaining(told) }])
      await children[0]?.ended
      expect([maker.pid, isAlive(children[0]?.pid ?? null)]).toEqual([null, false])
    })
  })
})
