/** What hostile members do. Some of it would be refused by their own node; all of it is validly signed where it can be. */
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import {
  deriveEpochKeys,
  generateSigningKey,
  proveKey,
  type SigningKey,
  sha256,
  sign,
} from '../../packages/core/src/crypto/index.ts'
import {
  type BranchId,
  type EntryId,
  type FileId,
  feedIncarnation,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
  toHex,
} from '../../packages/core/src/ids.ts'
import { type Entry, frontier, SEEN_MAX } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import { EvilFeed, type Hand, inject, type WriteOptions } from './evil-feed.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

type Evil = (pen: Pen) => void

/** What a hostile act has at hand. */
class Pen {
  readonly world: World
  readonly node: SimNode
  readonly feed: EvilFeed

  constructor(world: World, node: SimNode, feed: EvilFeed) {
    this.world = world
    this.node = node
    this.feed = feed
  }

  get random() {
    return this.world.random
  }

  state() {
    return this.node.up.state
  }

  /** To everybody, or to those whom chance picks. */
  send(entries: readonly Entry[], some = false): void {
    const chosen = some ? new Set(this.world.running().filter(() => this.random.chance(0.5))) : null
    this.world.trace(`${this.node.name} signs ${entries.map(({ kind, id }) => `${kind} ${id.slice(0, 8)}`).join(', ')}`)
    inject(this.node, entries, (peer) => chosen === null || chosen.has(peer), this.world.running())
  }

  /** What it truly has seen, or less. */
  seen(): EntryId[] {
    const control = this.node.up.ledger.control()
    const choice = this.random.weighted({ all: 6, nothing: 2, old: 3 })
    if (choice === 'nothing') return []
    const known = choice === 'all' ? control : control.slice(0, 1 + this.random.below(control.length))
    return frontier(known).slice(0, SEEN_MAX)
  }

  control(kind: string, body: CborValue, options: WriteOptions = {}): void {
    this.send([this.feed.write(kind, body, { seen: this.seen(), ...options })], this.random.chance(0.3))
  }

  member() {
    return this.random.pick([...this.state().membership().members.values()].filter(({ node }) => node !== this.node.id))
  }

  file():
    | { file: FileId; author: Uint8Array; salt: Uint8Array; head: EntryId; epoch: number; owner: BranchId }
    | undefined {
    return this.random.pick(this.state().files({}, { limit: 200 }).items)
  }

  branch(): BranchId {
    return this.node.up.members.get(this.node.id)?.branch ?? ('00'.repeat(32) as BranchId)
  }

  content(): CborValue {
    return { root: this.random.bytes(32), size: 5, chunk: 1 << 20 }
  }

  id(): Uint8Array {
    return this.random.bytes(32)
  }
}

function changeBody(pen: Pen, kind: string): CborValue | null {
  const target = pen.file()
  if (target === undefined) return null
  const on = { file: idBytes(target.file), builds: idBytes(target.head) }
  if (kind !== 'update') return on
  return { ...on, content: pen.content(), epoch: target.epoch, meta: pen.id() }
}

const changeOthers: Evil = (pen) => {
  const kind = pen.random.pick(['update', 'update', 'trash', 'purge', 'restore']) ?? 'update'
  const body = changeBody(pen, kind)
  if (body === null) return
  const ms = pen.random.chance(0.4) ? { ms: pen.feed.ms + 1 } : {}
  pen.send([pen.feed.write(kind, body, ms)])
}

/** An update of its own file that builds on what is long over, or one of two that build on the same. */
const conflictOwn: Evil = (pen) => {
  const own = pen.branch()
  const target = pen.random.pick(pen.state().files({ owner: own }).items)
  const version = target === undefined ? undefined : pen.random.pick(pen.state().versions(target.file))
  if (target === undefined || version === undefined) return uploadOwn(pen)
  const on = { file: idBytes(target.file), builds: idBytes(version.entry), epoch: target.epoch }
  const one = pen.feed.write('update', { ...on, content: pen.content(), meta: pen.id() })
  const two = pen.feed.write('update', { ...on, content: pen.content(), meta: pen.id() })
  pen.send([one, two])
}

const uploadOwn: Evil = (pen) => {
  const salt = pen.random.bytes(16)
  const file = fileIdFor(pen.world.networkId, pen.node.key.publicKey, salt)
  const keys = deriveEpochKeys(pen.world.networkId, file, 1, pen.random.bytes(32))
  pen.world.vault.putEpoch(keys, { mode: 'everyone', branches: [] })
  pen.send([pen.feed.write('upload', uploadBody(pen, file, salt, keys.proof.publicKey))])
}

function uploadBody(pen: Pen, file: FileId, salt: Uint8Array, proof: Uint8Array): CborValue {
  const opens = { epoch: 1, audience: new Uint8Array(16), key: pen.random.bytes(16), wrap: pen.random.bytes(60), proof }
  return { file: idBytes(file), salt, content: pen.content(), opens, meta: pen.id() }
}

/** Somebody else's file id. */
const uploadForeign: Evil = (pen) => {
  const target = pen.file()
  if (target !== undefined) {
    pen.send([pen.feed.write('upload', uploadBody(pen, target.file, target.salt, pen.id()), { ms: pen.feed.ms + 1 })])
  }
}

const fork: Evil = (pen) => {
  const bodies = [changeBody(pen, 'update'), { weight: pen.random.below(100) }]
  const one = pen.feed.write('capacity', { weight: pen.random.below(100) }, {}, false)
  const two =
    bodies[0] === null || bodies[0] === undefined
      ? pen.feed.write('capacity', { weight: 101 + pen.random.below(100) })
      : pen.feed.write('update', bodies[0])
  pen.send([one], true)
  pen.send([two], true)
}

const fallingClock: Evil = (pen) => {
  const first = pen.feed.write('capacity', { weight: pen.random.below(100) })
  const { ms } = pen.feed
  const second = pen.feed.write('capacity', { weight: 9 }, { ms: ms - 5000 }, false)
  pen.send([first, second])
}

const future: Evil = (pen) => {
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  const ms = pen.node.up.clock.now() + pen.random.between(70_000, 400_000)
  const entries = [feed.write('capacity', { weight: pen.random.below(50) }, { ms })]
  if (pen.random.chance(0.5)) entries.push(feed.write('capacity', { weight: 3 }, { ms: ms + 1 }))
  pen.send(entries)
}

const namesNothing: Evil = (pen) => {
  const target = pen.member()
  if (target === undefined) return
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  pen.send([feed.write('quarantine', { node: target.key }, { seen: [toHex(pen.id()) as EntryId] })])
}

const malformed: Evil = (pen) => {
  const body = pen.random.pick<CborValue>([{}, { file: 'x' }, { weight: -1 }, { node: new Uint8Array(3) }]) ?? {}
  const kind = pen.random.pick(['update', 'capacity', 'role', 'admit', 'nonsense', 'offer']) ?? 'update'
  pen.control(kind, body)
}

/** Entries that no honest node may store: another network's, another author's, unsigned, tampered. */
const forged: Evil = (pen) => {
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

function handOf(node: SimNode, key: SigningKey): Hand {
  return { random: node.random, up: node.up, key }
}

const fakeRecovery: Evil = (pen) => {
  const target = pen.random.chance(0.5) ? pen.node.key.publicKey : pen.member()?.key
  if (target === undefined) return
  pen.control('role', { node: target, role: 'admin' }, { cosignWith: generateSigningKey() })
}

const seizePower: Evil = (pen) => {
  const target = pen.random.chance(0.5) ? pen.node.key.publicKey : pen.member()?.key
  if (target !== undefined) pen.control('role', { node: target, role: pen.random.chance(0.7) ? 'admin' : 'member' })
}

const strike: Evil = (pen) => {
  const admins = pen.node.up.members.admins().filter(({ node }) => node !== pen.node.id)
  const target = pen.random.pick(admins) ?? pen.member()
  if (target === undefined) return
  const kind = pen.random.pick(['quarantine', 'expel', 'expel', 'role']) ?? 'expel'
  const bodies: Record<string, CborValue> = {
    quarantine: { node: target.key },
    expel: { node: target.key, cuts: pen.random.chance(0.5) ? [] : cutsOf(pen, target.node) },
    role: { node: target.key, role: 'member' },
  }
  pen.control(kind, bodies[kind] ?? {})
}

function cutsOf(pen: Pen, node: NodeId): [Uint8Array, number, Uint8Array][] {
  const prefix = toHex(publicKeyFromNodeId(node))
  const heads = pen.node.up.ledger.heads().filter(({ feed }) => feed.startsWith(prefix))
  return heads.map(({ feed, seq, id }) => [feedIncarnation(feed), seq, idBytes(id)])
}

/** Lets in a machine of its own by an invite that it has not, or has not the right to. */
const smuggle: Evil = (pen) => {
  const { world, node } = pen
  const newcomer = world.newKey()
  const key = world.newKey()
  const seen = pen.seen()
  const known = pen.random.pick(world.tickets)
  const usesKnown = known !== undefined && pen.random.chance(0.5)
  const invite = usesKnown
    ? null
    : pen.feed.write(
        'invite',
        { key: key.publicKey, branch: 'Sombra', role: 'admin', expires: node.up.clock.now() + 3_600_000 },
        { seen },
      )
  const id = invite?.id ?? known?.id
  if (id === undefined) return
  const sealing = pen.id()
  const signer = usesKnown && pen.random.chance(0.5) ? known.key : key
  const body = {
    invite: idBytes(id),
    node: newcomer.publicKey,
    sealing,
    proof: sign(signer, 'invite', world.networkId, newcomer.publicKey, sealing),
    accepts: sign(newcomer, 'join', world.networkId, idBytes(id), sealing),
  }
  const admit = pen.feed.write('admit', body, { seen })
  pen.send(invite === null ? [admit] : [invite, admit])
}

/** An admin's machine appoints one of its own, and both throw out somebody: two votes that are one. */
const puppets: Evil = (pen) => {
  const { world, node } = pen
  const target = pen.random.pick(node.up.members.admins().filter((each) => each.node !== node.id))
  if (target === undefined) return
  const [puppet, key] = [world.newKey(), world.newKey()]
  const seen = frontier(node.up.ledger.control()).slice(0, SEEN_MAX)
  const expires = node.up.clock.now() + 3_600_000
  const invite = pen.feed.write('invite', { key: key.publicKey, branch: 'Sombra', role: 'admin', expires }, { seen })
  const sealing = pen.id()
  const admit = pen.feed.write(
    'admit',
    {
      invite: idBytes(invite.id),
      node: puppet.publicKey,
      sealing,
      proof: sign(key, 'invite', world.networkId, puppet.publicKey, sealing),
      accepts: sign(puppet, 'join', world.networkId, idBytes(invite.id), sealing),
    },
    { seen },
  )
  const second = new EvilFeed(handOf(node, puppet), world.networkId)
  const body = { node: target.key, cuts: cutsOf(pen, target.node) }
  const votes = [
    pen.feed.write('expel', body, { seen: [admit.id] }),
    second.write('expel', body, { seen: [admit.id], ms: pen.feed.ms + 1 }),
  ]
  pen.send([invite, admit, ...votes])
}

const grab: Evil = (pen) => {
  const target = pen.file()
  if (target === undefined) return
  const { file, author, salt } = target
  const ref = { file: idBytes(file), author, salt }
  const open = pen.random.pick([...pen.state().offered()])
  const choice = pen.random.weighted({ accept: 3, adopt: 2, offer: 2, assign: 1, cancel: 2, decline: 1, draw: 2 })
  const departure = pen.random.pick([...pen.state().membership().departures.values()])
  switch (choice) {
    case 'accept':
      if (open?.offer == null) return
      return pen.control('accept', {
        of: idBytes(open.offer.entry),
        files: [
          {
            file: idBytes(open.file),
            author: open.author,
            salt: open.salt,
            proof: proofOf(pen, open.file, open.epoch, idBytes(open.offer.entry)),
          },
        ],
      })
    case 'adopt':
      return pen.control('adopt', { ...ref, proof: proofOf(pen, file, target.epoch) })
    case 'offer':
      return pen.control('offer', { ...ref, to: idBytes(pen.branch()), builds: idBytes(target.head) })
    case 'assign':
      return pen.control('assign', { ...ref, to: idBytes(pen.branch()) })
    case 'cancel':
    case 'decline':
      if (open?.offer == null) return
      return pen.control(choice, { of: idBytes(open.offer.entry), file: idBytes(open.file) })
    case 'draw':
      if (departure === undefined) return
      return pen.control('accept', {
        of: idBytes(departure.seed),
        files: [{ ...ref, proof: proofOf(pen, file, target.epoch, idBytes(departure.seed)) }],
      })
  }
}

/** The proof of a key that it has; of one that it has not, something made up. */
function proofOf(pen: Pen, file: FileId, epoch: number, ...parts: Uint8Array[]): Uint8Array {
  const held = pen.node.up.standIns.keyring.fileKey(file, epoch)
  const keys = held ?? deriveEpochKeys(pen.world.networkId, file, epoch, pen.random.bytes(32))
  return proveKey(keys, ...parts, idBytes(pen.branch()))
}

/** Its own file to two branches, neither of which learns of the other's offer first. */
const offerTwice: Evil = (pen) => {
  const own = pen.branch()
  const target = pen.random.pick(pen.state().files({ owner: own, states: ['live'] }).items)
  const branches = pen.random.shuffle(
    [...pen.state().membership().branches.values()].filter(({ id, state }) => id !== own && state === 'member'),
  )
  const [first, second] = branches
  if (target === undefined || first === undefined || second === undefined) return uploadOwn(pen)
  const seen = frontier(pen.node.up.ledger.control()).slice(0, SEEN_MAX)
  const ref = { file: idBytes(target.file), author: target.author, salt: target.salt, builds: idBytes(target.head) }
  const one = pen.feed.write('offer', { ...ref, to: idBytes(first.id) }, { seen }, false)
  const two = pen.feed.write('offer', { ...ref, to: idBytes(second.id) }, { seen })
  pen.send([one], true)
  pen.send([two], true)
}

/** Takes back an offer as if it had not seen the acceptance. */
const cancelLate: Evil = (pen) => {
  const own = pen.branch()
  const control = pen.node.up.ledger.control()
  const accepted = pen.random.pick(control.filter(({ kind }) => kind === 'accept'))
  const of = accepted === undefined ? undefined : (accepted.body as { of?: Uint8Array; files?: { file: Uint8Array }[] })
  if (of?.of === undefined || of.files?.[0] === undefined) return
  const offer = control.find(({ id }) => id === idFrom<EntryId>(of.of ?? new Uint8Array(32)))
  if (offer === undefined || pen.node.up.members.get(offer.author)?.branch !== own) return
  pen.control('cancel', { of: of.of, file: of.files[0].file }, { seen: [offer.id] })
}

const replay: Evil = (pen) => {
  const { ledger } = pen.node.up
  const page = ledger.page(pen.random.below(ledger.count()), 20)
  pen.send(page.map(({ entry }) => entry))
}

const evils = {
  changeOthers,
  conflictOwn,
  uploadOwn,
  uploadForeign,
  fork,
  fallingClock,
  future,
  namesNothing,
  malformed,
  forged,
  fakeRecovery,
  seizePower,
  strike,
  smuggle,
  grab,
  offerTwice,
  cancelLate,
  replay,
  puppets,
} satisfies Record<string, Evil>

const WEIGHTS: Record<keyof typeof evils, number> = {
  changeOthers: 8,
  conflictOwn: 5,
  uploadOwn: 4,
  uploadForeign: 2,
  fork: 4,
  fallingClock: 2,
  future: 3,
  namesNothing: 3,
  malformed: 3,
  forged: 4,
  fakeRecovery: 2,
  seizePower: 4,
  strike: 6,
  smuggle: 4,
  grab: 8,
  offerTwice: 4,
  cancelLate: 2,
  replay: 2,
  puppets: 2,
}

const feeds = new WeakMap<SimNode, EvilFeed>()

export function actHostilely(world: World, node: SimNode): void {
  let feed = feeds.get(node)
  if (feed === undefined || world.random.chance(0.05)) {
    feed = new EvilFeed(node, world.networkId)
    feeds.set(node, feed)
  }
  const name = world.random.weighted(WEIGHTS)
  world.trace(`${node.name} tries ${name}`)
  evils[name](new Pen(world, node, feed))
}
