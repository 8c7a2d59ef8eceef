/** Situations about who owns a file. */
import { OFFER_OPEN_MS } from '../../packages/core/src/catalogue/index.ts'
import { proveKey } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, type FileId, idBytes } from '../../packages/core/src/ids.ts'
import { frontier, SEEN_MAX } from '../../packages/core/src/ledger/index.ts'
import { EvilFeed } from './evil-feed.ts'
import { admit, invite, ownFiles, publish, publishNext } from './honest.ts'
import { penOf } from './hostile.ts'
import { acceptOf, adoptBy, offerOf, refOf, uploadOwn } from './hostile-files.ts'
import { useTicket } from './hostile-members.ts'
import { handOf } from './pen.ts'
import { SimNode } from './sim-node.ts'
import { branchOf, crewOf, gather, hand, leaveAlone, part, spare, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700
/** Longer than acceptances of one draw may lie apart. */
const APART_MS = 11 * 60_000

/** Two files of somebody who is going: one that all can read, one that hostile members cannot. */
async function estate(world: World, leaver: SimNode): Promise<FileId[]> {
  const denied = world.hostile().flatMap((node) => branchOf(node) ?? [])
  const files = [await publish(world, leaver, []), await publish(world, leaver, denied)]
  await world.timeline.pass(SPREAD_MS)
  return files
}

/** Somebody leaves, and several take the same files at one moment, or one of them long after. */
export async function draw(world: World): Promise<void> {
  const leaver = await spare(world, await gather(world))
  if (leaver === null) return
  const takers = (await gather(world)).filter((node) => node !== leaver)
  await tryTo(world, leaver, async () => {
    const files = await estate(world, leaver)
    const [hostile] = world.hostile()
    const to = hostile === undefined ? undefined : branchOf(hostile)
    const offered = await publish(world, leaver, [])
    const offer = to === undefined ? undefined : leaver.up.ownership.offer(offered, to)
    await world.timeline.pass(SPREAD_MS)
    const seed = leaver.up.commands.leave()
    await world.timeline.pass(SPREAD_MS)
    await comeLate(world, files[0], seed)
    const lapsed = hostile?.up.state.file(offered)
    if (hostile !== undefined && lapsed != null && offer !== undefined)
      acceptOf(penOf(world, hostile), lapsed, offer, { isFalse: false, seesAll: true })
    const late = world.random.chance(0.4) ? takers.pop() : undefined
    if (late !== undefined) leaveAlone(world, late)
    for (const node of world.hostile()) {
      const pen = penOf(world, node)
      const file = node.up.state.file(world.random.pick(files) ?? files[0] ?? ('' as FileId))
      if (file !== null) acceptOf(pen, file, seed, { isFalse: world.random.chance(0.7) })
    }
    for (const node of takers) await tryTo(world, node, () => node.up.ownership.acceptDrawn(seed, files))
    await world.timeline.pass(SPREAD_MS)
    if (late === undefined) return
    await late.close()
    world.timeline.skip(APART_MS)
    late.start(world.networkId)
    await tryTo(world, late, () => late.up.ownership.acceptDrawn(seed, files))
  })
  await gather(world)
  await goAway(world, leaver)
  await gather(world)
}

/** A member that came when the draw had begun wants its share. */
async function comeLate(world: World, file: FileId | undefined, seed: EntryId): Promise<void> {
  const admin = crewOf(world).find((node) => node.up.members.isAdmin(node.id))
  const row = file === undefined || admin === undefined ? null : admin.up.state.file(file)
  const keys = row === null ? null : admin?.up.standIns.keyring.fileKey(row.file, row.epoch)
  if (admin === undefined || row === null || keys == null) return
  const newcomer = new SimNode(world, 'late', world.newKey())
  await tryTo(world, admin, async () => admit(world, admin, await invite(world, admin, 'member'), newcomer))
  const member = admin.up.members.get(newcomer.id)
  if (member === undefined) return
  const files = [{ ...refOf(row), proof: proveKey(keys, idBytes(seed), idBytes(member.branch)) }]
  const feed = new EvilFeed(handOf(admin, newcomer.key), world.networkId)
  hand(admin, [feed.write('accept', { of: idBytes(seed), files }, { seen: [member.admit] })], [admin])
}

async function goAway(world: World, leaver: SimNode): Promise<void> {
  await tryTo(world, leaver, () => {
    const orphans = ownFiles(leaver)
    leaver.up.commands.left({ accepted: [], orphans, force: orphans.length > 0 })
    world.retired.add(leaver)
  })
  await world.timeline.pass(SPREAD_MS)
}

/** Somebody leaves without waiting for anybody; the orphans are taken by several at one moment. */
export async function orphans(world: World): Promise<void> {
  const leaver = await spare(world, await gather(world))
  if (leaver === null) return
  let files: FileId[] = []
  await tryTo(world, leaver, async () => {
    files = await estate(world, leaver)
    // one that is still owned: nobody may adopt that
    const [other] = world.honest().filter((node) => node !== leaver)
    if (other !== undefined) files.push(await publish(world, other, []))
    await world.timeline.pass(SPREAD_MS)
    const leave = idBytes(leaver.up.commands.leave())
    // without force nobody leaves orphans
    const orphans = files.map((file) => idBytes(file))
    leaver.up.ledger.append('left', { leave, accepted: [], orphans, force: false, cuts: [] })
  })
  await goAway(world, leaver)
  const takers = (await gather(world)).filter((node) => node !== leaver)
  for (const node of world.hostile()) {
    const file = node.up.state.file(world.random.pick(files) ?? ('' as FileId))
    if (file !== null) adoptBy(penOf(world, node), file, { isFalse: world.random.chance(0.7) })
  }
  for (const file of files) {
    for (const node of takers) await tryTo(world, node, () => node.up.ownership.adopt(file))
  }
  await gather(world)
}

/** Offered, accepted and taken back at one moment; offered again and accepted; changed by all who believe it theirs. */
export async function handover(world: World): Promise<void> {
  const [owner, first, second] = await gather(world)
  const to = first === undefined ? undefined : branchOf(first)
  if (owner === undefined || first === undefined || to === undefined) return
  let file = '' as FileId
  await tryTo(world, owner, async () => {
    file = await publish(world, owner, [])
    owner.up.ownership.offer(file, to)
  })
  await world.timeline.pass(SPREAD_MS)
  await tryTo(world, first, async () => {
    first.up.ownership.accept(file)
    await publishNext(world, first, file)
  })
  await tryTo(world, owner, async () => {
    owner.up.ownership.cancel(file)
    await publishNext(world, owner, file)
    const other = second === undefined ? undefined : branchOf(second)
    if (other !== undefined) owner.up.ownership.offer(file, other)
  })
  if (second !== undefined) {
    // it has not heard of the acceptance
    hand(
      owner,
      owner.up.ledger
        .page(0, 1_000_000)
        .map(({ entry }) => entry)
        .slice(-4),
      [second],
    )
    await tryTo(world, second, async () => {
      second.up.ownership.accept(file)
      await publishNext(world, second, file)
    })
  }
  await settle(world, file)
}

/** An admin says whose it shall be, and that branch takes it. */
async function settle(world: World, file: FileId): Promise<void> {
  const crew = await gather(world)
  const admin = crew.find((node) => node.up.members.isAdmin(node.id))
  const heir = crew.find((node) => node !== admin && branchOf(node) !== node.up.state.file(file)?.owner)
  const to = heir === undefined ? undefined : branchOf(heir)
  if (admin === undefined || heir === undefined || to === undefined) return
  await tryTo(world, admin, () => admin.up.ownership.assign(file, to))
  await world.timeline.pass(SPREAD_MS)
  await tryTo(world, heir, () => heir.up.ownership.accept(file))
  await gather(world)
  // whoever has it now takes what was written beside
  const owner = crew.find((node) => branchOf(node) === node.up.state.file(file)?.owner)
  const beside = owner?.up.state.versions(file).find(({ conflict }) => conflict)
  if (owner !== undefined && beside !== undefined)
    await tryTo(world, owner, () => owner.up.author.restore(file, { version: beside.version }))
}

/** A hostile owner offers one file to two branches; both accept before they hear of each other. */
export async function offerTwice(world: World): Promise<void> {
  const crew = await gather(world)
  const [first, second] = crew
  const [owner] = world.hostile()
  if (owner === undefined || first === undefined || second === undefined) return handover(world)
  const pen = penOf(world, owner)
  const file = uploadOwn(pen)
  await world.timeline.pass(SPREAD_MS)
  const row = first.up.state.file(file)
  const [one, two] = [branchOf(first), branchOf(second)]
  if (row === null || one === undefined || two === undefined) return
  const seen = frontier(owner.up.ledger.control()).slice(0, SEEN_MAX)
  hand(owner, [offerOf(pen, row, one, seen)], [first])
  hand(owner, [offerOf(pen, row, two, seen)], [second])
  for (const node of [first, second]) await tryTo(world, node, () => node.up.ownership.accept(file))
  await settle(world, file)
}

/** Offers that nobody answers for a week: assigned, accepted late, taken back by the owner's node, each unseen by the others. */
export async function sevenDays(world: World): Promise<void> {
  const crew = await gather(world)
  const [owner, receiver] = crew.filter((node) => node !== world.founder)
  const admin = crew.find((node) => node !== owner && node !== receiver && node.up.members.isAdmin(node.id))
  const to = receiver === undefined ? undefined : branchOf(receiver)
  if (owner === undefined || receiver === undefined || to === undefined) return
  const files: FileId[] = []
  if (admin !== undefined) await tryTo(world, admin, () => invite(world, admin, 'member'))
  await tryTo(world, owner, async () => {
    for (let at = 0; at < 3; at++) {
      const file = await publish(world, owner, [])
      files.push(file)
      owner.up.ownership.offer(file, to)
    }
  })
  await world.timeline.pass(SPREAD_MS)
  const [late, settled, early] = files
  const adminBranch = admin === undefined ? undefined : branchOf(admin)
  // too early for that: nothing comes of it
  if (admin !== undefined && early !== undefined && adminBranch !== undefined) {
    await tryTo(world, admin, () => admin.up.ownership.assign(early, adminBranch))
    await world.timeline.pass(SPREAD_MS)
    await tryTo(world, admin, () => admin.up.ownership.accept(early))
  }
  await world.timeline.pass(SPREAD_MS)
  for (const node of [owner, receiver]) await node.close()
  world.timeline.skip(OFFER_OPEN_MS + 3_600_000)
  part(world, (node) => (node.id === owner.id ? 1 : node.id === receiver.id ? 2 : 0))
  for (const node of [owner, receiver]) node.start(world.networkId)
  // invites of then have long expired
  const tickets = world.tickets.filter(({ replaces }) => replaces === null).slice(-2)
  for (const ticket of tickets) for (const node of world.hostile()) useTicket(penOf(world, node), ticket)
  world.connectAll()
  if (late !== undefined) await tryTo(world, receiver, () => receiver.up.ownership.accept(late))
  if (admin !== undefined && settled !== undefined && adminBranch !== undefined) {
    await tryTo(world, admin, () => admin.up.ownership.assign(settled, adminBranch))
    await tryTo(world, admin, () => admin.up.ownership.accept(settled))
  }
  await world.timeline.pass(SPREAD_MS)
  await gather(world)
}
