/** Last situations of a run, about files: who owns one, and what an owner may not do. */
import { OFFER_OPEN_MS } from '../../packages/core/src/catalogue/index.ts'
import { deriveEpochKeys } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, EVERYONE, idBytes, idFrom } from '../../packages/core/src/ids.ts'
import { uploadBody } from './hostile-files.ts'
import { adminAmong, enrol, ground, type SignedFile, type Signer, seenBy, tellAll, updateBody } from './signer.ts'
import type { SimNode } from './sim-node.ts'
import { gather } from './stage.ts'
import type { World } from './world.ts'

const HOUR_MS = 3_600_000

interface Party {
  readonly admin: SimNode
  readonly owner: Signer
  readonly receiver: Signer
  readonly third: Signer
  /** an admin */
  readonly judge: Signer
}

/** Offers that are taken back, answered all the same, meddled with, and assigned when they are old enough. */
export async function bargains(world: World): Promise<void> {
  const admin = await adminAmong(world)
  if (admin === null) return
  const owner = await enrol(world, admin, 'member')
  const receiver = await enrol(world, admin, 'member')
  const third = await enrol(world, admin, 'member')
  const judge = await enrol(world, admin, 'admin')
  if (owner === null || receiver === null || third === null || judge === null) return
  const party = { admin, owner, receiver, third, judge }
  contend(world, party)
  takeBack(world, party)
  wait(world, party)
  await gather(world)
}

/** Two changes that build on one; somebody else's upload of that file, from long before; changes of what is offered. */
function contend(world: World, { admin, owner, receiver, third }: Party): void {
  const feed = owner.newFeed()
  const file = owner.upload(feed)
  const next = updateBody(world, file, file.upload.id)
  const [one, two] = [feed.write('update', next), feed.write('update', updateBody(world, file, file.upload.id))]
  const body = uploadBody(world.random, file.file, file.ref.salt, world.random.bytes(32))
  const foreign = third.newFeed().write('upload', body, { ms: 1 })
  const offer = feed.write('offer', offerOf(file, receiver, one.id), { seen: seenBy(admin) })
  const frozen = feed.write('update', updateBody(world, file, one.id))
  const about = { of: idBytes(offer.id), file: file.ref.file }
  const meddling = third.newFeed()
  const cancel = meddling.write('cancel', about, { seen: [offer.id] })
  const decline = meddling.write('decline', about, { seen: [offer.id] })
  tellAll(world, admin, [file.upload, one, two, foreign, offer, frozen, cancel, decline])
}

/** It knows that the offer was taken back, and accepts it. */
function takeBack(world: World, { admin, owner, receiver }: Party): void {
  const feed = owner.newFeed()
  const file = owner.upload(feed)
  const offer = feed.write('offer', offerOf(file, receiver, file.upload.id), { seen: seenBy(admin) })
  const cancel = feed.write('cancel', { of: idBytes(offer.id), file: file.ref.file }, { seen: [offer.id] })
  const accept = receiver.newFeed().write('accept', receiver.acceptance(offer.id, file), { seen: [cancel.id] })
  tellAll(world, admin, [file.upload, offer, cancel, accept])
}

/** Two offers of more than seven days ago are assigned; one was taken back just before, which the admin did not know. */
function wait(world: World, { admin, owner, receiver, third, judge }: Party): void {
  const long = admin.up.clock.now() - OFFER_OPEN_MS - HOUR_MS
  for (const isTakenBack of [false, true]) {
    const feed = owner.newFeed()
    const file = owner.upload(feed, long)
    const offer = feed.write('offer', offerOf(file, receiver, file.upload.id), { ms: long + 1, seen: seenBy(admin) })
    const about = { of: idBytes(offer.id), file: file.ref.file }
    // the admin has seen what comes after the other's act, and not that act
    const between = third.newFeed().write('cancel', about, { seen: [offer.id] })
    const cancel = ground(feed, 'cancel', about, [offer.id], (id) => id < between.id)
    const assign = judge.newFeed().write('assign', { ...file.ref, to: idBytes(third.branch) }, { seen: [between.id] })
    const meddling = third.newFeed().write('cancel', { ...about, of: idBytes(assign.id) }, { seen: [assign.id] })
    tellAll(world, admin, [file.upload, offer, between, ...(isTakenBack ? [cancel] : []), assign, meddling])
  }
}

function offerOf({ ref }: SignedFile, { branch }: Signer, builds: SignedFile['upload']['id']) {
  return { ...ref, to: idBytes(branch), builds: idBytes(builds) }
}

/** What an owner writes and may not: in the trash, after a purge, in access epochs that there are not, offers upon offers. */
export async function disorder(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const owner = admin === null ? null : await enrol(world, admin, 'member')
  const receiver = admin === null ? null : await enrol(world, admin, 'member')
  const third = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || owner === null || receiver === null || third === null) return
  const party = { admin, owner, receiver, third }
  bury(world, party)
  confuse(world, party)
  promise(world, party)
  unlock(world, party)
  await gather(world)
}

type Parties = Omit<Party, 'judge'>

function bury(world: World, { admin, owner }: Parties): void {
  const feed = owner.newFeed()
  for (const end of ['trash', 'purge']) {
    const file = owner.upload(feed)
    const buried = feed.write(end, onto(file, file.upload.id))
    const dug = feed.write('update', updateBody(world, file, buried.id))
    const back = feed.write('restore', onto(file, buried.id))
    tellAll(world, admin, [file.upload, buried, dug, back])
  }
}

/** The next access epoch but one; a conflict version in one that never was; a version of old, back with its box. */
function confuse(world: World, { admin, owner }: Parties): void {
  const { random, networkId, vault } = world
  const feed = owner.newFeed()
  const file = owner.upload(feed)
  const keys = deriveEpochKeys(networkId, file.file, 2, random.bytes(32))
  vault.putEpoch(keys, { mode: 'everyone', branches: [] })
  const opens = {
    audience: new Uint8Array(16),
    key: random.bytes(16),
    wrap: random.bytes(60),
    proof: keys.proof.publicKey,
  }
  const share = (builds: EntryId, epoch: number) =>
    feed.write('share', { ...onto(file, builds), opens: { ...opens, epoch }, meta: random.bytes(32) })
  const skipped = share(file.upload.id, 3)
  const shared = share(file.upload.id, 2)
  const far = feed.write('update', { ...updateBody(world, file, file.upload.id), epoch: 9 })
  const back = feed.write('restore', { ...onto(file, shared.id), version: 1 })
  tellAll(world, admin, [file.upload, skipped, shared, far, back])
}

/** A second offer while the first is open; one by what the file never was. */
function promise(world: World, { admin, owner, receiver, third }: Parties): void {
  const feed = owner.newFeed()
  const [twice, never] = [owner.upload(feed), owner.upload(feed)]
  const seen = seenBy(admin)
  const first = feed.write('offer', offerOf(twice, receiver, twice.upload.id), { seen })
  const second = feed.write('offer', offerOf(twice, third, twice.upload.id), { seen: [first.id] })
  const made = idFrom<EntryId>(world.random.bytes(32))
  const other = feed.write('offer', offerOf(never, receiver, made), { seen })
  tellAll(world, admin, [twice.upload, never.upload, first, second, other])
}

/** Keys of everybody's audience that no key of it has signed. */
function unlock(world: World, { admin, third }: Parties): void {
  const { random } = world
  const known = admin.up.state.audience(EVERYONE)?.keys.at(-1)?.key
  const feed = third.newFeed()
  const key = () => ({
    audience: idBytes(EVERYONE),
    key: random.bytes(16),
    proof: random.bytes(32),
    grants: random.bytes(32),
  })
  // as if it were the first of all, and as the next
  const early = feed.write('audience', key(), { ms: 1 })
  const free = feed.write('audience', key())
  const renews = known === undefined ? undefined : { key: idBytes(known), signature: random.bytes(64) }
  const signed = renews === undefined ? [] : [feed.write('audience', { ...key(), renews })]
  tellAll(world, admin, [early, free, ...signed])
}

function onto({ file }: SignedFile, builds: EntryId) {
  return { file: idBytes(file), builds: idBytes(builds) }
}
