/** Last situations of a run, about who belongs and who decides: a few members without machines try what they may not. */
import { generateSigningKey } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, idBytes } from '../../packages/core/src/ids.ts'
import { formatRecoveryKey } from '../../packages/core/src/membership/index.ts'
import type { EvilFeed } from './evil-feed.ts'
import { invite, publish } from './honest.ts'
import { reshaped } from './hostile-forms.ts'
import { admission, someInvite } from './hostile-members.ts'
import { adminAmong, enrol, feedOf, ground, type Signer, seenBy, tellAll, updateBody } from './signer.ts'
import type { SimNode } from './sim-node.ts'
import { gather, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700
/** Longer than an admission may be late. */
const EXPIRED_MS = 11 * 60_000
/** Rules that no software has. */
const FAR_RULES = 1000
const BESIDE = 4

/** A plain member tries all that only admins may, and lets in whom it may not; another goes on in quarantine. */
export async function outlaws(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const plain = admin === null ? null : await enrol(world, admin, 'member')
  const struck = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || plain === null || struck === null) return
  await tryTo(world, admin, () => admin.up.commands.quarantine(struck.id))
  await usurp(world, admin, plain, struck)
  giveAway(world, admin, struck, plain)
  await smuggle(world, admin, plain, struck)
  disfigure(world, admin, plain)
  await gather(world)
}

async function usurp(world: World, admin: SimNode, plain: Signer, struck: Signer): Promise<void> {
  const { id } = await invite(world, admin, 'member')
  const file = await publish(world, admin, [])
  const row = admin.up.state.file(file)
  if (row === null) return
  await world.timeline.pass(SPREAD_MS)
  const seen = seenBy(admin)
  const feed = plain.newFeed()
  const ref = { file: idBytes(file), author: row.author, salt: row.salt }
  const [self, other] = [plain.key.publicKey, struck.key.publicKey]
  tellAll(world, admin, [
    feed.write('revoke', { invite: idBytes(id) }, { seen }),
    feed.write('release', { node: other }, { seen }),
    feed.write('quarantine', { node: other }, { seen }),
    feed.write('expel', { node: other, cuts: [] }, { seen }),
    feed.write('role', { node: other, role: 'admin' }, { seen }),
    feed.write('upgrade', { rules: FAR_RULES }, { seen }),
    feed.write('assign', { ...ref, to: idBytes(plain.branch) }, { seen }),
    feed.write('role', { node: self, role: 'admin' }, { seen, cosignWith: generateSigningKey() }),
  ])
}

/** From quarantine, which it knows of. */
function giveAway(world: World, admin: SimNode, struck: Signer, plain: Signer): void {
  const feed = struck.newFeed()
  const file = struck.upload(feed)
  const body = { ...file.ref, to: idBytes(plain.branch), builds: idBytes(file.upload.id) }
  tellAll(world, admin, [file.upload, feed.write('offer', body, { seen: seenBy(admin) })])
}

/** With another key than the invite's, by an invite that had expired, from quarantine; who was not let in writes. */
async function smuggle(world: World, admin: SimNode, plain: Signer, struck: Signer): Promise<void> {
  const key = generateSigningKey()
  const expired = { ...someInvite(world), key: key.publicKey, expires: admin.up.clock.now() - EXPIRED_MS }
  let late: EntryId | undefined
  await tryTo(world, admin, () => {
    late = admin.up.ledger.append('invite', expired).id
  })
  const tickets = [await invite(world, admin, 'member'), await invite(world, admin, 'member')]
  await world.timeline.pass(SPREAD_MS)
  const [wrong, right] = tickets
  if (late === undefined || wrong === undefined || right === undefined) return
  const seen = seenBy(admin)
  const feed = plain.newFeed()
  const admissions = [
    { by: feed, invite: wrong.id, key: generateSigningKey(), seen },
    { by: feed, invite: late, key, seen },
    { by: struck.newFeed(), invite: right.id, key: right.key, seen },
  ]
  for (const each of admissions) {
    const newcomer = world.newKey()
    const body = admission(world, each.invite, each.key, newcomer, world.random.bytes(32))
    const admit = each.by.write('admit', body, { seen: each.seen })
    const own = feedOf(world, admin, newcomer)
    tellAll(world, admin, [admit, own.write('capacity', { weight: 7 }), own.write('capacity', { weight: 8 })])
  }
}

/** Forms that no entry has, and a kind that no rules know. */
function disfigure(world: World, admin: SimNode, plain: Signer): void {
  const { networkId } = world
  const fresh = (kind: string) => plain.newFeed().write(kind, { weight: 1 })
  const seen = seenBy(admin).slice(0, 1)
  const control = plain.newFeed().write('leave', { more: 1 }, { seen })
  const twice = [...seen, ...seen].map(idBytes)
  const other = world.random.bytes(32)
  tellAll(world, admin, [
    fresh('nonsense'),
    reshaped(fresh('capacity'), null, plain.key, networkId),
    reshaped(control, [9, twice], plain.key, networkId),
    reshaped(fresh('capacity'), [1, other], plain.key, networkId),
  ])
}

/** Admins who do not know of each other's acts: two use one invite, one releases what the other quarantines, one alone changes the rules. */
export async function quarrel(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const second = admin === null ? null : await enrol(world, admin, 'admin')
  const third = admin === null ? null : await enrol(world, admin, 'admin')
  const plain = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || second === null || third === null || plain === null) return
  const once = await invite(world, admin, 'admin')
  const revoked = await invite(world, admin, 'member')
  await world.timeline.pass(SPREAD_MS)
  const seen = seenBy(admin)
  const feed = second.newFeed()
  const own = plain.newFeed()
  const use = (by: typeof feed, { id, key } = once) =>
    by.write('admit', admission(world, id, key, world.newKey(), world.random.bytes(32)), { seen })
  const strike = feed.write('quarantine', { node: plain.key.publicKey }, { seen })
  const told = [
    use(feed),
    use(own),
    use(own, revoked),
    // the recovery key speaks through whoever writes it down
    own.write('invite', someInvite(world), { seen, cosignWith: world.recovery }),
    strike,
    feed.write('release', { node: plain.key.publicKey }, { seen: [strike.id] }),
    feed.write('upgrade', { rules: FAR_RULES }, { seen }),
    feed.write('role', { node: third.key.publicKey, role: 'admin' }, { seen }),
  ]
  // the same moment, elsewhere
  await tryTo(world, admin, () => invite(world, admin, 'member'))
  await tryTo(world, admin, () => admin.up.commands.quarantine(plain.id))
  await tryTo(world, admin, () => admin.up.commands.setRole(third.id, 'member'))
  await tryTo(world, admin, () => admin.up.commands.revoke(revoked.id))
  tellAll(world, admin, told)
  await gather(world)
}

/** Somebody leaves, writes more than it says, and goes back in its feeds; so does one that is expelled. */
export async function farewell(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const leaver = admin === null ? null : await enrol(world, admin, 'admin')
  const heir = admin === null ? null : await enrol(world, admin, 'member')
  const outcast = admin === null ? null : await enrol(world, admin, 'admin')
  if (admin === null || leaver === null || heir === null || outcast === null) return
  await depart(world, admin, leaver, heir)
  await outlive(world, admin, outcast, heir)
  await gather(world)
}

/**
 * It closes its feeds where it likes, one as if it had not seen its own leave; beside that it goes on inviting as if before,
 * and an heir accepts an offer which it knows to be over. What counts of the older feed is only said by what was seen.
 */
async function depart(world: World, admin: SimNode, leaver: Signer, heir: Signer): Promise<void> {
  const since = seenBy(admin)
  const [feed, older] = [leaver.newFeed(), leaver.newFeed()]
  const inviteIn = (in_: EvilFeed) => in_.write('invite', someInvite(world), { seen: since })
  const weight = older.write('capacity', { weight: 3 })
  const known = inviteIn(older)
  const file = leaver.upload(feed)
  const update = feed.write('update', updateBody(world, file, file.upload.id))
  const offered = { ...file.ref, to: idBytes(heir.branch), builds: idBytes(update.id) }
  const offer = feed.write('offer', offered, { seen: [known.id] })
  const other = leaver.upload(feed)
  const leave = feed.write('leave', {}, { seen: [offer.id] })
  const onward = feed.write('update', updateBody(world, other, other.upload.id))
  const beside = Array.from({ length: BESIDE }, () => inviteIn(leaver.newFeed()))
  const gone = { leave: idBytes(leave.id), accepted: [], orphans: [], force: true, cuts: [] }
  const highest = [known.id, offer.id, leave.id].sort().at(-1) ?? leave.id
  const blind = ground(leaver.newFeed(), 'left', gone, since, (id) => id > highest)
  const late = heir.newFeed().write('accept', heir.acceptance(offer.id, file), { seen: [leave.id] })
  const orphans = [idBytes(file.file)]
  const gentle = feed.write('left', { ...gone, orphans, force: false }, { seen: [leave.id] })
  const left = feed.write('left', { ...gone, orphans }, { seen: [gentle.id, late.id] })
  const before = [weight, known, file.upload, update, offer, other.upload]
  tellAll(world, admin, [...before, leave, onward, ...beside, blind, late, gentle, left])
  await world.timeline.pass(SPREAD_MS)
  // nobody owns the file now; that makes it no plain member's to purge
  const purge = heir.newFeed().write('purge', { file: file.ref.file, builds: idBytes(update.id) })
  const after = feed.write('invite', someInvite(world), { seen: [left.id] })
  tellAll(world, admin, [purge, after])
  const [fork, low] = [leaver.feedAfter(file.upload), leaver.feedAfter(weight)]
  const back = fork.write('update', updateBody(world, file, file.upload.id), { ms: file.upload.ms + 1 })
  tellAll(world, admin, [back, fork.write('capacity', { weight: 61 }), low.write('capacity', { weight: 62 })])
}

/** An admin throws it out by the recovery key; then it forks its feed below the end, and acts as if it knew nothing of it. */
async function outlive(world: World, admin: SimNode, outcast: Signer, heir: Signer): Promise<void> {
  const feed = outcast.newFeed()
  const file = outcast.upload(feed)
  const update = feed.write('update', updateBody(world, file, file.upload.id))
  const open = feed.write('invite', someInvite(world), { seen: seenBy(admin) })
  tellAll(world, admin, [file.upload, update, open])
  const recoveryKey = formatRecoveryKey(world.recovery.seed)
  const seen = seenBy(admin)
  await tryTo(world, admin, () => admin.up.commands.expel(outcast.id, { recoveryKey }))
  await world.timeline.pass(SPREAD_MS)
  const fork = outcast.feedAfter(file.upload)
  const back = fork.write('update', updateBody(world, file, file.upload.id), { ms: file.upload.ms + 1 })
  const purge = fork.write('purge', { file: file.ref.file, builds: idBytes(back.id) })
  const offered = { ...file.ref, to: idBytes(heir.branch), builds: idBytes(update.id) }
  tellAll(world, admin, [back, purge, outcast.newFeed().write('offer', offered, { seen })])
}
