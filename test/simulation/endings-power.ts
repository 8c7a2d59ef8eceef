/** Last situation of a run, about the limits of an admin's power: what it could know, votes that agree, the last of them. */
import { type EntryId, idBytes } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import type { Role } from '../../packages/core/src/membership/index.ts'
import { admission, someInvite } from './hostile-members.ts'
import { adminAmong, enrol, feedOf, ground, type Signer, seenBy, tellAll } from './signer.ts'
import type { SimNode } from './sim-node.ts'
import { gather } from './stage.ts'
import type { World } from './world.ts'

/** Admins act against what they know, and without knowing; vote, and take it back; in the end there is one, and it was alone once. */
export async function rivalry(world: World): Promise<void> {
  const admin = await adminAmong(world)
  if (admin === null) return
  await overtake(world, admin)
  await strike(world, admin)
  await vote(world, admin)
  await confirm(world, admin)
  await doubt(world, admin)
  await displace(world, admin)
  await abdicate(world, admin)
  await gather(world)
}

/** So many new members; null when somebody could not be let in. */
async function company(world: World, admin: SimNode, ...roles: Role[]): Promise<Signer[] | null> {
  const signers: Signer[] = []
  for (const role of roles) {
    const signer = await enrol(world, admin, role)
    if (signer === null) return null
    signers.push(signer)
  }
  return signers
}

function roleOf({ key }: Signer, role: Role) {
  return { node: key.publicKey, role }
}

function expelOf({ key }: Signer) {
  return { node: key.publicKey, cuts: [] }
}

/** A machine is replaced while an admin who does not know of it makes it one. */
async function overtake(world: World, admin: SimNode): Promise<void> {
  const [one, other, old] = (await company(world, admin, 'admin', 'admin', 'member')) ?? []
  if (one === undefined || other === undefined || old === undefined) return
  const seen = seenBy(admin)
  const [key, feed] = [world.newKey(), one.newFeed()]
  const invited = { ...someInvite(world), key: key.publicKey, replaces: old.key.publicKey, cuts: [] }
  const invite = feed.write('invite', invited, { seen })
  const body = { ...admission(world, invite.id, key, world.newKey(), world.random.bytes(32)), cuts: [] }
  const admit = feed.write('admit', body, { seen: [invite.id] })
  const isLast = (id: EntryId) => id > invite.id && id > admit.id
  const grant = ground(other.newFeed(), 'role', roleOf(old, 'admin'), seen, isLast)
  tellAll(world, admin, [invite, admit, grant, old.newFeed().write('invite', someInvite(world), { seen: [grant.id] })])
}

/** One admin's word takes power from the moment that it is known, and nothing that was done without knowing it. */
async function strike(world: World, admin: SimNode): Promise<void> {
  const [one, struck, demoted] = (await company(world, admin, 'admin', 'admin', 'admin')) ?? []
  if (one === undefined || struck === undefined || demoted === undefined) return
  const seen = seenBy(admin)
  const feed = one.newFeed()
  const blows = [
    { by: struck, entry: feed.write('quarantine', { node: struck.key.publicKey }, { seen }) },
    { by: demoted, entry: feed.write('role', roleOf(demoted, 'member'), { seen }) },
  ]
  for (const { by, entry } of blows) {
    const unknowing = ground(by.newFeed(), 'invite', someInvite(world), seen, (id) => id > entry.id)
    const knowing = by.newFeed().write('invite', someInvite(world), { seen: [entry.id] })
    tellAll(world, admin, [entry, unknowing, knowing])
  }
}

/** Of two votes one was taken back; of two the first is by somebody who has no voice any more; one is about who knew only of the other. */
async function vote(world: World, admin: SimNode): Promise<void> {
  const members = await company(world, admin, ...Array.from({ length: 6 }, () => 'member' as const))
  const [first, second, former, spared, doubted, leaving] = members ?? []
  const [outcast] = (await company(world, admin, 'admin')) ?? []
  if (first === undefined || second === undefined || former === undefined || outcast === undefined) return
  if (spared === undefined || doubted === undefined || leaving === undefined) return
  const [one, two, three] = [first.newFeed(), second.newFeed(), former.newFeed()]
  const byKey = { seen: seenBy(admin), cosignWith: world.recovery }
  tellAll(
    world,
    admin,
    [first, second, former].map((each) => one.write('role', roleOf(each, 'admin'), byKey)),
  )

  const seen = seenBy(admin)
  const vote = one.write('expel', expelOf(spared), { seen })
  const release = one.write('release', { node: spared.key.publicKey }, { seen: [vote.id] })
  tellAll(world, admin, [vote, release, two.write('expel', expelOf(spared), { seen: [release.id] })])

  const lost = three.write('expel', expelOf(doubted), { seen })
  const ended = one.write('role', roleOf(former, 'member'), { seen: [lost.id], cosignWith: world.recovery })
  tellAll(world, admin, [lost, ended, two.write('expel', expelOf(doubted), { seen: [ended.id] })])

  const half = one.write('expel', expelOf(outcast), { seen })
  const secret = outcast.newFeed().write('invite', someInvite(world), { seen })
  const final = two.write('expel', expelOf(outcast), { seen: [half.id, secret.id].sort() })
  // the recovery key speaks through whoever was ever a member
  const spoken = outcast.newFeed().write('invite', someInvite(world), { seen: [final.id], cosignWith: world.recovery })
  tellAll(world, admin, [half, secret, final, spoken])

  const leave = leaving.newFeed().write('leave', {}, { seen })
  const out = one.write('expel', expelOf(leaving), { seen: [leave.id], cosignWith: world.recovery })
  tellAll(world, admin, [
    leave,
    out,
    two.write('upgrade', { rules: 0 }, { seen: [out.id], cosignWith: world.recovery }),
  ])
}

/** Two that one admin made do not agree, until somebody else has made one of them too. */
async function confirm(world: World, admin: SimNode): Promise<void> {
  const members = await company(world, admin, 'member', 'member', 'member', 'member', 'member')
  const [root, maker, one, two, outcast] = members ?? []
  if (root === undefined || maker === undefined || one === undefined || two === undefined || outcast === undefined)
    return
  const feed = root.newFeed()
  const entries: Entry[] = []
  const write = (by: typeof feed, kind: string, body: Parameters<typeof feed.write>[1], isByKey = false) => {
    const seen = entries.slice(-1).map(({ id }) => id)
    const known = seen.length === 0 ? seenBy(admin) : seen
    entries.push(by.write(kind, body, { seen: known, ...(isByKey ? { cosignWith: world.recovery } : {}) }))
  }
  write(feed, 'role', roleOf(root, 'admin'), true)
  write(feed, 'role', roleOf(maker, 'admin'))
  const made = maker.newFeed()
  for (const each of [one, two]) write(made, 'role', roleOf(each, 'admin'))
  write(feed, 'role', roleOf(one, 'admin'))
  for (const each of [one, two]) write(each.newFeed(), 'expel', expelOf(outcast))
  tellAll(world, admin, entries)
}

/** Roles by invites of who was in quarantine, unseen: by another's word, or by who made it. What nobody does to itself, or knowing better. */
async function doubt(world: World, admin: SimNode): Promise<void> {
  const [one, other, doubtful] = (await company(world, admin, 'admin', 'admin', 'admin')) ?? []
  const [made, door, leaving] = (await company(world, admin, 'member', 'member', 'member')) ?? []
  if (one === undefined || other === undefined || doubtful === undefined) return
  if (made === undefined || door === undefined || leaving === undefined) return
  const feed = one.newFeed()
  const grant = feed.write('role', roleOf(made, 'admin'), { seen: seenBy(admin) })
  tellAll(world, admin, [grant])
  for (const issuer of [doubtful, made]) {
    const [key, newcomer] = [world.newKey(), world.newKey()]
    const invited = { ...someInvite(world), key: key.publicKey, role: 'admin' }
    const invite = issuer.newFeed().write('invite', invited, { seen: seenBy(admin) })
    const struck = feed.write('quarantine', { node: issuer.key.publicKey }, { seen: [invite.id] })
    const body = admission(world, invite.id, key, newcomer, world.random.bytes(32))
    const admit = door.newFeed().write('admit', body, { seen: [invite.id] })
    const act = feedOf(world, admin, newcomer).write('invite', someInvite(world), { seen: [admit.id] })
    const known = other.newFeed().write('role', roleOf(issuer, 'admin'), { seen: [struck.id] })
    tellAll(world, admin, [invite, struck, admit, act, known])
  }
  const seen = seenBy(admin)
  const leave = leaving.newFeed().write('leave', {}, { seen })
  tellAll(world, admin, [
    feed.write('quarantine', { node: one.key.publicKey }, { seen }),
    feed.write('expel', expelOf(one), { seen }),
    leave,
    leaving.newFeed().write('leave', {}, { seen: [leave.id] }),
  ])
}

/** A machine is replaced by who names no end of its feeds; one gives its role up as if before what others relied on, and votes. */
async function displace(world: World, admin: SimNode): Promise<void> {
  const [one, coy] = (await company(world, admin, 'admin', 'admin')) ?? []
  const [old, target] = (await company(world, admin, 'member', 'member')) ?? []
  if (one === undefined || coy === undefined || old === undefined || target === undefined) return
  const [feed, own, key] = [one.newFeed(), old.newFeed(), world.newKey()]
  const weight = own.write('capacity', { weight: 9 })
  const cuts = [[own.incarnation, weight.seq, idBytes(weight.id)] as [Uint8Array, number, Uint8Array]]
  const seen = seenBy(admin)
  const invited = { ...someInvite(world), key: key.publicKey, replaces: old.key.publicKey, cuts }
  const invite = feed.write('invite', invited, { seen })
  const body = { ...admission(world, invite.id, key, world.newKey(), world.random.bytes(32)), cuts: [] }
  tellAll(world, admin, [weight, invite, feed.write('admit', body, { seen: [invite.id] })])

  const known = coy.newFeed().write('invite', someInvite(world), { seen })
  const relying = feed.write('invite', someInvite(world), { seen: [known.id] })
  const end = coy.newFeed().write('role', roleOf(coy, 'member'), { seen })
  const vote = coy.newFeed().write('expel', expelOf(target), { seen: [relying.id, end.id].sort() })
  tellAll(world, admin, [known, relying, end, vote])
}

/** There is one admin left. It cannot go; it may decide alone; and later it may not, as if it still were alone. */
async function abdicate(world: World, admin: SimNode): Promise<void> {
  const [last] = (await company(world, admin, 'admin')) ?? []
  const [outcast, friend, other] = (await company(world, admin, 'member', 'member', 'member')) ?? []
  if (last === undefined || outcast === undefined || friend === undefined || other === undefined) return
  const seen = seenBy(admin)
  const pen = friend.newFeed()
  const { members, standings } = admin.up.state.membership()
  const voices = [...members.values()].filter(({ node }) => node !== last.id && standings.get(node)?.voice != null)
  const byKey = { seen, cosignWith: world.recovery }
  tellAll(
    world,
    admin,
    voices.map(({ key }) => pen.write('role', { node: key, role: 'member' }, byKey)),
  )

  const feed = last.newFeed()
  tellAll(world, admin, [feed.write('role', roleOf(last, 'member'), { seen: seenBy(admin) })])
  tellAll(world, admin, [feed.write('expel', expelOf(outcast), { seen: seenBy(admin) })])
  const alone = seenBy(admin)
  const grant = feed.write('role', roleOf(friend, 'admin'), { seen: alone })
  const back = ground(last.newFeed(), 'expel', expelOf(other), alone, (id) => id < grant.id)
  tellAll(world, admin, [grant, back])
}
