/** Last situations of a run, about who owns a file and how entries get about. */
import { OFFER_OPEN_MS } from '../../packages/core/src/catalogue/index.ts'
import { idBytes } from '../../packages/core/src/ids.ts'
import { uploadBody } from './hostile-files.ts'
import { adminAmong, enrol, ground, type SignedFile, type Signer, seenBy, tellAll, updateBody } from './signer.ts'
import { CALM } from './sim-network.ts'
import type { SimNode } from './sim-node.ts'
import { gather, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700
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
    tellAll(world, admin, [file.upload, offer, between, ...(isTakenBack ? [cancel] : []), assign])
  }
}

function offerOf({ ref }: SignedFile, { branch }: Signer, builds: SignedFile['upload']['id']) {
  return { ...ref, to: idBytes(branch), builds: idBytes(builds) }
}

/** What was lost on the way is found by comparing, also where nobody writes anything after it. */
export async function quiet(world: World): Promise<void> {
  const crew = await gather(world)
  const [node] = crew
  if (node === undefined) return
  world.network.weather = { ...CALM, loss: 1 }
  const before = node.up.ledger.count()
  await tryTo(world, node, () => node.up.ledger.append('capacity', { weight: world.random.below(64) }))
  const [written] = node.up.ledger.page(before, 1)
  await world.timeline.pass(SPREAD_MS)
  world.network.weather = CALM
  await world.timeline.pass(3 * world.headsIntervalMs)
  if (written === undefined) return
  for (const other of crew) {
    const hears = other.up.host.peers.get(node.id) === node.up.host
    if (hears && !other.up.ledger.sync.knows(written.entry))
      world.problem(`spread: ${other.name} never heard of what was lost on the way from ${node.name}`)
  }
}
