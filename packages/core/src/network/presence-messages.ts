/** Frames of the `presence` protocol, field by field: docs/specs/presence.md. */
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { MAX_ADDRESS_LENGTH } from './addresses.ts'
import { RUN_BYTES } from './runs.ts'

export const MAX_PRESENCE_FRAME = 16 * 1024
/** Addresses that one node may announce. */
export const MAX_ANNOUNCED = 16

const ms = shape.uint()
const run = shape.bytes(RUN_BYTES)
const proof = { run, since: ms, sig: shape.bytes(64) }
const shapes = {
  hello: shape.object({
    t: shape.oneOf('hello'),
    v: shape.uint(1),
    addresses: shape.array(shape.text(MAX_ADDRESS_LENGTH), MAX_ANNOUNCED),
    version: shape.text(64),
    ms,
    run,
    since: ms,
  }),
  beat: shape.object({ t: shape.oneOf('beat'), n: shape.uint(), ms }),
  echo: shape.object({ t: shape.oneOf('echo'), n: shape.uint(), ms }),
  bye: shape.object({ t: shape.oneOf('bye') }),
  prove: shape.object({ t: shape.oneOf('prove'), run }),
  proof: shape.object({ t: shape.oneOf('proof'), ...proof }),
  twice: shape.object({ t: shape.oneOf('twice'), ...proof }),
  sole: shape.object({ t: shape.oneOf('sole'), run }),
}

export type PresenceMessage =
  | { t: 'hello'; v: number; addresses: string[]; version: string; ms: number; run: Uint8Array; since: number }
  | { t: 'beat' | 'echo'; n: number; ms: number }
  | { t: 'bye' }
  | { t: 'prove' | 'sole'; run: Uint8Array }
  | { t: 'proof' | 'twice'; run: Uint8Array; since: number; sig: Uint8Array }

export function encodePresence(message: PresenceMessage): Uint8Array {
  return encodeCbor(message)
}

/** @throws {DecodeError} */
export function decodePresence(frame: Uint8Array): PresenceMessage {
  const value = decodeCbor(frame, MAX_PRESENCE_FRAME)
  const { t } = kindShape(value)
  return shapes[t](value)
}

/** Only the kind; the rest is checked by the kind's own shape. */
const kind = shape.oneOf('hello', 'beat', 'echo', 'bye', 'prove', 'proof', 'twice', 'sole')
function kindShape(value: ReturnType<typeof decodeCbor>): { t: PresenceMessage['t'] } {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  return { t: kind(isMap ? (value as { t?: never }).t : undefined, 't') }
}
