/** The `boxes` protocol, both sides of one exchange. Spec: docs/specs/boxes.md. */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { type BoxHash, idBytes, idFrom, type NodeId } from '../ids.ts'
import type { FrameStream, HandlerInit, Host } from '../network/index.ts'

/** Sealed bytes of one box: a preview fits, and one frame carries it. */
export const MAX_BOX_BYTES = 512 * 1024
export const MAX_HASHES_PER_REQUEST = 64
/** 64 hashes of 34 bytes and the head of the list. */
const MAX_REQUEST_BYTES = 64 * 34 + 8
/** An answer ends after the box that reaches this; the requester asks again for the rest. */
const ANSWER_BYTES = 4 * 1024 * 1024
/** A slow line gets through an answer in this time (280 kbit/s). */
const EXCHANGE_MS = 120_000
/** For opening the stream, and for each frame. */
const STEP_MS = 15_000

const requestShape = shape.array(shape.bytes(32), MAX_HASHES_PER_REQUEST)
const NOTHING = new Uint8Array(0)

export const BOXES_HANDLER: HandlerInit = {
  maxFrameBytes: MAX_REQUEST_BYTES,
  timeoutMs: EXCHANGE_MS,
  maxStreamsPerPeer: 4,
}

export function encodeBoxRequest(hashes: readonly BoxHash[]): Uint8Array {
  return encodeCbor(hashes.map((hash) => idBytes(hash)))
}

/** @throws {DecodeError} */
export function decodeBoxRequest(frame: Uint8Array): BoxHash[] {
  const value: CborValue = decodeCbor(frame, MAX_REQUEST_BYTES)
  return requestShape(value).map((bytes) => idFrom<BoxHash>(bytes))
}

/**
 * Answers one request: for each hash, in order, a frame with the box, or an empty one. "Not here" and "not for you"
 * look the same, so that asking tells nothing.
 * @param find the box, or null when it is not here or not for that peer
 */
export async function answerBoxes(stream: FrameStream, find: (hash: BoxHash) => Uint8Array | null): Promise<void> {
  const frame = await stream.read({ timeoutMs: STEP_MS })
  if (frame === null) return
  let sent = 0
  for (const hash of decodeBoxRequest(frame)) {
    const box = find(hash) ?? NOTHING
    await stream.write(box, { timeoutMs: EXCHANGE_MS })
    sent += box.length
    if (sent >= ANSWER_BYTES) break
  }
  await stream.close()
}

/**
 * Asks one member. `answer` is told of each hash in order: the bytes as they came, unverified, or null. Returns how many
 * were answered; fewer than asked when the member ended before.
 * @throws {UnreachableError} @throws {TimeoutError} @throws {DecodeError}
 */
export async function askBoxes(
  host: Pick<Host, 'open'>,
  peer: NodeId,
  hashes: readonly BoxHash[],
  signal: AbortSignal,
  answer: (hash: BoxHash, bytes: Uint8Array | null) => void,
): Promise<number> {
  const wait = { signal, timeoutMs: STEP_MS }
  const stream = await host.open(peer, 'boxes', { ...wait, maxFrameBytes: MAX_BOX_BYTES })
  let answered = 0
  try {
    await stream.write(encodeBoxRequest(hashes), wait)
    for (const hash of hashes) {
      const frame = await stream.read(wait)
      if (frame === null) break
      if (frame.length > MAX_BOX_BYTES) throw new DecodeError(`a box of ${frame.length} bytes`)
      answered += 1
      answer(hash, frame.length === 0 ? null : frame)
    }
    // it may have ended before; whoever goes on has nothing to say that was asked
    if ((await stream.read(wait)) !== null) throw new DecodeError('more boxes than were asked for')
    await stream.close()
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
  return answered
}
