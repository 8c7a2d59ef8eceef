/** An entry that arrives late takes effect at its place, by folding again what depends on it and nothing else. */
import { afterEach, describe, expect, test } from 'vitest'
import { signingKeyFromSeed } from '../../crypto/index.ts'
import { toHex } from '../../ids.ts'
import type { Entry } from '../../ledger/index.ts'
import { type Actor, audienceBody, createReplica, type FileHandle, type Replica, World } from '../testing.ts'

const open: Replica[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

function replica(world: World): Replica {
  const made = createReplica(world.network)
  open.push(made)
  return made
}

interface Setting {
  readonly world: World
  readonly founder: Actor
  /** an admin, and two members */
  readonly eva: Actor
  readonly ana: Actor
  readonly rui: Actor
  readonly files: Record<'ofFounder' | 'ofAna' | 'alsoOfAna' | 'ofRui', FileHandle>
}

/** Everyone has a file and a capacity; Rui tried to write on the first of Ana's files. */
function setting(seed = 'dependents'): Setting {
  const world = new World(seed)
  const { founder } = world
  const [eva, ana, rui] = [world.admit({ role: 'admin' }), world.admit(), world.admit()]
  world.meet()
  world.tick()
  const files = { ofFounder: founder.upload(), ofAna: ana.upload(), alsoOfAna: ana.upload(), ofRui: rui.upload() }
  for (const actor of world.actors) actor.write('capacity', { weight: 32 })
  world.meet()
  world.tick()
  rui.update(files.ofAna)
  world.meet()
  world.tick()
  return { world, founder, eva, ana, rui, files }
}

const capacityOf = ({ key }: Actor) => toHex(key.publicKey)

interface Case {
  /** writes more; the first entry of what it gives arrives last */
  readonly write: (of: Setting) => readonly Entry[]
  /** names of the subjects that are to be folded when it does */
  readonly folds: (of: Setting) => readonly string[]
  /** true where it is outdone by what came before it */
  readonly comesTooLate?: true
  /** where ids decide, one that gives them in the order that matters */
  readonly seed?: string
}

const cases: Record<string, Case> = {
  'an update of a file': {
    write({ ana, files }) {
      const first = ana.update(files.ofAna)
      return [first, ana.update(files.ofAna)]
    },
    folds: ({ files }) => [files.ofAna.file],
  },
  'a capacity': {
    write: ({ ana }) => [ana.write('capacity', { weight: 48 }), ana.write('capacity', { weight: 64 })],
    folds: ({ ana }) => [capacityOf(ana)],
    comesTooLate: true,
  },
  'an audience': {
    write({ world, ana }) {
      const id = toHex(world.unique(16)) as Parameters<typeof audienceBody>[0]
      return [ana.write('audience', audienceBody(id, world.unique(16), signingKeyFromSeed(world.unique(32))))]
    },
    folds: ({ world }) => {
      const body = world.entries.at(-1)?.body as { audience: Uint8Array }
      return [toHex(body.audience)]
    },
  },
  'an invite': { write: ({ world, eva }) => [world.invite(eva).entry, world.invite(eva).entry], folds: () => [] },
  'a quarantine': {
    write({ founder, eva, ana }) {
      // the others do not know of it and go on
      const quarantine = founder.write('quarantine', { node: ana.key.publicKey })
      return [quarantine, eva.write('role', { node: ana.key.publicKey, role: 'member' })]
    },
    folds: () => [],
  },
  'an appointment': {
    write: ({ world, founder, eva, rui }) => [
      founder.write('role', { node: rui.key.publicKey, role: 'admin' }),
      world.invite(eva).entry,
    ],
    folds: () => [],
  },
  'an offer': {
    write: ({ world, founder, eva, ana, files }) => [ana.offer(files.ofAna, founder), world.invite(eva).entry],
    folds: ({ files }) => [files.ofAna.file],
  },
  'an acceptance, after what the former owner and the new one wrote': {
    write({ world, founder, ana, files }) {
      const offer = ana.offer(files.ofAna, founder)
      founder.sync(ana)
      world.tick()
      const accept = founder.accept(files.ofAna, offer)
      world.tick()
      return [accept, founder.update(files.ofAna), ana.update(files.ofAna)]
    },
    folds: ({ files }) => [files.ofAna.file],
  },
  'a leave: the files of its author, and what it wrote besides': {
    write: ({ world, eva, rui }) => [rui.leave(), world.invite(eva).entry],
    folds: ({ rui, files }) => [files.ofRui.file, files.ofAna.file, capacityOf(rui)],
  },
  'an expulsion by the recovery key': {
    write: ({ world, founder, eva, ana }) => [
      founder.write('expel', { node: ana.key.publicKey, cuts: ana.cuts() }, { cosigned: true }),
      world.invite(eva).entry,
    ],
    folds: ({ ana, files }) => [files.ofAna.file, files.alsoOfAna.file, capacityOf(ana)],
  },
  'an admission: what the newcomer wrote': {
    write({ world, eva }) {
      const invitation = world.invite(eva)
      const bia = world.admitWith(eva, invitation)
      const admit = eva.known.control().findLast(({ kind }) => kind === 'admit')
      if (admit === undefined) throw new Error('not admitted')
      bia.upload()
      bia.write('capacity', { weight: 16 })
      return [admit]
    },
    folds({ world }) {
      const bia = world.actors.at(-1)
      const upload = world.entries.findLast(({ kind }) => kind === 'upload')
      if (bia === undefined || upload === undefined) throw new Error('nobody came')
      return [toHex((upload.body as { file: Uint8Array }).file), capacityOf(bia)]
    },
  },
  'a machine’s replacement: what the old one wrote': {
    write({ world, founder, eva, ana }) {
      world.admit({ by: founder, replaces: ana })
      const admit = founder.known.control().findLast(({ kind }) => kind === 'admit')
      return admit === undefined ? [] : [admit, world.invite(eva).entry]
    },
    folds: ({ ana, files }) => [files.ofAna.file, files.alsoOfAna.file, capacityOf(ana)],
  },
  'a demotion: nothing, since what the admin did without knowing of it stands': {
    write: ({ founder, eva, ...rest }) => [
      founder.write('role', { node: eva.key.publicKey, role: 'member' }),
      ...assignment({ founder, eva, ...rest }),
    ],
    folds: () => [],
  },
  'an expulsion that had not seen an assignment: the file that was assigned': {
    write: ({ founder, eva, ...rest }) => [
      founder.write('expel', { node: eva.key.publicKey, cuts: eva.cuts() }, { cosigned: true }),
      ...assignment({ founder, eva, ...rest }),
    ],
    folds: ({ eva, files }) => [files.ofAna.file, capacityOf(eva)],
  },
  'the end of a leave: files that a machine before had written': {
    write({ world, founder, eva, ana }) {
      const heir = world.admit({ by: founder, replaces: ana })
      world.meet()
      world.tick()
      return [heir.left(heir.leave()), world.invite(eva).entry]
    },
    folds: ({ files }) => [files.ofAna.file, files.alsoOfAna.file],
  },
  'an expulsion beside another, which cut the feeds elsewhere': {
    write({ world, founder, eva, ana }) {
      const cuts = ana.cuts()
      ana.openFeed()
      ana.leave()
      world.meet()
      world.tick()
      const node = ana.key.publicKey
      const all = founder.write('expel', { node, cuts }, { cosigned: true })
      const none = eva.write('expel', { node, cuts: [] }, { cosigned: true })
      return [all, none]
    },
    folds: ({ ana, files }) => [files.ofAna.file, files.alsoOfAna.file, capacityOf(ana)],
  },
  'an appointment that lets an adoption come before what made the file an orphan': {
    write({ world, founder, eva }) {
      const bia = world.admit({ role: 'admin' })
      const file = bia.upload()
      world.meet()
      const leave = bia.leave()
      world.meet()
      world.tick()
      const role = founder.write('role', { node: eva.key.publicKey, role: 'admin' }, { cosigned: true })
      return [role, bia.left(leave), eva.adopt(file)]
    },
    folds({ world }) {
      const upload = world.entries.findLast(({ kind }) => kind === 'upload')
      const { file } = (upload?.body ?? {}) as { file: Uint8Array }
      return [toHex(file)]
    },
    seed: 'adoption 3',
  },
}

/** An admin settles an offer that nobody has answered for too long. */
function assignment({ world, eva, ana, rui, files }: Setting): Entry[] {
  const offer = ana.offer(files.ofAna, rui)
  world.tick(8 * 24 * 3_600_000)
  eva.sync(ana)
  const assign = eva.assign(files.ofAna, eva)
  return [assign, eva.accept(files.ofAna, assign), offer]
}

describe('a late entry is folded in', () => {
  test.each(Object.entries(cases))('%s', async (_name, { write, folds, comesTooLate = false, seed }) => {
    const of = setting(seed)
    const [late] = write(of)
    if (late === undefined) throw new Error('nothing was written')
    const { entries } = of.world
    const [inOrder, node] = [replica(of.world), replica(of.world)]
    inOrder.deliver(entries)
    node.deliver(entries.filter((entry) => entry !== late))
    const before = toHex(node.state.digest())
    node.entries.asked.clear()
    node.deliver([late])
    const folded = [...node.entries.asked].sort()
    expect(toHex(node.state.digest()) === before).toBe(comesTooLate)
    expect(toHex(node.state.digest())).toBe(toHex(inOrder.state.digest()))
    expect((await node.state.verify()).problems).toEqual([])
    expect(folded).toEqual([...folds(of)].sort())
  })
})
