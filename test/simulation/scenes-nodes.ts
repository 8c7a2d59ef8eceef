/** Situations about feeds, clocks, authority and versions. */

import { MaloteError } from '../../packages/core/src/errors.ts'
import { formatRecoveryKey } from '../../packages/core/src/membership/index.ts'
import { EvilFeed } from './evil-feed.ts'
import { actHonestly, invite, publish } from './honest.ts'
import { actHostilely, penOf } from './hostile.ts'
import { branches } from './hostile-forms.ts'
import { useTicket } from './hostile-members.ts'
import type { SimNode } from './sim-node.ts'
import { cloneOf, crewOf, gather, hand, leaveAlone, part, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700
const AHEAD_MS = 90_000
const FLOOD = 1100
/** What a node keeps of one author whom nobody vouches for: docs/specs/entry.md. */
export const UNSIGNED_PER_AUTHOR = 1024

/** A feed that went two ways long ago; one half of the network has seen the one, the other half the other. */
export async function deepFork(world: World): Promise<void> {
  await gather(world)
  const [node] = world.hostile()
  const { random } = world
  if (node === undefined) return
  const pen = penOf(world, node)
  Object.assign(pen.feed, new EvilFeed(node, world.networkId))
  const base = Array.from({ length: random.between(1, 3) }, () => pen.feed.write('capacity', { weight: 1 }))
  hand(node, base, world.running())
  const [one, two] = branches(pen, random.between(2, 22), random.between(2, 22))
  part(world, () => random.below(2))
  hand(
    node,
    one,
    world.running().filter(({ side }) => side === 0),
  )
  hand(
    node,
    two,
    world.running().filter(({ side }) => side === 1),
  )
  await world.timeline.pass(SPREAD_MS)
  // those who know of one branch close the feed where that ends
  const judge = crewOf(world).find(({ side }) => side === 0)
  const key = formatRecoveryKey(world.recovery.seed)
  if (judge !== undefined && random.chance(0.4))
    await tryTo(world, judge, () => judge.up.commands.expel(node.id, { recoveryKey: key }))
  await gather(world)
}

/** A clock that was far ahead while nobody could tell, and is set right. */
export async function lonely(world: World): Promise<void> {
  const node = (await gather(world)).find((each) => each !== world.founder)
  if (node === undefined) return
  leaveAlone(world, node)
  node.offset = AHEAD_MS
  await tryTo(world, node, () => publish(world, node, []))
  await world.timeline.pass(SPREAD_MS)
  node.offset = 0
  // another file: one whose newest entry is of tomorrow waits
  await tryTo(world, node, () => publish(world, node, []))
  await gather(world)
  // what two peers say counts as well as what many say
  const others = crewOf(world).filter((each) => each !== node)
  part(world, (each) => (each === node || each === others[0] ? 0 : 1))
  node.offset = AHEAD_MS
  await tryTo(world, node, () => publish(world, node, []))
  await gather(world)
}

/** A copy of a machine runs beside it where both are seen, and people work at both. */
export async function twins(world: World): Promise<void> {
  const node = (await gather(world)).find((each) => each !== world.founder)
  if (node === undefined || world.clones.length > 0) return
  const clone = cloneOf(world, node)
  await world.timeline.pass(SPREAD_MS)
  for (let time = 0; time < 6; time++) {
    await actHonestly(world, world.random.chance(0.5) ? node : clone)
    await world.timeline.pass(world.random.below(SPREAD_MS))
  }
  if (world.random.chance(0.5)) leaveAlone(world, clone)
}

/** A folder from before the last orderly stop, put back where it was; it writes before it hears from anybody. */
export async function restored(world: World): Promise<void> {
  const node = (await gather(world)).find((each) => each !== world.founder)
  if (node === undefined) return
  await node.close()
  const copy = node.copyFolder()
  node.start(world.networkId)
  world.connectAll()
  await tryTo(world, node, () => node.up.ledger.append('capacity', { weight: world.random.below(64) }))
  await world.timeline.pass(SPREAD_MS)
  await (world.random.chance(0.7) ? node.close() : node.crash())
  node.putBack(copy, world.random.chance(0.8))
  leaveAlone(world, node)
  node.start(world.networkId)
  await tryTo(world, node, () => node.up.ledger.append('capacity', { weight: world.random.below(64) }))
  await gather(world)
}

/** Admins of all ranks act at one moment, about each other's acts. */
export async function council(world: World): Promise<void> {
  const { random } = world
  const { founder } = world
  const isAdmin = (node: SimNode) => node.up.members.isAdmin(node.id)
  let crew = await gather(world)
  const appointer = crew.find((node) => node !== founder && isAdmin(node))
  const appointed = crew.find((node) => node !== founder && !isAdmin(node))
  if (appointer !== undefined && appointed !== undefined) {
    await tryTo(world, appointer, () => appointer.up.commands.setRole(appointed.id, 'admin'))
    await world.timeline.pass(SPREAD_MS)
    crew = crewOf(world)
  }
  const subject = random.pick([...world.hostile(), ...crew].filter((node) => node !== founder))
  const admins = crew.filter((node) => isAdmin(node) && node !== subject)
  if (subject === undefined) return
  const [first] = admins
  if (first !== undefined) await tryTo(world, first, () => first.up.commands.quarantine(subject.id))
  await world.timeline.pass(SPREAD_MS)
  // at one moment: one releases what another quarantines once more, and each does something of its own
  for (const node of admins) {
    await tryTo(world, node, () =>
      node === first ? node.up.commands.release(subject.id) : node.up.commands.quarantine(subject.id),
    )
    await tryTo(world, node, () => invite(world, node, 'member'))
  }
  await world.timeline.pass(SPREAD_MS)
  for (const node of admins.slice(0, 1)) {
    await tryTo(world, node, async () => node.up.commands.revoke((await invite(world, node, 'member')).id))
  }
  await world.timeline.pass(SPREAD_MS)
  // one that is quarantined, or an invite that is revoked
  const tickets = world.tickets.filter(({ replaces }) => replaces === null).slice(-2)
  for (const ticket of tickets) for (const node of world.hostile()) useTicket(penOf(world, node), ticket)
  const saved = crew.find((node) => node !== founder && node !== subject)
  if (saved !== undefined && random.chance(0.5)) {
    await tryTo(world, saved, () => saved.up.commands.recover(formatRecoveryKey(world.recovery.seed)))
  }
  await gather(world)
  if (!subject.hostile) {
    const free = crewOf(world).find((node) => node !== subject && isAdmin(node))
    if (free !== undefined) await tryTo(world, free, () => free.up.commands.release(subject.id))
  }
  await gather(world)
}

const NEWER_RULES = 2

/** Some have newer software, and new rules become active; the others store, pass on and stay silent until they have it too. */
export async function upgrade(world: World): Promise<void> {
  const { random } = world
  const crew = await gather(world)
  if (world.rules >= NEWER_RULES || crew.length < 2) return
  const newer = crew.slice(0, Math.max(1, random.below(crew.length)))
  for (const node of newer) await renew(world, node)
  world.connectAll()
  await world.timeline.pass(SPREAD_MS)
  const [one] = newer
  if (one === undefined) return
  await tryTo(world, one, () => one.up.commands.upgrade(NEWER_RULES))
  await tryTo(world, one, () => one.up.ledger.append('upgrade', { rules: NEWER_RULES }, { cosignWith: world.recovery }))
  await world.timeline.pass(SPREAD_MS)
  for (const node of crew) staysSilent(world, node)
  for (let time = 0; time < 12; time++) {
    const node = random.pick(crew)
    if (node?.on != null) await actHonestly(world, node)
    const hostile = random.pick(world.hostile())
    if (hostile !== undefined && random.chance(0.3)) actHostilely(world, hostile)
    await world.timeline.pass(random.below(300))
  }
  world.rules = NEWER_RULES
  for (const node of world.running()) if (node.rules < NEWER_RULES) await renew(world, node)
  await gather(world)
}

/** Who cannot execute what others write does not write. */
function staysSilent(world: World, node: SimNode): void {
  if (node.on === null || (node.up.state.membership().network?.rules ?? 0) <= node.rules) return
  const before = node.up.ledger.count()
  try {
    node.up.ledger.append('capacity', { weight: 1 })
  } catch (error) {
    if (!(error instanceof MaloteError)) throw error
  }
  if (node.up.ledger.count() > before)
    world.problem(`old-silent: ${node.name} writes under rules that it does not have`)
}

/** Stopped and started with newer software. */
async function renew(world: World, node: SimNode): Promise<void> {
  await node.close()
  node.rules = NEWER_RULES
  node.start(world.networkId)
}

/** Very many entries that nobody vouches for. */
export async function flood(world: World): Promise<void> {
  const [victim] = await gather(world)
  const [node] = world.hostile()
  if (victim === undefined || node === undefined) return
  const feed = new EvilFeed(node, world.networkId)
  const entries = Array.from({ length: FLOOD }, () => ({ ...feed.write('capacity', { weight: 1 }), sig: null }))
  const before = victim.up.ledger.waiting()
  hand(node, entries, [victim])
  const kept = victim.up.ledger.waiting() - before
  if (kept > UNSIGNED_PER_AUTHOR) world.problem(`bounded: ${victim.name} keeps ${kept} entries that nobody vouches for`)
  // what is kept in memory is gone with the next start
  await victim.close()
  victim.start(world.networkId)
  await gather(world)
}
