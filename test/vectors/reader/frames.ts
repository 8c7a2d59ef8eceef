/** Checks frames.json against docs/specs/ledger-sync.md. */
import assert from 'node:assert/strict'
import { bytesOf, concat, decode, encode, hex } from './bytes.ts'

interface FrameSigned {
  bytes: string
  sig: string | null
  cosig: string | null
}

interface FrameFile {
  valid: ({ bytes: string } & (
    | { type: 'status'; heads: string; count: number; state: string }
    | { type: 'push'; entries: FrameSigned[] }
    | { type: 'entries'; entries: FrameSigned[] }
    | { type: 'ask'; buckets: string }
    | { type: 'heads'; differs: string; heads: { feed: string; seq: number; id: string }[]; more: boolean }
    | { type: 'want'; ranges: { feed: string; after: number }[] }
    | { type: 'done' }
    | { type: 'announce'; ids: string[] }
    | { type: 'pull'; ids: string[] }
  ))[]
  invalid: { name: string; bytes: string }[]
}

const FRAMES = ['status', 'push', 'ask', 'heads', 'want', 'entries', 'done', 'announce', 'pull'] as const
const SHORT_ID_BYTES = 8
const IDS_MAX = 4096
/** Fields beside the type, by type. */
const FIELDS = [3, 1, 1, 3, 1, 1, 0, 1, 1]

export function checkFrames(file: FrameFile) {
  const feedOf = (feed: string) => feed.split('/').map(bytesOf)
  for (const frame of file.valid) {
    const type = FRAMES.indexOf(frame.type)
    const fields = () => {
      if (frame.type === 'status') return [bytesOf(frame.heads), frame.count, bytesOf(frame.state)]
      if (frame.type === 'push' || frame.type === 'entries') {
        const orNull = (bytes: string | null) => (bytes === null ? null : bytesOf(bytes))
        return [frame.entries.map((each) => [bytesOf(each.bytes), orNull(each.sig), orNull(each.cosig)])]
      }
      if (frame.type === 'ask') return [bytesOf(frame.buckets)]
      if (frame.type === 'heads') {
        const heads = frame.heads.map(({ feed, seq, id }) => [...feedOf(feed), seq, bytesOf(id)])
        return [bytesOf(frame.differs), heads, frame.more]
      }
      if (frame.type === 'want') return [frame.ranges.map(({ feed, after }) => [...feedOf(feed), after + 1])]
      if (frame.type === 'done') return []
      return [concat(...frame.ids.map(bytesOf))]
    }
    assert.equal(hex(encode([type, ...fields()])), frame.bytes, frame.type)
    assert.ok(isFrame(frame.bytes), frame.type)
  }
  for (const { name, bytes } of file.invalid) assert.ok(!isFrame(bytes), name)
}

/** As far as the invalid ones go: type, number of fields, form of ids. */
function isFrame(bytes: string): boolean {
  const value = decode(bytesOf(bytes))
  if (!Array.isArray(value) || typeof value[0] !== 'number' || value.length - 1 !== FIELDS[value[0]]) return false
  if (value[0] < 7) return true
  const ids = value[1]
  if (!(ids instanceof Uint8Array) || ids.length === 0) return false
  return ids.length % SHORT_ID_BYTES === 0 && ids.length <= IDS_MAX * SHORT_ID_BYTES
}
