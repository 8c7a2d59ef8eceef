/** Entries as hostile members form them: forks, false times, false signatures, forms that are none. */
import { type CborValue, decodeCbor, encodeCbor } from '../../packages/core/src/codec/index.ts'
import { generateSigningKey, type SigningKey, sha256, sign } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, type NetworkId, toHex } from '../../packages/core/src/ids.ts'
import type { Entry, SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { EvilFeed } from './evil-feed.ts'
import { changeBody } from './hostile-files.ts'
import { type Evil, handOf, type Pen } from './pen.ts'

/** Two branches of one feed, of any length each: the ends of the shorter lie below those of the longer. */
export const fork: Evil = (pen) => {
  const change = pen.random.chance(0.5) ? changeBody(pen, 'update') : null
  const [one, two] = branches(pen, pen.random.between(1, 4), pen.random.between(1, 4), change)
  pen.send(one, true)
  pen.send(two, true)
}

/** @param change first entry of the second branch, instead of a capacity */
export function branches(pen: Pen, first: number, second: number, change: CborValue | null = null): [Entry[], Entry[]] {
  const { seq, prev, ms } = pen.feed
  const capacity = () => pen.feed.write('capacity', { weight: pen.random.below(100) })
  const one = Array.from({ length: first }, capacity)
  Object.assign(pen.feed, { seq, prev, ms })
  const two = change === null ? [] : [pen.feed.write('update', change)]
  while (two.length < second) two.push(capacity())
  return [one, two]
}

export const fallingClock: Evil = (pen) => {
  const first = pen.feed.write('capacity', { weight: pen.random.below(100) })
  const { ms } = pen.feed
  const second = pen.feed.write('capacity', { weight: 9 }, { ms: ms - 5000 }, false)
  pen.send([first, second])
}

export const future: Evil = (pen) => {
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  const ms = pen.node.up.clock.now() + pen.random.between(70_000, 400_000)
  const entries = [feed.write('capacity', { weight: pen.random.below(50) }, { ms })]
  if (pen.random.chance(0.5)) entries.push(feed.write('capacity', { weight: 3 }, { ms: ms + 1 }))
  pen.send(entries)
}

/** A control entry of tomorrow, and another one, of now, that has seen it. */
export const namesFuture: Evil = (pen) => {
  const target = pen.member()
  if (target === undefined) return
  const [late, now] = [new EvilFeed(pen.node, pen.world.networkId), new EvilFeed(pen.node, pen.world.networkId)]
  const ms = pen.node.up.clock.now() + pen.random.between(70_000, 200_000)
  const named = late.write('quarantine', { node: target.key }, { ms, seen: pen.seen() })
  const naming = now.write('release', { node: target.key }, { seen: [named.id] })
  pen.send([named, naming, now.write('release', { node: target.key }, { seen: [naming.id] })])
}

export const namesNothing: Evil = (pen) => {
  const target = pen.member()
  if (target === undefined) return
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  pen.send([feed.write('quarantine', { node: target.key }, { seen: [toHex(pen.id()) as EntryId] })])
}

export const malformed: Evil = (pen) => {
  const body = pen.random.pick<CborValue>([{}, { file: 'x' }, { weight: -1 }, { node: new Uint8Array(3) }]) ?? {}
  const kind = pen.random.pick(['update', 'capacity', 'role', 'admit', 'nonsense', 'offer']) ?? 'update'
  pen.control(kind, body)
}

/** As the format says; a fault in the sources must not change what is tried. */
const ENTRY_BYTES = 65_536

/** Validly signed, and not of the one form that an entry has: several, each by itself. */
export const misshapen: Evil = (pen) => {
  for (const kind of pen.random.shuffle(SHAPES).slice(0, 3)) misshape(pen, kind)
}

const SHAPES = ['large', 'long', 'unsorted', 'format', 'place', 'words'] as const

function misshape(pen: Pen, kind: (typeof SHAPES)[number]): void {
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  const entry = feed.write('capacity', { weight: pen.random.below(100) })
  const [a, b] = [pen.id(), pen.id()].sort(Buffer.compare)
  const changed: Record<typeof kind, readonly [number, CborValue] | null> = {
    large: [10, { weight: 1, more: pen.random.bytes(ENTRY_BYTES) }],
    long: null,
    unsorted: [9, [b ?? null, a ?? null]],
    format: [0, 3],
    place: [4, 1],
    words: [8, 'Capacity\u001b[2J'],
  }
  pen.sendBytes([reshaped(entry, changed[kind], pen.node.key, pen.world.networkId)])
}

/**
 * The entry in another form, validly signed for this network.
 * @param change which item becomes what; null: a number takes more bytes than it needs, means the same, and has another hash
 */
export function reshaped(
  { bytes }: Entry,
  change: readonly [number, CborValue] | null,
  key: SigningKey,
  network: NetworkId,
): SignedBytes {
  const items = decodeCbor(bytes, ENTRY_BYTES)
  if (!Array.isArray(items)) throw new TypeError('an entry is a list')
  if (change !== null) items[change[0]] = change[1]
  const encoded = encodeCbor(items)
  const formed = change === null ? Buffer.concat([Buffer.from([0x98, items.length]), encoded.subarray(1)]) : encoded
  return { bytes: formed, sig: sign(key, 'entry', network, sha256(formed)), cosig: null }
}

/** Entries that no honest node may store: another network's, another author's, unsigned, tampered. */
export const forged: Evil = (pen) => {
  const victim = pen.random.pick(pen.world.honest())
  if (victim === undefined) return
  const choice = pen.random.weighted({ foreign: 2, inName: 3, chained: 3, stranger: 2 })
  if (choice === 'foreign') {
    const other = toHex(sha256(pen.random.bytes(8))) as NetworkId
    return pen.send([pen.feed.write('capacity', { weight: 77 }, { network: other })])
  }
  if (choice === 'stranger') {
    const key = generateSigningKey()
    const stranger = new EvilFeed(handOf(pen.node, key), pen.world.networkId)
    return pen.send([stranger.write('capacity', { weight: 78 })])
  }
  // an entry in the victim's name, signed by nobody who may; a true one of our own may try to vouch for it
  const inName = new EvilFeed(
    handOf(pen.node, { ...pen.node.key, publicKey: victim.key.publicKey }),
    pen.world.networkId,
  )
  const forgery = inName.write('role', { node: pen.node.key.publicKey, role: 'admin' }, { seen: pen.seen() })
  const unsigned = { ...forgery, sig: choice === 'inName' ? forgery.sig : null }
  if (choice === 'inName') return pen.send([unsigned])
  const voucher = new EvilFeed(pen.node, pen.world.networkId)
  voucher.seq = 1
  voucher.prev = forgery.id
  pen.send([unsigned, voucher.write('capacity', { weight: 79 })])
}

export const replay: Evil = (pen) => {
  const { ledger } = pen.node.up
  const page = ledger.page(pen.random.below(ledger.count()), 20)
  pen.send(page.map(({ entry }) => entry))
}
