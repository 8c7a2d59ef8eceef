/** What directed situations have in common: everybody there and of one mind, some apart, something done at one moment. */
import { MaloteError } from '../../packages/core/src/errors.ts'
import type { BranchId } from '../../packages/core/src/ids.ts'
import type { SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { invite, join } from './honest.ts'
import { CALM } from './sim-network.ts'
import { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

const STEP_MS = 2000
const STEPS = 10
/** A part of the network where nobody else is. */
const ALONE = 9

/** All machines are on, connected, and have the same entries, as far as a short while allows. @returns who is honest and in */
export async function gather(world: World): Promise<SimNode[]> {
  world.network.weather = CALM
  for (const node of world.all()) Object.assign(node, { side: 0, offset: 0 })
  for (const node of world.nodes) {
    const isCloned = world.clones.some(({ id, on }) => id === node.id && on !== null)
    if (node.on === null && !isCloned && !world.retired.has(node)) node.start(world.networkId)
  }
  for (let step = 0; step < STEPS; step++) {
    world.connectAll()
    await world.timeline.pass(STEP_MS)
    const heads = new Set(crewOf(world).map(({ up }) => Buffer.from(up.ledger.sync.headsHash()).toString('hex')))
    if (heads.size <= 1) break
  }
  return crewOf(world)
}

/** Honest members that may act, in any order. */
export function crewOf(world: World): SimNode[] {
  const judge = world.founder
  return world.random.shuffle(
    world
      .honest()
      .filter(({ id, cloned }) => !cloned && judge.on !== null && judge.up.members.get(id)?.state === 'member')
      .filter((node) => !world.retired.has(node) && node.up.members.get(node.id)?.state === 'member'),
  )
}

export function branchOf(node: SimNode): BranchId | undefined {
  return node.up.members.get(node.id)?.branch
}

/** Somebody who can be spared: of many one, else a new machine. */
export async function spare(world: World, crew: readonly SimNode[]): Promise<SimNode | null> {
  const others = crew.filter((node) => node !== world.founder && !node.up.members.isAdmin(node.id))
  const [found] = others
  if (found !== undefined && crew.length > 3) return found
  const { founder } = world
  if (!founder.up.members.isAdmin(founder.id) || founder.up.members.isQuarantined(founder.id)) return null
  const ticket = await invite(world, founder, 'member')
  const newcomer = await join(world, founder, ticket, `n${world.nodes.length}`)
  await gather(world)
  return newcomer
}

/** Everybody on the side that this says. */
export function part(world: World, sideOf: (node: SimNode) => number): void {
  for (const node of world.all()) node.side = sideOf(node)
  world.separate()
}

export function leaveAlone(world: World, node: SimNode): void {
  node.side = ALONE
  world.separate()
}

/** Entries as if these had been pushed them; nobody else hears of it from their author. */
export function hand(from: SimNode, entries: readonly SignedBytes[], to: readonly SimNode[]): void {
  for (const node of to) if (node.on !== null) node.up.ledger.ingest(entries, { peer: from.id, live: true })
}

/** A copy of the folder runs on a second machine while the first goes on. */
export function cloneOf(world: World, node: SimNode): SimNode {
  const clone = new SimNode(world, `${node.name}-clone`, node.key, node.copyFolder())
  node.cloned = true
  clone.cloned = true
  clone.side = node.side
  world.clones.push(clone)
  clone.start(world.networkId)
  world.trace(`${node.name} is cloned, and both run`)
  world.connectAll()
  return clone
}

/** What the node itself refuses is not done. */
export async function tryTo(world: World, node: SimNode, act: () => unknown): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof MaloteError)) throw error
    world.trace(`${node.name} may not: ${error.code}`)
  }
}
