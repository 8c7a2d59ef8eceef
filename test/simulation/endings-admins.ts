/** Last situations of a run, about what admins do to each other, and about machines that take another's place. */
import { type EntryId, idBytes } from '../../packages/core/src/ids.ts'
import { formatRecoveryKey } from '../../packages/core/src/membership/index.ts'
import { invite } from './honest.ts'
import { admission, someInvite } from './hostile-members.ts'
import { adminAmong, enrol, feedOf, ground, type Signer, seenBy, tellAll, updateBody } from './signer.ts'
import type { SimNode } from './sim-node.ts'
import { gather, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700

/**
 * A machine is replaced and goes on; another was made admin before its replacement came, a third was leaving; one that is
 * gone comes again, and somebody lets in by an invite that it has not seen.
 */
export async function succession(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const old = admin === null ? null : await enrol(world, admin, 'member')
  const promoted = admin === null ? null : await enrol(world, admin, 'member')
  const leaving = admin === null ? null : await enrol(world, admin, 'member')
  const door = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || old === null || promoted === null || leaving === null || door === null) return
  const feed = old.newFeed()
  const kept = old.upload(feed)
  tellAll(world, admin, [kept.upload])
  const before = seenBy(admin)
  await tryTo(world, admin, async () => {
    const takeOver = await invite(world, admin, 'member', old)
    const usurp = await invite(world, admin, 'member', promoted)
    const vain = await invite(world, admin, 'member', leaving)
    const again = await invite(world, admin, 'member')
    const unseen = await invite(world, admin, 'member')
    admin.up.commands.setRole(promoted.id, 'admin')
    await world.timeline.pass(SPREAD_MS)
    const doors = door.newFeed()
    const letIn = (ticket: typeof again, key = world.newKey()) =>
      admission(world, ticket.id, ticket.key, key, world.random.bytes(32))
    const seen = seenBy(admin)
    const lost = doors.write('admit', { ...letIn(vain), cuts: cutsOf(admin, leaving) }, { seen })
    const leave = ground(leaving.newFeed(), 'leave', {}, before, (id) => id < lost.id)
    tellAll(world, admin, [
      leave,
      lost,
      doors.write('admit', { ...letIn(takeOver), cuts: cutsOf(admin, old) }, { seen }),
      doors.write('admit', { ...letIn(usurp), cuts: cutsOf(admin, promoted) }, { seen }),
    ])
    const late = old.upload(old.newFeed())
    tellAll(world, admin, [
      late.upload,
      feed.write('update', updateBody(world, kept, kept.upload.id)),
      doors.write('admit', letIn(again, old.key), { seen: seenBy(admin) }),
      doors.write('admit', letIn(unseen), { seen: before }),
    ])
  })
  await gather(world)
}

function cutsOf(admin: SimNode, { id }: Signer) {
  return admin.up.versions
    .cutsOf(admin.up.ledger)(id)
    .map(([...cut]) => cut)
}

/** A stolen admin's machine: it leaves as if before what others rely on, and appoints; the recovery key undoes that. */
export async function theft(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const stolen = admin === null ? null : await enrol(world, admin, 'admin')
  const struck = admin === null ? null : await enrol(world, admin, 'admin')
  const plain = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || stolen === null || struck === null || plain === null) return
  await strike(world, admin, struck, plain)
  await vanish(world, admin, stolen)
  await hire(world, admin, stolen)
  await gather(world)
}

/** Quarantined and without its role, by one other admin alone: its invites admit nobody, its vote is still one. */
async function strike(world: World, admin: SimNode, struck: Signer, plain: Signer): Promise<void> {
  const key = world.newKey()
  const feed = struck.newFeed()
  const open = feed.write('invite', { ...someInvite(world), key: key.publicKey }, { seen: seenBy(admin) })
  tellAll(world, admin, [open])
  await tryTo(world, admin, () => {
    admin.up.commands.quarantine(struck.id)
    admin.up.commands.setRole(struck.id, 'member')
  })
  await world.timeline.pass(SPREAD_MS)
  const seen = seenBy(admin)
  const body = admission(world, open.id, key, world.newKey(), world.random.bytes(32))
  tellAll(world, admin, [
    plain.newFeed().write('admit', body, { seen }),
    feed.write('expel', { node: plain.key.publicKey, cuts: [] }, { seen }),
  ])
}

async function vanish(world: World, admin: SimNode, stolen: Signer): Promise<void> {
  const since = seenBy(admin)
  const [feed, back] = [stolen.newFeed(), stolen.newFeed()]
  tellAll(world, admin, [feed.write('invite', someInvite(world), { seen: since })])
  // this admin has seen the invite, and acts
  await tryTo(world, admin, () => invite(world, admin, 'member'))
  const leave = back.write('leave', {}, { seen: since })
  const gone = { leave: idBytes(leave.id), accepted: [], orphans: [], force: true, cuts: [] }
  tellAll(world, admin, [leave, back.write('left', gone, { seen: [leave.id] })])
  await world.timeline.pass(SPREAD_MS)
}

/** A machine of its own, which acts; a person says where the theft began. */
async function hire(world: World, admin: SimNode, stolen: Signer): Promise<void> {
  const [key, puppet] = [world.newKey(), world.newKey()]
  const [feed, own] = [stolen.newFeed(), feedOf(world, admin, puppet)]
  const hiring = feed.write(
    'invite',
    { ...someInvite(world), key: key.publicKey, role: 'admin' },
    { seen: seenBy(admin) },
  )
  const body = admission(world, hiring.id, key, puppet, world.random.bytes(32))
  const admit = feed.write('admit', body, { seen: [hiring.id] })
  const acts = [own.write('capacity', { weight: 5 }), own.write('invite', someInvite(world), { seen: [admit.id] })]
  tellAll(world, admin, [hiring, admit, ...acts])
  await world.timeline.pass(SPREAD_MS)
  const since: EntryId = hiring.id
  const recoveryKey = formatRecoveryKey(world.recovery.seed)
  await tryTo(world, admin, () => admin.up.commands.expel(stolen.id, { recoveryKey, since }))
  await world.timeline.pass(SPREAD_MS)
}
