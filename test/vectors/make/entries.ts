/** entries.json and order.json: single entries and their verdicts, what is taken of what arrives, and in which order. */
import { kindInfo } from '../../../packages/core/src/catalogue/kind-info.ts'
import { World } from '../../../packages/core/src/catalogue/testing.ts'
import { play } from '../../../packages/core/src/catalogue/worlds/testing.ts'
import { type CborValue, encodeCbor } from '../../../packages/core/src/codec/index.ts'
import { type SigningKey, sha256, sign, signingKeyFromSeed } from '../../../packages/core/src/crypto/index.ts'
import { migrationsFolder, openDatabase } from '../../../packages/core/src/database/index.ts'
import { type EntryId, feedIncarnation, idBytes, idFrom, type NetworkId } from '../../../packages/core/src/ids.ts'
import { decodeEntry, type EntryDraft, makeEntry } from '../../../packages/core/src/ledger/entry.ts'
import {
  compareOrdinary,
  createLedger,
  type Entry,
  foldControl,
  type SignedBytes,
} from '../../../packages/core/src/ledger/index.ts'
import { ManualClock, memorySettings, nobodyAround } from '../../../packages/core/src/ledger/testing.ts'
import { createFold } from '../../../packages/core/src/membership/index.ts'
import { systemRandom } from '../../../packages/core/src/random.ts'
import { hex } from '../reader/bytes.ts'
import { filled, NETWORK } from './keys.ts'

export interface SignedHex {
  readonly bytes: string
  readonly sig: string | null
  readonly cosig: string | null
}

const hexOrNull = (bytes: Uint8Array | null) => (bytes === null ? null : hex(bytes))

export function signedHex({ bytes, sig, cosig }: SignedBytes): SignedHex {
  return { bytes: hex(bytes), sig: hexOrNull(sig), cosig: hexOrNull(cosig) }
}

function described(name: string, entry: Entry) {
  const { id, author, authorKey, feed, seq, prev, ms, counter, kind, seen, cosigned } = entry
  const fields = {
    author: hex(authorKey),
    node: author,
    incarnation: hex(feedIncarnation(feed)),
    seq,
    prev,
    ms,
    counter,
  }
  return { name, ...signedHex(entry), id, fields: { ...fields, format: cosigned ? 2 : 1, kind, seen } }
}

type Items = CborValue[]

/** Eleven items as they should be, one of them changed. */
function malformed(): { name: string; bytes: string }[] {
  const signer = signingKeyFromSeed(filled(32, 1))
  const right = (): Items => [
    1,
    idBytes(NETWORK),
    signer.publicKey,
    filled(16, 2),
    1,
    filled(32, 3),
    1_700_000_000_000,
    0,
    'capacity',
    [],
    { weight: 16 },
  ]
  const founding = (): Items => [
    1,
    new Uint8Array(32),
    signer.publicKey,
    filled(16, 2),
    0,
    null,
    1_700_000_000_000,
    0,
    'found',
    [],
    { name: 'a' },
  ]
  const at = (index: number, value: CborValue, items = right()) =>
    items.map((each, place) => (place === index ? value : each))
  const ascending = (count: number) =>
    Array.from({ length: count }, (_, index) => Uint8Array.from([index, ...new Uint8Array(31)]))
  const broken: [string, Items][] = [
    ['ten items', right().slice(0, 10)],
    ['twelve items', [...right(), 0]],
    ['format 0', at(0, 0)],
    ['format 3', at(0, 3)],
    ['a network of 31 bytes', at(1, filled(31, 1))],
    ['an author of 33 bytes', at(2, filled(33, 1))],
    ['an incarnation of 15 bytes', at(3, filled(15, 1))],
    ['a negative seq', at(4, -1)],
    ['seq 0 with a previous entry', at(4, 0)],
    ['seq 1 without a previous entry', at(5, null)],
    ['a previous entry of 31 bytes', at(5, filled(31, 1))],
    ['a time beyond any date', at(6, 8_640_000_000_000_001)],
    ['a counter of 33 bits', at(7, 2 ** 32)],
    ['an empty kind', at(8, '')],
    ['a kind in capitals', at(8, 'Capacity')],
    ['a kind that begins with a digit', at(8, '1up')],
    ['a kind of 33 characters', at(8, 'a'.repeat(33))],
    ['a kind that is no text', at(8, 7)],
    ['seen in descending order', at(9, ascending(2).reverse())],
    ['one entry seen twice', at(9, [filled(32, 1), filled(32, 1)])],
    ['65 entries seen', at(9, ascending(65))],
    ['a body that is a list', at(10, [])],
    ['a body that is bytes', at(10, filled(4, 1))],
    ['founding at seq 1', at(4, 1, at(5, filled(32, 1), founding()))],
    ['founding, having seen something', at(9, ascending(1), founding())],
    ['founding, cosigned', at(0, 2, founding())],
  ]
  const whole = encodeCbor(right())
  const raw: [string, Uint8Array][] = [
    ['cut', whole.subarray(0, -1)],
    ['a byte behind the end', Buffer.concat([whole, Uint8Array.of(0)])],
    ['an array of indefinite length', Buffer.concat([Uint8Array.of(0x9f), whole.subarray(1), Uint8Array.of(0xff)])],
    ['seq in two bytes', Buffer.from(hex(whole).replace('01582003', '1801582003'), 'hex')],
  ]
  const cases = [...broken.map(([name, items]): [string, Uint8Array] => [name, encodeCbor(items)]), ...raw]
  for (const [name, bytes] of cases) {
    let isTaken = true
    try {
      decodeEntry({ bytes, sig: null, cosig: null }, NETWORK)
    } catch (error) {
      if (!(error instanceof Error) || error.name === 'EntryForeignError') throw new Error(`foreign: ${name}`)
      isTaken = false
    }
    if (isTaken) throw new Error(`taken: ${name}`)
  }
  return cases.map(([name, bytes]) => ({ name, bytes: hex(bytes) }))
}

interface Setting {
  readonly network: NetworkId
  readonly now: number
  readonly founder: SigningKey
  readonly member: SigningKey
  readonly recovery: SigningKey
  readonly founding: readonly Entry[]
  /** the next entry of a feed */
  readonly make: (signer: SigningKey, after: Entry | null, change?: Partial<EntryDraft>, cosign?: SigningKey) => Entry
}

function setting(): Setting {
  const world = new World('acceptance')
  const ana = world.admit()
  const { network, now } = world
  const incarnation = new Map<SigningKey, number>()
  return {
    network,
    now,
    founder: world.founder.key,
    member: ana.key,
    recovery: world.recovery,
    founding: [...world.entries],
    make(signer, after, change = {}, cosign) {
      const own = incarnation.get(signer) ?? 1
      if (after === null) incarnation.set(signer, own + 1)
      const first = { incarnation: filled(16, own), seq: 0, prev: null }
      const place =
        after === null ? first : { incarnation: feedIncarnation(after.feed), seq: after.seq + 1, prev: after.id }
      const ms = after === null ? now + 1000 : after.ms + 1000
      const draft = { network, ...place, ms, counter: 0, kind: 'capacity', seen: [], body: { weight: 1 } }
      return makeEntry({ ...draft, ...change }, signer, cosign)
    },
  }
}

const spoilt = (entry: SignedBytes): SignedBytes => ({ ...entry, sig: filled(64, 1) })
const unsigned = (entry: SignedBytes): SignedBytes => ({ ...entry, sig: null })

/** What is told of it, and what arrives after the founding entry and one admission. */
function arrivals(of: Setting): [string, SignedBytes[]][] {
  const { make, member, founder, recovery, network, now } = of
  const stranger = signingKeyFromSeed(filled(32, 99))
  const feed = (signer: SigningKey, length: number, change: Partial<EntryDraft> = {}) => {
    const entries: Entry[] = []
    for (let at = 0; at < length; at++) entries.push(make(signer, entries.at(-1) ?? null, change))
    return entries
  }
  const [a = never(), b = never(), c = never(), d = never()] = feed(member, 4)
  const role = make(founder, null, { kind: 'role', body: {} })
  const act = make(founder, null, { kind: 'role', body: {} }, recovery)
  const byOther = make(founder, null, { kind: 'role', body: {} }, stranger)
  const fork = make(member, a, { body: { weight: 2 } })
  const afterFork = make(member, fork)
  const ahead = make(member, null, { ms: now + 3_600_000 })
  const admit = make(founder, null, { kind: 'admit', body: { node: stranger.publicKey } })
  const newcomer = feed(stranger, 2)
  const jumping = make(member, a, { seq: 2 })
  const otherNetwork = make(member, null, { network: NETWORK })
  const stolen = make(founder, null, { incarnation: filled(16, 200), seq: b.seq + 1, prev: b.id })
  return [
    ['a chain, each entry signed', [a, b, c, d]],
    ['the same, backwards', [d, c, b, a]],
    ['the last vouches for those before it', [unsigned(a), spoilt(b), unsigned(c), d]],
    ['up to the last valid signature', [a, b, spoilt(c), unsigned(d)]],
    ['nobody vouches', [unsigned(a), spoilt(b)]],
    ['another feed’s entry that names one does not vouch for it', [unsigned(a), unsigned(b), stolen]],
    ['copies: one with a right signature is enough', [spoilt(a), a, unsigned(a)]],
    ['a predecessor is not here', [b, c]],
    ['a seq that does not follow', [a, jumping]],
    ['nor does it vouch', [unsigned(a), jumping]],
    ['a fork: both branches stand', [a, b, fork, afterFork]],
    ['an author that nobody introduced', feed(stranger, 2)],
    ['an admission introduces, whatever its verdict', [...newcomer, admit]],
    ['a clock that does not rise', [a, make(member, a, { ms: a.ms }), make(member, a, { ms: a.ms, counter: 1 })]],
    [
      '60 seconds ahead, and a moment more',
      [make(member, null, { ms: now + 60_000 }), make(member, null, { ms: now + 60_001 })],
    ],
    [
      'what follows or names an entry that is ahead is held too',
      [
        ahead,
        make(member, ahead),
        make(founder, null, { kind: 'role', body: {}, seen: [ahead.id] }),
        make(founder, null, { kind: 'role', body: {}, seen: [a.id] }),
      ],
    ],
    ['cosigned', [act]],
    ['cosigned, the second signature taken away', [{ ...act, cosig: null }]],
    ['cosigned by another key', [byOther]],
    ['a second signature where none belongs', [{ ...role, cosig: act.cosig }]],
    ['of another network', [otherNetwork, a]],
    ['of no form', [{ ...a, bytes: a.bytes.subarray(1) }, a]],
    ['a founding entry of another network', [makeEntry(foundingDraft(), stranger), a]],
    ['again what is stored', [...of.founding, a]],
    [
      'signed for another network',
      [
        { ...a, sig: sign(member, 'entry', NETWORK, idBytes(a.id)) },
        { ...b, sig: sign(member, 'invite', network, idBytes(b.id)) },
      ],
    ],
  ]
}

function never(): Entry {
  throw new Error('no entry')
}

function foundingDraft(): EntryDraft {
  const body = { name: 'other', branch: 'x', sealing: filled(32, 1), recovery: filled(32, 2), policy: {}, rules: 1 }
  return {
    network: null,
    incarnation: filled(16, 1),
    seq: 0,
    prev: null,
    ms: 1,
    counter: 0,
    kind: 'found',
    seen: [],
    body,
  }
}

interface Arrival {
  readonly network: NetworkId
  readonly now: number
  readonly before: readonly SignedBytes[]
  readonly arriving: readonly SignedBytes[]
}

/** A ledger that executes nothing: what is taken does not depend on what it means. */
export function takenByLedger({ network, now, before, arriving }: Arrival) {
  const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
  const ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer: signingKeyFromSeed(filled(32, 250)),
    clock: new ManualClock(now),
    random: systemRandom,
    kinds: kindInfo,
    apply: () => {},
    ...nobodyAround,
  })
  try {
    ledger.ingest(before.map(({ bytes, sig, cosig }) => ({ bytes, sig, cosig })))
    let last = ledger.ingest(arriving)
    const taken = () => ledger.count() + ledger.held().length
    for (let known = -1, idle = 0; idle < 2; known = taken()) {
      last = ledger.ingest(arriving)
      idle = taken() === known ? idle + 1 : 0
    }
    const stored = ledger.page(before.length, 10_000).map(({ entry }) => entry.id)
    const held = ledger.held().map(({ id }) => id)
    const refused = last.refused.flatMap(({ id, code }) => (id === null ? [] : [{ id, code }]))
    const bad = last.refused.flatMap(({ id, code }) => (id === null ? [code] : []))
    return {
      stored: stored.sort(),
      held: held.sort(),
      refused: [...new Map(refused.map((each) => [each.id, each])).values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      /** of those that are not even entries of this network */
      rejected: bad.sort(),
      missing: [...last.missing].sort(),
    }
  } finally {
    ledger.close()
    db.close()
  }
}

export function makeEntries() {
  const world = new World('entries')
  const ana = world.admit({ role: 'admin' })
  const file = ana.upload()
  ana.update(file, { opens: true })
  ana.write('role', { node: ana.key.publicKey, role: 'admin' }, { cosigned: true })
  ana.write('no-kind-of-ours', { anything: [1, 'two', null, { deep: true }] })
  ana.openFeed()
  ana.write('capacity', { weight: 4096 }, { ms: 8_640_000_000_000_000 })
  const of = setting()
  return {
    network: world.network,
    recovery: hex(world.recovery.publicKey),
    valid: world.entries.map((entry) => described(entry.kind, entry)),
    malformed: { network: NETWORK, entries: malformed() },
    arrivals: {
      network: of.network,
      recovery: hex(of.recovery.publicKey),
      /** the local time of who takes them, ms */
      now: of.now,
      before: of.founding.map(signedHex),
      cases: arrivals(of).map(([name, arriving]) => ({
        name,
        arriving: arriving.map(signedHex),
        result: takenByLedger({ ...of, before: of.founding, arriving }),
      })),
    },
  }
}

/** The fold, step by step: which entries were ready, with which rank, and which came first. */
export function controlSteps(entries: readonly Entry[]) {
  const control = entries.filter(({ kind }) => kindInfo(kind)?.isControl === true)
  const ranks = new Map<EntryId, number[]>()
  const steps: { first: EntryId; ready: { id: EntryId; rank: number[] }[] }[] = []
  const { order, waiting } = foldControl({
    entries: control,
    initial: createFold(),
    apply(fold, entry) {
      // one that is ready alone is not asked for its rank
      if (ranks.size === 0) ranks.set(entry.id, fold.rank(entry))
      steps.push({ first: entry.id, ready: [...ranks].map(([id, rank]) => ({ id, rank })).sort(byId) })
      ranks.clear()
      return fold.apply(entry)
    },
    rank(fold, entry) {
      const rank = fold.rank(entry)
      ranks.set(entry.id, rank)
      return rank
    },
  })
  return { order: order.map(({ id }) => id), steps, waiting: waiting.map(({ id }) => id) }
}

export function makeOrder() {
  const pauses = [0, 1, 2]
  const script = (
    [
      'admit',
      'quarantine',
      'appoint',
      'demote',
      'claimIgnorance',
      'expel',
      'recover',
      'openFeed',
      'update',
      'clone',
    ] as const
  ).flatMap((action, at) =>
    pauses.map((pause) => ({
      actor: at + pause,
      action,
      file: at,
      other: at * 3 + pause,
      pause: pause % 2,
      sync: pause === 2,
    })),
  )
  const { world } = play(script, 'order')
  const control = world.entries.filter(({ kind }) => kindInfo(kind)?.isControl === true)
  const ordinary = world.entries.filter((entry) => !control.includes(entry))
  const ties = Array.from({ length: 6 }, (_, at) => ({
    ms: 5 + (at >> 2),
    counter: (at >> 1) & 1,
    feed: `${hex(filled(32, 9 - at))}/${hex(filled(16, at))}` as Entry['feed'],
    id: idFrom<EntryId>(sha256(Uint8Array.of(at))),
  }))
  const keys = [...ordinary.map(({ ms, counter, feed, id }) => ({ ms, counter, feed, id })), ...ties]
  return {
    control: {
      entries: control
        .map(({ id, feed, seq, seen, kind, cosigned }) => ({ id, feed, seq, seen, kind, cosigned }))
        .sort(byId),
      ...controlSteps(control),
    },
    ordinary: {
      entries: [...keys].sort(byId),
      order: [...keys].sort(compareOrdinary).map(({ id }) => id),
    },
  }
}

function byId(a: { id: EntryId }, b: { id: EntryId }): number {
  return a.id < b.id ? -1 : 1
}
