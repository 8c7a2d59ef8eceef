/** What happens in one run: who is there, what people and hostile members do, what breaks, and how it heals. */
import { equalBytes } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, idFrom } from '../../packages/core/src/ids.ts'
import { allEndings, type EndingName } from './endings.ts'
import { actHonestly, admit as admitOnly, invite, join } from './honest.ts'
import { actHostilely } from './hostile.ts'
import { Prng } from './prng.ts'
import { type SceneName, scenes } from './scenes.ts'
import type { SimNode } from './sim-node.ts'
import { cloneOf } from './stage.ts'
import { World } from './world.ts'

export interface Plan {
  readonly seed: string
  readonly nodes: number
  readonly hostile: number
  /** entries that the run is to have at least */
  readonly entries: number
  readonly tracing: boolean
  /** ends with the first problem, where that is all that is wanted */
  readonly hasty: boolean
  /** directed situations amid the rest */
  readonly scenes: readonly SceneName[]
  /** and one after it */
  readonly ending: EndingName | null
}

/** Every tenth run is a large one. */
export const LARGE_EVERY = 10
export const LARGE_NODES = 70
const LARGE_DEGREE = 6
/** Nodes of a large run that are switched on at one time while things happen. */
const AWAKE = 7
const SMALL_HEADS_MS = 15_000
const LARGE_HEADS_MS = 30_000
const ROUNDS_MAX = 3000
const HEAL_STEP_MS = 10_000
const HEAL_STEPS = 60
/** Longer than an entry is on its way, and shorter than the time between two comparisons of heads. */
const SPREAD_MS = 1500

export interface Outcome {
  readonly world: World
  /** nodes that must agree in the end */
  readonly present: readonly SimNode[]
}

/** Runs the plan to its end. The caller closes the world. @returns null when it ended with a problem before that */
export async function runScenario(world: World, plan: Plan): Promise<Outcome | null> {
  await populate(world, plan)
  await disturb(world, plan)
  if (plan.ending !== null && !(plan.hasty && world.problems.length > 0)) await playEnding(world, plan.ending)
  if (plan.hasty && world.problems.length > 0) return null
  const present = await heal(world)
  return { world, present }
}

export function createWorld(plan: Plan): World {
  const isLarge = plan.nodes >= LARGE_NODES
  return new World({
    seed: plan.seed,
    nodes: plan.nodes,
    degree: isLarge ? LARGE_DEGREE : plan.nodes * 2,
    headsIntervalMs: isLarge ? LARGE_HEADS_MS : SMALL_HEADS_MS,
    tracing: plan.tracing,
  })
}

async function populate(world: World, plan: Plan): Promise<void> {
  const founder = await world.found()
  const { random } = world
  for (let index = 1; index < plan.nodes; index++) {
    const isHostile = index > plan.nodes - 1 - plan.hostile
    const isAdmin = index === 1 || random.chance(isHostile ? 0.5 : 0.2)
    const ticket = await invite(world, founder, isAdmin ? 'admin' : 'member')
    if (plan.nodes >= LARGE_NODES) {
      enrol(world, founder, ticket, isHostile)
      continue
    }
    const node = await join(world, founder, ticket, `n${index}`)
    if (node === null) throw new TypeError('an invite that nobody had used admits nobody')
    node.hostile = isHostile
    // hostile members tell of a state that they made up; a machine that computes wrongly does the same
    node.lies = isHostile ? random.chance(0.6) : new Prng(`wrong ${plan.seed} ${index}`).chance(0.15)
    await world.timeline.pass(random.between(100, 1500))
  }
  if (plan.nodes >= LARGE_NODES) await startAll(world)
  await world.timeline.pass(3000)
}

/** Admitted, to be started later with the founder's entries. */
function enrol(world: World, founder: SimNode, ticket: Parameters<typeof join>[2], isHostile: boolean): void {
  const node = world.newNode(`n${world.nodes.length}`)
  node.hostile = isHostile
  admitOnly(world, founder, ticket, node)
}

/** Seventy at once get the ledger as one copy each, instead of fetching it seventy times. */
async function startAll(world: World): Promise<void> {
  for (const node of world.nodes) if (node.on === null) node.takeDisk(world.founder)
  await changeShift(world)
}

// -------------------------------------------------------------------------------------------------------- disturbing

async function disturb(world: World, plan: Plan): Promise<void> {
  const { random } = world
  const toCome = [...plan.scenes]
  for (let round = 0; round < ROUNDS_MAX && world.founder.up.ledger.count() < plan.entries; round++) {
    if (plan.hasty && world.problems.length > 0) return
    const hostile = random.pick(world.hostile())
    const what = random.weighted({ people: 60, evil: hostile === undefined ? 0 : 25, fault: 18, weather: 5 })
    if (what === 'people') await somebodyActs(world, plan)
    else if (what === 'evil' && hostile !== undefined) actHostilely(world, hostile)
    else if (what === 'weather') changeWeather(world)
    else await breakSomething(world)
    if (plan.nodes >= LARGE_NODES && random.chance(0.1)) await changeShift(world)
    await world.timeline.pass(random.chance(0.4) ? random.below(60) : random.below(6000))
    if (world.founder.on === null) world.founder.start(world.networkId)
    const share = (plan.scenes.length - toCome.length + 1) / (plan.scenes.length + 1)
    const next = world.founder.up.ledger.count() >= plan.entries * share ? toCome.shift() : undefined
    if (next !== undefined) await playScene(world, next)
  }
}

async function playScene(world: World, name: SceneName): Promise<void> {
  world.trace(`situation: ${name}`)
  await scenes[name](world)
}

async function playEnding(world: World, name: EndingName): Promise<void> {
  world.trace(`last situation: ${name}`)
  await allEndings[name](world)
}

/** Of very many a few are switched on at a time, and others after them; in the end all catch up. */
async function changeShift(world: World): Promise<void> {
  const { random } = world
  const awake = world.running().filter((node) => node !== world.founder)
  for (const node of awake) if (random.chance(0.5)) await (random.chance(0.7) ? node.close() : node.crash())
  const asleep = world.nodes.filter((node) => node.on === null && !world.retired.has(node))
  for (const node of random.shuffle(asleep).slice(0, Math.max(0, AWAKE - world.running().length)))
    node.start(world.networkId)
  world.connectAll()
}

async function somebodyActs(world: World, plan: Plan): Promise<void> {
  const node = world.random.pick([...world.honest(), ...world.clones.filter(({ on }) => on !== null)])
  if (node === undefined) return
  // people come in bursts
  const times = world.random.between(1, plan.nodes >= LARGE_NODES ? 6 : 8)
  for (let time = 0; time < times && node.on !== null; time++) await actHonestly(world, node)
}

function changeWeather(world: World): void {
  const { random } = world
  const stormy = random.chance(0.7)
  world.network.weather = stormy
    ? {
        delay: [random.between(1, 50), random.between(60, 2000)],
        loss: random.below(20) / 100,
        duplicates: random.below(20) / 100,
        reordering: random.below(30) / 100,
      }
    : { delay: [5, 60], loss: 0, duplicates: 0, reordering: 0 }
  world.trace(`weather: ${JSON.stringify(world.network.weather)}`)
}

async function breakSomething(world: World): Promise<void> {
  const { random } = world
  const node = random.pick(
    world.nodes.filter((each) => !world.retired.has(each) && (each.on !== null || each.hasDisk())),
  )
  if (node === undefined) return
  const what = random.weighted({
    partition: 5,
    join: 5,
    stop: 2,
    cut: 3,
    start: 7,
    clock: 3,
    copy: 4,
    restore: 3,
    clone: 1,
  })
  switch (what) {
    case 'partition':
      for (const each of world.all()) each.side = random.below(random.between(2, 3))
      world.trace(
        `partition: ${world
          .all()
          .map(({ name, side }) => `${name}:${side}`)
          .join(' ')}`,
      )
      return world.separate()
    case 'join':
      for (const each of world.all()) each.side = 0
      world.trace('the parts meet again')
      return world.connectAll()
    case 'stop':
      world.trace(`${node.name} is closed`)
      return node.close()
    case 'cut':
      world.trace(`${node.name} loses power`)
      return node.crash()
    case 'start':
      return startSomebody(world)
    case 'clock':
      node.offset = random.chance(0.4) ? 0 : random.between(-300_000, 300_000)
      return world.trace(`${node.name}'s clock is off by ${node.offset} ms`)
    case 'copy':
      world.copies.push({ node, folder: node.copyFolder() })
      return world.trace(`${node.name}'s folder is copied`)
    case 'restore':
      return restoreSomebody(world)
    case 'clone':
      return cloneSomebody(world)
  }
}

function startSomebody(world: World): void {
  const off = world.nodes.filter((each) => each.on === null && !world.retired.has(each))
  const node = world.random.pick(off)
  if (node === undefined) return
  node.start(world.networkId)
  world.trace(`${node.name} starts`)
  world.connectAll()
}

async function restoreSomebody(world: World): Promise<void> {
  const copy = world.random.pick(world.copies)
  if (copy === undefined || world.retired.has(copy.node) || copy.node.cloned) return
  await copy.node.crash()
  copy.node.putBack(copy.folder, world.random.chance(0.5))
  world.copies.splice(world.copies.indexOf(copy), 1)
  copy.node.start(world.networkId)
  world.trace(`${copy.node.name} is restored from a copy`)
  world.connectAll()
}

/** A copy of the folder runs on a second machine while the first goes on. */
function cloneSomebody(world: World): void {
  const node = world.random.pick(
    world.honest().filter((each) => !world.retired.has(each) && !each.cloned && each !== world.founder),
  )
  if (node === undefined || world.clones.length > 1) return
  const clone = cloneOf(world, node)
  clone.side = world.random.below(2)
  world.separate()
  world.connectAll()
}

// ----------------------------------------------------------------------------------------------------------- healing

async function heal(world: World): Promise<SimNode[]> {
  world.calm()
  // of two clones one is switched off, once the other has said what it has to say
  for (const clone of world.clones) {
    const original = world.nodes.find(({ id }) => id === clone.id)
    await original?.crash()
  }
  for (const node of world.nodes) {
    const isCloned = world.clones.some(({ id, on }) => id === node.id && on !== null)
    if (node.on === null && !isCloned && !world.retired.has(node)) node.start(world.networkId)
  }
  remember(world)
  world.connectAll()
  world.trace('healing')
  await converge(world)
  if (world.clones.length > 0) {
    for (const clone of world.clones) await clone.crash()
    for (const node of world.nodes) if (node.on === null && !world.retired.has(node)) node.start(world.networkId)
    world.connectAll()
    await converge(world)
  }
  // everybody goes on: which feed a node then writes to shows what it made of its past
  for (const node of presentIn(world)) {
    if (node.hostile || !world.random.chance(12 / world.nodes.length)) continue
    try {
      node.up.ledger.append('capacity', { weight: world.random.below(64) })
    } catch (error) {
      world.problem(`heals: ${node.name} cannot write when all is well: ${error}`)
    }
  }
  await checkSpread(world)
  await converge(world)
  return presentIn(world)
}

/** What is new goes to whoever is connected at once, not only when heads are compared. */
async function checkSpread(world: World): Promise<void> {
  const written = presentIn(world).map((node) => ({
    node,
    last: node.up.ledger.page(node.up.ledger.count() - 1, 1)[0],
  }))
  const others = presentIn(world)
  await world.timeline.pass(SPREAD_MS)
  for (const { node, last } of written) {
    if (last === undefined || last.entry.author !== node.id) continue
    const hears = others.filter((other) => node.up.host.peers.get(other.id) === other.up.host)
    const has = hears.filter((other) => other.up.ledger.sync.knows(last.entry))
    if (hears.length > 0 && has.length === 0) world.problem(`spread: nobody heard of ${node.name}'s entry in time`)
  }
}

/** What honest machines have written and still have on some disk: it must be everywhere in the end. */
function remember(world: World): void {
  const present = new Set(presentIn(world))
  for (const node of world.running()) {
    if (!present.has(node) && !(world.clones.includes(node) && belongs(world, node))) continue
    // by their ids alone: seventy nodes would decode every entry
    for (const row of node.up.db.prepare<{ id: Uint8Array }>('SELECT id FROM entries ORDER BY arrival').all()) {
      const id = idFrom<EntryId>(row.id)
      if (world.written.has(id)) world.atHealing.set(id, node.name)
    }
  }
}

/** Members that belong to the network as the founder's side sees it. */
function presentIn(world: World): SimNode[] {
  return world.nodes.filter((node) => node.on !== null && belongs(world, node))
}

/** A machine that left, was replaced or expelled is not connected to any more: what it alone has is its own. */
function belongs(world: World, node: SimNode): boolean {
  const witness = world.founder
  const judge = witness.up.members.isMember(witness.id) ? witness : (world.honest()[0] ?? witness)
  return judge.up.members.isMember(node.id)
}

async function converge(world: World): Promise<void> {
  for (let step = 0; step < HEAL_STEPS; step++) {
    await world.timeline.pass(HEAL_STEP_MS)
    const clones = world.clones.filter((clone) => clone.on !== null && belongs(world, clone))
    if (agree([...presentIn(world), ...clones]) && isQuiet(world)) return
  }
}

/** Nothing more is to come: no open draw that somebody may still take part in, nothing held. */
function isQuiet(world: World): boolean {
  return presentIn(world).every((node) => node.up.ledger.held().length === 0)
}

export function agree(nodes: readonly SimNode[]): boolean {
  const [first] = nodes
  if (first === undefined) return true
  const heads = first.up.ledger.sync.headsHash()
  const digest = first.up.state.digest()
  return nodes.every(({ up }) => equalBytes(up.ledger.sync.headsHash(), heads) && equalBytes(up.state.digest(), digest))
}
