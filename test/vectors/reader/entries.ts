/** entry.md and ledger-sync.md, once more: form, authenticity, what is taken, order, heads. */
import { bytesOf, concat, decode, domain, hex, isSignedBy, peerId, sha256, type Value } from './bytes.ts'

export interface SignedHex {
  readonly bytes: string
  readonly sig: string | null
  readonly cosig: string | null
}

export interface ReadEntry {
  readonly id: string
  readonly format: number
  readonly author: Uint8Array
  readonly node: string
  readonly incarnation: string
  readonly feed: string
  readonly seq: number
  readonly prev: string | null
  readonly ms: number
  readonly counter: number
  readonly kind: string
  readonly seen: readonly string[]
  readonly body: { readonly [key: string]: Value }
  readonly sig: Uint8Array | null
  readonly cosig: Uint8Array | null
}

const ZEROS = '0'.repeat(64)
/** The kinds that fold first; what an entry of any other kind names as seen means nothing. */
const CONTROL = new Set(
  'found invite revoke admit role quarantine release expel leave left offer accept decline cancel assign adopt upgrade'.split(
    ' ',
  ),
)
export const isControl = ({ kind }: { kind: string }) => CONTROL.has(kind)

/** @returns the verdict where it is no entry of this network */
export function read(signed: SignedHex, network: string): ReadEntry | 'malformed' | 'foreign' {
  const bytes = bytesOf(signed.bytes)
  if (bytes.length > 65_536) return 'malformed'
  let items: Value
  try {
    items = decode(bytes)
  } catch {
    return 'malformed'
  }
  if (!Array.isArray(items) || items.length !== 11) return 'malformed'
  const [format, net, author, incarnation, seq, prev, ms, counter, kind, seen, body] = items
  const isBytes = (value: Value | undefined, length: number): value is Uint8Array =>
    value instanceof Uint8Array && value.length === length
  const isUint = (value: Value | undefined, max: number): value is number =>
    typeof value === 'number' && value >= 0 && value <= max
  if (format !== 1 && format !== 2) return 'malformed'
  if (!isBytes(net, 32) || !isBytes(author, 32) || !isBytes(incarnation, 16)) return 'malformed'
  if (!isUint(seq, Number.MAX_SAFE_INTEGER) || !isUint(ms, 8.64e15) || !isUint(counter, 2 ** 32 - 1)) return 'malformed'
  if (prev === undefined || (prev !== null && !isBytes(prev, 32)) || (prev === null) !== (seq === 0)) return 'malformed'
  if (typeof kind !== 'string' || kind.length > 32 || !/^[a-z][a-z0-9-]*$/.test(kind)) return 'malformed'
  if (!Array.isArray(seen) || seen.length > 64 || !seen.every((each) => isBytes(each, 32))) return 'malformed'
  const seenIds = seen.map((each) => hex(each as Uint8Array))
  if (seenIds.some((id, at) => at > 0 && id <= (seenIds[at - 1] ?? ''))) return 'malformed'
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof Uint8Array) return 'malformed'
  const id = hex(sha256(bytes))
  if (kind === 'found') {
    if (format !== 1 || seq !== 0 || seenIds.length > 0) return 'malformed'
    if (hex(net) !== ZEROS || id !== network) return 'foreign'
  } else if (hex(net) !== network) return 'foreign'
  return {
    id,
    format,
    author,
    node: peerId(author),
    incarnation: hex(incarnation),
    feed: `${hex(author)}/${hex(incarnation)}`,
    seq,
    prev: prev === null ? null : hex(prev),
    ms,
    counter,
    kind,
    seen: seenIds,
    body,
    sig: signed.sig === null ? null : bytesOf(signed.sig),
    cosig: signed.cosig === null ? null : bytesOf(signed.cosig),
  }
}

export function isSigned({ author, sig, id }: ReadEntry, network: string): boolean {
  return sig !== null && isSignedBy(author, sig, concat(domain('entry', network), bytesOf(id)))
}

export function isCosigned({ format, cosig, id }: ReadEntry, network: string, recovery: string): boolean {
  if (format === 1) return true
  return cosig !== null && isSignedBy(bytesOf(recovery), cosig, concat(domain('recovery', network), bytesOf(id)))
}

export interface Taken {
  readonly stored: string[]
  readonly held: string[]
  readonly refused: { id: string; code: string }[]
  readonly rejected: string[]
  readonly missing: string[]
}

/** "What is stored", as a matter of the set alone: whatever came first, and however often. */
export function take(init: {
  network: string
  recovery: string
  now: number
  before: readonly SignedHex[]
  arriving: readonly SignedHex[]
}): Taken {
  const { network, recovery } = init
  const rejected: string[] = []
  const entries = new Map<string, ReadEntry>()
  const signed = new Set<string>()
  const cosigned = new Set<string>()
  for (const each of [...init.before, ...init.arriving]) {
    const entry = read(each, network)
    if (typeof entry === 'string') {
      rejected.push(entry)
      continue
    }
    entries.set(entry.id, entry)
    if (isSigned(entry, network)) signed.add(entry.id)
    if (isCosigned(entry, network, recovery)) cosigned.add(entry.id)
  }
  const authentic = new Set<string>()
  for (const id of signed) {
    for (let entry = entries.get(id); entry !== undefined && !authentic.has(entry.id); ) {
      authentic.add(entry.id)
      const { feed, seq, prev }: ReadEntry = entry
      const before: ReadEntry | undefined = prev === null ? undefined : entries.get(prev)
      entry = before !== undefined && before.feed === feed && before.seq === seq - 1 ? before : undefined
    }
  }
  const stored = new Map<string, ReadEntry>()
  const held = new Set<string>()
  const refused = new Map<string, string>()
  const authors = new Set<string>()
  const isKnown = ({ kind, node }: ReadEntry) => kind === 'found' || authors.has(node)
  const predecessor = ({ prev, feed, seq }: ReadEntry) => {
    const found = prev === null ? undefined : entries.get(prev)
    const isHere = found !== undefined && (stored.has(found.id) || held.has(found.id))
    return isHere && found.feed === feed && found.seq === seq - 1 ? found : undefined
  }
  for (let changed = true; changed; ) {
    changed = false
    for (const entry of entries.values()) {
      const { id, prev, ms, counter, kind, body } = entry
      if (!authentic.has(id) || stored.has(id) || held.has(id) || refused.has(id) || !isKnown(entry)) continue
      const before = predecessor(entry)
      if (prev !== null && before === undefined) continue
      changed = true
      if (before !== undefined && (ms < before.ms || (ms === before.ms && counter <= before.counter)))
        refused.set(id, 'clock')
      else if (ms > init.now + 60_000 || (before !== undefined && held.has(before.id))) held.add(id)
      else if (entry.seen.some((each) => held.has(each))) held.add(id)
      else if (!cosigned.has(id)) refused.set(id, 'not-cosigned')
      else {
        stored.set(id, entry)
        if (kind === 'found') authors.add(entry.node)
        if (kind === 'admit' && body.node instanceof Uint8Array && body.node.length === 32)
          authors.add(peerId(body.node))
      }
    }
  }
  const old = new Set(init.before.map(({ bytes }) => hex(sha256(bytesOf(bytes)))))
  const left = [...entries.values()].filter(({ id }) => !stored.has(id) && !held.has(id) && !refused.has(id))
  for (const entry of left) if (!isKnown(entry)) refused.set(entry.id, 'unknown-author')
  const missing = left.filter((entry) => authentic.has(entry.id) && isKnown(entry)).map(({ feed }) => feed)
  return {
    stored: [...stored.keys()].filter((id) => !old.has(id)).sort(),
    held: [...held].sort(),
    refused: [...refused].map(([id, code]) => ({ id, code })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    rejected: rejected.sort(),
    missing: [...new Set(missing)].sort(),
  }
}

interface ControlNode {
  readonly id: string
  readonly seen: readonly string[]
}

/** What must fold before each entry: what it names. A place in a feed says nothing. */
export function parentsOf(entries: readonly ControlNode[]): Map<string, ReadonlySet<string>> {
  return new Map(entries.map(({ id, seen }) => [id, new Set(seen)]))
}

export interface Ordinary {
  readonly ms: number
  readonly counter: number
  readonly feed: string
  readonly id: string
}

export function ordinaryOrder(entries: readonly Ordinary[]): string[] {
  const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return [...entries]
    .sort((a, b) => a.ms - b.ms || a.counter - b.counter || text(a.feed, b.feed) || text(a.id, b.id))
    .map(({ id }) => id)
}

/** Tips, bucket hashes and the heads hash of what is stored. */
export function headsOf(entries: readonly ReadEntry[]) {
  const followed = new Set(entries.map(({ prev }) => prev))
  const tips = entries.filter(({ id }) => !followed.has(id))
  const buckets = Array.from({ length: 64 }, (_, bucket) => {
    const heads = tips
      .filter(({ incarnation }) => (bytesOf(incarnation)[0] ?? 0) % 64 === bucket)
      .map(({ author, incarnation, seq, id }) =>
        concat(author, bytesOf(incarnation), bytesOf(seq.toString(16).padStart(16, '0')), bytesOf(id)),
      )
      .sort(Buffer.compare)
    return heads.length === 0 ? new Uint8Array(16) : sha256(...heads).slice(0, 16)
  })
  return {
    tips: tips.map(({ feed, seq, id }) => ({ feed, seq, id })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    buckets: hex(concat(...buckets)),
    hash: hex(sha256(concat(...buckets))),
  }
}
