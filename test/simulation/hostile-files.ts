/** What hostile members do to files, their own and others'. */

import type { SharedFile } from '../../packages/core/src/catalogue/index.ts'
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import { deriveEpochKeys, proveKey } from '../../packages/core/src/crypto/index.ts'
import { type BranchId, type EntryId, type FileId, idBytes, idFrom } from '../../packages/core/src/ids.ts'
import { type Entry, frontier, SEEN_MAX } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import { EvilFeed } from './evil-feed.ts'
import type { Evil, Pen } from './pen.ts'
import type { Prng } from './prng.ts'

export function changeBody(pen: Pen, kind: string): CborValue | null {
  const target = pen.file()
  if (target === undefined) return null
  const on = { file: idBytes(target.file), builds: idBytes(target.head) }
  if (kind !== 'update') return on
  return { ...on, content: pen.content(), epoch: target.epoch, meta: pen.id() }
}

export const changeOthers: Evil = (pen) => {
  const kind = pen.random.pick(['update', 'update', 'trash', 'purge', 'restore']) ?? 'update'
  const body = changeBody(pen, kind)
  if (body === null) return
  const ms = pen.random.chance(0.4) ? { ms: pen.feed.ms + 1 } : {}
  pen.send([pen.feed.write(kind, body, ms)])
}

/** An update of its own file that builds on what is long over, or one of two that build on the same. */
export const conflictOwn: Evil = (pen) => {
  const own = pen.branch()
  const target = pen.random.pick(pen.state().files({ owner: own }).items)
  const version = target === undefined ? undefined : pen.random.pick(pen.state().versions(target.file))
  if (target === undefined || version === undefined) return void uploadOwn(pen)
  const on = { file: idBytes(target.file), builds: idBytes(version.entry), epoch: target.epoch }
  const one = pen.feed.write('update', { ...on, content: pen.content(), meta: pen.id() })
  const two = pen.feed.write('update', { ...on, content: pen.content(), meta: pen.id() })
  pen.send([one, two])
}

export function uploadOwn(pen: Pen): FileId {
  const salt = pen.random.bytes(16)
  const file = fileIdFor(pen.world.networkId, pen.node.key.publicKey, salt)
  const keys = deriveEpochKeys(pen.world.networkId, file, 1, pen.random.bytes(32))
  pen.world.vault.putEpoch(keys, { mode: 'everyone', branches: [] })
  pen.send([pen.feed.write('upload', uploadBody(pen.random, file, salt, keys.proof.publicKey))])
  return file
}

export function uploadBody(random: Prng, file: FileId, salt: Uint8Array, proof: Uint8Array) {
  const opens = { epoch: 1, audience: new Uint8Array(16), key: random.bytes(16), wrap: random.bytes(60), proof }
  const content = { root: random.bytes(32), size: 5, chunk: 1 << 20 }
  return { file: idBytes(file), salt, content, opens, meta: random.bytes(32) }
}

/** Somebody else's file id. */
export const uploadForeign: Evil = (pen) => {
  const target = pen.file()
  if (target !== undefined) {
    pen.send([
      pen.feed.write('upload', uploadBody(pen.random, target.file, target.salt, pen.id()), { ms: pen.feed.ms + 1 }),
    ])
  }
}

export const grab: Evil = (pen) => {
  const state = pen.state()
  const open = pen.random.pick([...state.offered()])
  const departure = pen.random.pick([...state.membership().departures.values()])
  const choice = pen.random.weighted({ accept: 4, adopt: 2, offer: 2, assign: 2, end: 3, draw: 2 })
  if ((choice === 'accept' || choice === 'end') && open?.offer == null) return
  if (choice === 'accept' && open?.offer != null) return acceptOf(pen, open, open.offer.entry)
  if (choice === 'end' && open?.offer != null) {
    const kind = pen.random.chance(0.5) ? 'cancel' : 'decline'
    return pen.control(kind, { of: idBytes(open.offer.entry), file: idBytes(open.file) })
  }
  const orphan = pen.random.pick(state.files({ states: ['orphaned'] }).items)
  const drawn = departure === undefined ? undefined : pen.random.pick([...state.filesOwnedBy(departure.branch)])
  const any = pen.file()
  const file = choice === 'draw' ? (drawn ?? any?.file) : choice === 'adopt' ? (orphan ?? any)?.file : any?.file
  const target = file === undefined ? null : state.file(file)
  if (target === null) return
  const to = idBytes(pen.branch())
  switch (choice) {
    case 'adopt':
      return adoptBy(pen, target)
    case 'offer':
      return pen.control('offer', { ...refOf(target), to, builds: idBytes(target.head) })
    case 'assign':
      return pen.control('assign', { ...refOf(target), to: open?.offer == null ? to : idBytes(open.offer.to) })
    case 'draw':
      if (departure !== undefined) return acceptOf(pen, target, departure.seed)
  }
}

export function adoptBy(pen: Pen, file: SharedFile, options: { isFalse?: boolean } = {}): void {
  pen.control('adopt', { ...refOf(file), proof: proofOf(pen, file, options) })
}

/** Its file to that branch, in a feed of its own, by a member that has seen this. */
export function offerOf(pen: Pen, file: SharedFile, to: BranchId, seen: readonly EntryId[]): Entry {
  const feed = new EvilFeed(pen.node, pen.world.networkId)
  return feed.write('offer', { ...refOf(file), to: idBytes(to), builds: idBytes(file.head) }, { seen })
}

export function refOf({ file, author, salt }: Pick<SharedFile, 'file' | 'author' | 'salt'>) {
  return { file: idBytes(file), author, salt }
}

/** @param of an offer, an assignment or the seed of a draw */
export function acceptOf(
  pen: Pen,
  file: SharedFile,
  of: EntryId,
  options: { isFalse?: boolean; seesAll?: boolean } = {},
): void {
  const proof = proofOf(pen, file, { ...options, of })
  const seen = options.seesAll === true ? frontier(pen.node.up.ledger.control()).slice(0, SEEN_MAX) : pen.seen()
  pen.control('accept', { of: idBytes(of), files: [{ ...refOf(file), proof }] }, { seen })
}

/** The proof of a key that it has; of one that it has not, and sometimes of one that it has, something made up. */
function proofOf(pen: Pen, { file, epoch }: SharedFile, options: { of?: EntryId; isFalse?: boolean } = {}): Uint8Array {
  const { of, isFalse = pen.random.chance(0.2) } = options
  const held = isFalse ? null : pen.node.up.standIns.keyring.fileKey(file, epoch)
  const keys = held ?? deriveEpochKeys(pen.world.networkId, file, epoch, pen.random.bytes(32))
  return proveKey(keys, ...(of === undefined ? [] : [idBytes(of)]), idBytes(pen.branch()))
}

/** Its own file to two branches, neither of which learns of the other's offer first. */
export const offerTwice: Evil = (pen) => {
  const own = pen.branch()
  const target = pen.random.pick(pen.state().files({ owner: own, states: ['live'] }).items)
  const branches = pen.random.shuffle(
    [...pen.state().membership().branches.values()].filter(({ id, state }) => id !== own && state === 'member'),
  )
  const [first, second] = branches
  if (target === undefined || first === undefined || second === undefined) return void uploadOwn(pen)
  const seen = frontier(pen.node.up.ledger.control()).slice(0, SEEN_MAX)
  const ref = { file: idBytes(target.file), author: target.author, salt: target.salt, builds: idBytes(target.head) }
  const one = pen.feed.write('offer', { ...ref, to: idBytes(first.id) }, { seen }, false)
  const two = pen.feed.write('offer', { ...ref, to: idBytes(second.id) }, { seen })
  pen.send([one], true)
  pen.send([two], true)
}

/** Takes back an offer as if it had not seen the acceptance. */
export const cancelLate: Evil = (pen) => {
  const own = pen.branch()
  const control = pen.node.up.ledger.control()
  const accepted = pen.random.pick(control.filter(({ kind }) => kind === 'accept'))
  const of = accepted === undefined ? undefined : (accepted.body as { of?: Uint8Array; files?: { file: Uint8Array }[] })
  if (of?.of === undefined || of.files?.[0] === undefined) return
  const offer = control.find(({ id }) => id === idFrom<EntryId>(of.of ?? new Uint8Array(32)))
  if (offer === undefined || pen.node.up.members.get(offer.author)?.branch !== own) return
  pen.control('cancel', { of: of.of, file: of.files[0].file }, { seen: [offer.id] })
}
