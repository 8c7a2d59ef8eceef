import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { idBytes, type NodeId, nodeIdFromPublicKey, type Root } from '../ids.ts'
import { UnreachableError } from '../network/errors.ts'
import type { FrameStream, Host } from '../network/index.ts'
import { chunkHeader, decodeRequest, encodeControl, pageHeader } from './protocol.ts'
import { type SessionInit, SourceSession } from './source-session.ts'
import type { Answer } from './source-stream.ts'
import { TestHost } from './testing.ts'

const CHUNK = 1024 * 1024
const COUNT = 16
const ROOT = 'ab'.repeat(32) as Root

describe('SourceSession', () => {
  let host: TestHost
  let source: NodeId
  /** the source's ends, in the order in which they were opened */
  let theirs: FrameStream[]
  let opened: PromiseWithResolvers<void>[]
  /** another path is used from now on */
  let tellPath = () => {}

  beforeEach(() => {
    const network = new Map<NodeId, TestHost>()
    const [own, other] = [1, 2].map((byte) => nodeIdFromPublicKey(new Uint8Array(32).fill(byte))) as [NodeId, NodeId]
    host = new TestHost(own, network)
    source = other
    theirs = []
    opened = [Promise.withResolvers(), Promise.withResolvers()]
    new TestHost(other, network).handle('transfer', { maxFrameBytes: 4096, timeoutMs: 0 }, async (stream) => {
      theirs.push(stream)
      opened[theirs.length - 1]?.resolve()
      await new Promise(() => {}) // the test speaks for it, and ends it
    })
  })
  afterEach(() => {
    for (const stream of theirs) stream.abort()
  })

  const init = (more: Partial<SessionInit> & { hasLane?: boolean } = {}): SessionInit => ({
    host: {
      open: async (peer: NodeId, _protocol, options) => {
        if (options.laneOnly === true && more.hasLane === false) throw new UnreachableError(peer)
        return host.open(peer)
      },
      onPath: (listener) => {
        tellPath = () => listener(source)
        return () => {
          tellPath = () => {}
        }
      },
    } satisfies Pick<Host, 'open' | 'onPath'>,
    clock: systemClock,
    peer: source,
    root: ROOT,
    rootBytes: idBytes(ROOT),
    chunk: CHUNK,
    count: COUNT,
    urgent: true,
    proof: undefined,
    idleMs: 10_000,
    signal: new AbortController().signal,
    first: { pages: [0, 1], indexes: [5] },
    ...more,
  })

  async function heard(at: number) {
    await opened[at]?.promise
    const frame = await (theirs[at] as FrameStream).read({ timeoutMs: 5_000 })
    return frame === null ? null : decodeRequest(frame)
  }
  const say = (at: number, reply: Parameters<typeof encodeControl>[0]) =>
    (theirs[at] as FrameStream).write(encodeControl(reply))
  const sendChunk = (at: number, index: number) =>
    (theirs[at] as FrameStream).writeParts([chunkHeader(index), new Uint8Array(8)])

  /** Its answers, one by one. */
  function follow(session: SourceSession) {
    const answers: Answer[] = []
    let wake = () => {}
    const over = session.run((answer) => {
      answers.push(answer)
      wake()
    }, new AbortController().signal)
    over.catch(() => undefined) // most tests break it off
    return {
      over,
      async next(): Promise<Answer> {
        while (answers.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        return answers.shift() as Answer
      },
    }
  }

  async function begin(more: Parameters<typeof init>[0] = {}) {
    const opening = SourceSession.open(init(more))
    const flight = [await heard(0), await heard(0), await heard(0), await heard(0)]
    await say(0, { t: 'ok', count: COUNT, bits: null })
    return { flight, session: await opening }
  }

  it('asks for what somebody waits for in the flight in which it opens', async () => {
    const { flight, session } = await begin()
    expect(flight).toMatchObject([
      { t: 'open', urgent: true },
      { t: 'manifest', page: 0 },
      { t: 'manifest', page: 1 },
      { t: 'get', indexes: [5] },
    ])
    session.abort()
  })

  it('moves to the lane; what is owed on the stream that it leaves still counts, its news do not', async () => {
    const { session } = await begin()
    const { next, over } = follow(session)
    expect(await heard(1)).toMatchObject({ t: 'open', urgent: true })
    await say(1, { t: 'ok', count: COUNT, bits: null })
    await say(1, { t: 'busy' })
    expect(await next()).toEqual({ t: 'busy' }) // it is followed, so it has moved
    session.get([6])
    session.cancel([5, 6])
    expect(await heard(1)).toEqual({ t: 'get', indexes: [6] })
    expect(await heard(1)).toEqual({ t: 'cancel', indexes: [6] })
    expect(await heard(0)).toEqual({ t: 'cancel', indexes: [5] })
    await say(0, { t: 'have', indexes: [1] })
    for (const page of [0, 1]) await (theirs[0] as FrameStream).writeParts([pageHeader(page), new Uint8Array(1)])
    expect([await next(), await next()]).toMatchObject([{ t: 'page' }, { t: 'page' }])
    await sendChunk(0, 5)
    expect(await next()).toMatchObject({ t: 'chunk', index: 5 })
    expect(await heard(0)).toBeNull()
    await sendChunk(1, 6)
    expect(await next()).toMatchObject({ t: 'chunk', index: 6 })
    await theirs[1]?.close()
    await over
  })

  it('says what will not come when the stream that it has left breaks', async () => {
    const { session } = await begin()
    const { next } = follow(session)
    await heard(1)
    await say(1, { t: 'ok', count: COUNT, bits: null })
    await say(1, { t: 'busy' })
    await next()
    theirs[0]?.abort()
    expect([await next(), await next(), await next()]).toEqual([
      { t: 'no-page', page: 0 },
      { t: 'no-page', page: 1 },
      { t: 'cancelled', indexes: [5] },
    ])
    await sendChunk(1, 7)
    expect(await next()).toMatchObject({ t: 'chunk', index: 7 })
    session.abort()
  })

  it('tells what the source has got meanwhile', async () => {
    const opening = SourceSession.open(init())
    for (let frames = 0; frames < 4; frames++) await heard(0)
    await say(0, { t: 'ok', count: COUNT, bits: new Uint8Array([0x80, 0]) })
    const session = await opening
    const { next } = follow(session)
    await heard(1)
    await say(1, { t: 'ok', count: COUNT, bits: new Uint8Array([0xc0, 1]) })
    expect(await next()).toEqual({ t: 'have', indexes: [1, 15] })
    session.abort()
  })

  const OTHER_WAY = { urgent: false, first: undefined }

  async function beginQuietly() {
    const opening = SourceSession.open(init(OTHER_WAY))
    expect(await heard(0)).toMatchObject({ t: 'open' })
    await say(0, { t: 'ok', count: COUNT, bits: null })
    return await opening
  }

  it('goes over to another path: takes back what waits, reads what is on its way, and counts for each what came', async () => {
    const session = await beginQuietly()
    const { next, over } = follow(session)
    session.get([1, 2, 3])
    expect(await heard(0)).toEqual({ t: 'get', indexes: [1, 2, 3] })
    tellPath()
    expect(await heard(1)).toMatchObject({ t: 'open' })
    await say(1, { t: 'ok', count: COUNT, bits: null })
    expect(await heard(0)).toEqual({ t: 'cancel', indexes: [1, 2, 3] })
    await sendChunk(0, 1)
    expect(await next()).toMatchObject({ t: 'chunk', index: 1 })
    expect(await heard(0)).toEqual({ t: 'got', chunks: 1 })
    await say(0, { t: 'cancelled', indexes: [2, 3] })
    expect(await next()).toEqual({ t: 'cancelled', indexes: [2, 3] })
    expect(await heard(0)).toBeNull()
    session.get([2])
    expect(await heard(1)).toEqual({ t: 'get', indexes: [2] })
    await sendChunk(1, 2)
    expect(await next()).toMatchObject({ t: 'chunk', index: 2 })
    expect(await heard(1)).toEqual({ t: 'got', chunks: 1 })
    await theirs[1]?.close()
    await over
    session.abort()
  })

  it('goes on over another path when its own is gone', async () => {
    const session = await beginQuietly()
    const { next } = follow(session)
    session.get([4])
    await heard(0)
    theirs[0]?.abort()
    tellPath()
    expect(await heard(1)).toMatchObject({ t: 'open' })
    await say(1, { t: 'ok', count: COUNT, bits: null })
    expect(await next()).toEqual({ t: 'cancelled', indexes: [4] })
    session.get([4])
    expect(await heard(1)).toEqual({ t: 'get', indexes: [4] })
    session.abort()
  })

  it('ends with its stream when there is no other path', async () => {
    const session = await beginQuietly()
    const { over } = follow(session)
    theirs[0]?.abort()
    await expect(over).rejects.toThrow()
    session.abort()
  })

  it('stays where it is when there is no lane', async () => {
    const { session } = await begin({ hasLane: false })
    const { next } = follow(session)
    await sendChunk(0, 5)
    expect(await next()).toMatchObject({ t: 'chunk', index: 5 })
    session.get([6])
    expect(await heard(0)).toEqual({ t: 'get', indexes: [6] })
    session.abort()
  })
})
