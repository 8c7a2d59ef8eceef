/** Last situations of a run, about how entries get about and which are stored. */
import { generateSigningKey } from '../../packages/core/src/crypto/index.ts'
import { adminAmong, enrol, feedOf, seenBy, tellAll } from './signer.ts'
import { CALM } from './sim-network.ts'
import { crewOf, gather, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700
const AHEAD_MS = 90_000
/** By less than passes until what is held is looked at again. */
const JUST_AHEAD_MS = 60_500

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

/** Ahead of time, and what follows or names that; back in time; in the names of others; vouched for from elsewhere. */
export async function strays(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const signer = admin === null ? null : await enrol(world, admin, 'member')
  const victim = crewOf(world).find((node) => node !== admin)
  if (admin === null || signer === null || victim === undefined) return
  const seen = seenBy(admin)
  const [ahead, now] = [signer.newFeed(), signer.newFeed()]
  const ms = admin.up.clock.now() + AHEAD_MS
  const early = ahead.write('leave', {}, { ms, seen })
  // one after the other: what comes with it is another matter
  tellAll(world, admin, [early])
  tellAll(world, admin, [
    now.write('decline', { of: world.random.bytes(32), file: world.random.bytes(16) }, { seen: [early.id] }),
  ])
  tellAll(world, admin, [ahead.write('capacity', { weight: 1 })])
  const falling = signer.newFeed()
  const first = falling.write('capacity', { weight: 2 })
  tellAll(world, admin, [first, falling.write('capacity', { weight: 3 }, { ms: first.ms - 5000 })])
  // of these the later one is signed
  const chain = signer.newFeed()
  tellAll(world, admin, [
    { ...chain.write('capacity', { weight: 4 }), sig: null },
    chain.write('capacity', { weight: 5 }),
  ])
  const inName = feedOf(world, admin, { ...signer.key, publicKey: victim.key.publicKey })
  const forgery = inName.write('capacity', { weight: 6 })
  const voucher = signer.newFeed()
  Object.assign(voucher, { seq: 1, prev: forgery.id, ms: forgery.ms })
  tellAll(world, admin, [{ ...forgery, sig: null }, voucher.write('capacity', { weight: 7 })])
  tellAll(world, admin, [inName.write('capacity', { weight: 8 })])
  tellAll(world, admin, [feedOf(world, admin, generateSigningKey()).write('capacity', { weight: 9 })])
  // its time has come when the next one does, and it is not taken yet
  const soon = signer.newFeed()
  tellAll(world, admin, [soon.write('capacity', { weight: 10 }, { ms: admin.up.clock.now() + JUST_AHEAD_MS })])
  await world.timeline.pass(SPREAD_MS)
  tellAll(world, admin, [soon.write('capacity', { weight: 11 })])
  await gather(world)
}
