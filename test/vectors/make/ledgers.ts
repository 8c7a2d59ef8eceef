/** ledgers/*.json: whole small ledgers with everything that follows from them. */
import { kindInfo } from '../../../packages/core/src/catalogue/kind-info.ts'
import { createSharedState } from '../../../packages/core/src/catalogue/shared-state.ts'
import { createStateRows } from '../../../packages/core/src/catalogue/state-rows.ts'
import {
  OUTSIDE_DIGEST,
  type Row,
  type Scalar,
  type TableSpec,
  tables,
} from '../../../packages/core/src/catalogue/state-tables.ts'
import { type Actor, audienceBody, World } from '../../../packages/core/src/catalogue/testing.ts'
import { EVERYTHING, play, type Step } from '../../../packages/core/src/catalogue/worlds/testing.ts'
import { type CborValue, decodeCbor } from '../../../packages/core/src/codec/index.ts'
import { sign, signingKeyFromSeed } from '../../../packages/core/src/crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../../../packages/core/src/database/index.ts'
import { EVERYONE, idBytes, type NetworkId } from '../../../packages/core/src/ids.ts'
import { compareOrdinary, createLedger, type Entry, type Ledger } from '../../../packages/core/src/ledger/index.ts'
import { ManualClock, memorySettings, nobodyAround } from '../../../packages/core/src/ledger/testing.ts'
import { systemRandom } from '../../../packages/core/src/random.ts'
import { hex } from '../reader/bytes.ts'
import { controlSteps, signedHex } from './entries.ts'
import { filled } from './keys.ts'

const DAY_MS = 24 * 3_600_000

/** Each is a story; the members are named by what they are in it. */
const stories: Record<string, { about: string; write: () => World }> = {
  founding: {
    about: 'a founder, an admin whom it invited, and a member whom the admin let in; capacities; one invite revoked',
    write() {
      const world = new World('founding')
      const ana = world.admit({ role: 'admin', branch: 'Rio' })
      world.tick()
      world.admit({ by: ana, branch: 'Bahia' })
      ana.write('capacity', { weight: 32 })
      ana.write('capacity', { weight: 48 })
      const { entry } = world.invite(ana)
      ana.write('revoke', { invite: idBytes(entry.id) })
      return world
    },
  },
  'one-file': {
    about:
      'a file from its upload to its purge: versions, a conflict version, another audience, a sealed-anew version, the trash',
    write() {
      const world = new World('one-file')
      const ana = world.admit()
      const file = ana.upload()
      world.tick()
      const second = ana.update(file)
      world.tick()
      ana.update(file, { opens: true })
      // on a copy of the machine that knew nothing of the last one
      ana.update(file, { builds: second })
      ana.share(file)
      const base = { file: idBytes(file.file), builds: ana.head(file.file) }
      const content = { root: filled(32, 1), size: 20, chunk: 1 << 20 }
      ana.write('reseal', { ...base, version: 3, epoch: 3, content })
      ana.change('restore', file, { version: 1 })
      ana.change('trash', file)
      ana.update(file)
      ana.change('restore', file)
      ana.change('purge', file)
      ana.change('restore', file)
      return world
    },
  },
  handover: {
    about:
      'a file is offered and accepted; what the former owner writes afterwards stands beside; nobody else has a say',
    write() {
      const world = new World('handover')
      const [ana, rui, eva] = [world.admit(), world.admit(), world.admit()]
      world.meet()
      const file = ana.upload()
      world.meet()
      world.tick()
      eva.update(file)
      eva.change('purge', file)
      const offer = ana.offer(file, rui)
      ana.update(file)
      rui.sync(ana)
      world.tick()
      rui.accept(file, offer)
      world.tick()
      rui.update(file)
      ana.update(file)
      ana.change('trash', file)
      return world
    },
  },
  'handover-twice': {
    about:
      'two offers that did not know of each other are both accepted: the first in control order wins, both are marked; an admin gives the file to the other',
    write() {
      const world = new World('handover-twice')
      const [ana, rui, eva] = [world.admit(), world.admit(), world.admit()]
      const file = ana.upload()
      world.meet()
      world.tick()
      const toRui = ana.offer(file, rui)
      rui.sync(ana)
      ana.close('cancel', file, toRui)
      const toEva = ana.offer(file, eva)
      eva.learn([...world.entries])
      world.tick()
      rui.accept(file, toRui)
      eva.accept(file, toEva)
      world.tick()
      rui.update(file)
      eva.update(file)
      world.founder.sync(rui, eva)
      const isRui = world.fold(file.file).file?.owner === rui.branch
      const [winner, other] = isRui ? [rui, eva] : [eva, rui]
      const assignment = world.founder.assign(file, other)
      other.sync(world.founder)
      world.tick()
      other.accept(file, assignment)
      world.tick()
      // the first has not heard of it
      winner.update(file)
      return world
    },
  },
  leaving: {
    about:
      'a branch leaves: one file is drawn by two candidates, one goes to the other, one is left an orphan and adopted',
    write() {
      const world = new World('leaving')
      const [ana, rui, eva] = [world.admit(), world.admit(), world.admit()]
      const files = [ana.upload(), ana.upload(), ana.upload()] as const
      world.meet()
      world.tick()
      const leave = ana.leave()
      ana.update(files[0])
      rui.sync(ana)
      eva.sync(ana)
      world.tick()
      rui.accept(files[0], leave)
      eva.accept(files[0], leave)
      rui.accept(files[1], leave)
      ana.sync(rui)
      world.tick()
      ana.left(leave, [files[2]])
      world.meet()
      world.tick()
      eva.adopt(files[2])
      eva.update(files[2])
      rui.change('purge', files[2])
      return world
    },
  },
  expulsion: {
    about:
      'two admins expel a third, which hits back with entries that claim to have seen nothing but the founding; what they had not seen of it falls away',
    write() {
      const world = new World('expulsion')
      const [eva, bia] = [world.admit({ role: 'admin' }), world.admit({ role: 'admin' })]
      const thief = world.admit({ role: 'admin' })
      world.meet()
      const file = thief.upload()
      world.meet()
      world.tick()
      const cuts = thief.cuts()
      const seen = [world.network as string as Entry['id']]
      for (const victim of [world.founder, eva, bia]) {
        thief.write('expel', { node: victim.key.publicKey, cuts: [] }, { seen })
      }
      world.admit({ by: thief, role: 'admin' })
      thief.update(file)
      eva.write('expel', { node: thief.key.publicKey, cuts })
      bia.sync(eva)
      bia.write('expel', { node: thief.key.publicKey, cuts })
      return world
    },
  },
  'expulsion-forked': {
    about:
      'an expelled machine goes back below the end of its feed and writes another branch there: only what leads to the end counts',
    write() {
      const world = new World('expulsion-forked')
      const machine = world.admit()
      const file = machine.upload()
      const copy = world.copyOf(machine)
      const update = machine.update(file)
      machine.upload()
      world.founder.sync(machine)
      world.founder.write('expel', { node: machine.key.publicKey, cuts: machine.cuts() }, { cosigned: true })
      copy.change('purge', file, {}, update)
      copy.upload()
      return world
    },
  },
  quarantine: {
    about:
      'two admins quarantine each other, neither knowing of it: both are; one is released, the recovery key frees the other',
    write() {
      const world = new World('quarantine')
      const [eva, rui] = [world.admit({ role: 'admin' }), world.admit({ role: 'admin' })]
      world.meet()
      world.tick()
      eva.write('quarantine', { node: rui.key.publicKey })
      rui.write('quarantine', { node: eva.key.publicKey })
      world.meet()
      world.tick()
      eva.write('role', { node: rui.key.publicKey, role: 'member' })
      world.founder.write('release', { node: eva.key.publicKey })
      rui.write('role', { node: rui.key.publicKey, role: 'admin' }, { cosigned: true })
      return world
    },
  },
  'used-twice': {
    about: 'one invite lets in two machines, in two parts that do not hear of each other; it is revoked in a third',
    write() {
      const world = new World('used-twice')
      const [ana, rui] = [world.admit(), world.admit()]
      const invitation = world.invite(world.founder, { role: 'admin' })
      world.meet()
      world.tick()
      const [one] = [world.admitWith(ana, invitation), world.admitWith(rui, invitation)]
      world.founder.write('revoke', { invite: idBytes(invitation.entry.id) })
      world.meet()
      world.admitWith(ana, invitation)
      one.upload()
      return world
    },
  },
  replacement: {
    about:
      'a machine is replaced: its branch, its files and its denials go on, its feed ends; uploads beyond are orphans',
    write() {
      const world = new World('replacement')
      const ana = world.admit()
      const file = ana.upload()
      world.meet()
      world.tick()
      const heir = world.admit({ replaces: ana })
      ana.update(file)
      ana.upload()
      world.tick()
      heir.update(file)
      return world
    },
  },
  fork: {
    about: 'a copy of a machine goes on in the same feed: both branches stand, in order',
    write() {
      const world = new World('fork')
      const ana = world.admit({ role: 'admin' })
      const file = ana.upload()
      const copy: Actor = world.copyOf(ana)
      world.tick()
      ana.update(file)
      ana.write('quarantine', { node: world.founder.key.publicKey })
      copy.update(file)
      copy.write('role', { node: world.founder.key.publicKey, role: 'member' })
      ana.sync(copy)
      ana.write('capacity', { weight: 1 })
      return world
    },
  },
  audiences: {
    about: 'the keys of two audiences: begun, renewed twice at once, and wrongly',
    write() {
      const world = new World('audiences')
      const [ana, rui] = [world.admit(), world.admit()]
      world.meet()
      const secret = hex(world.unique(16)) as typeof EVERYONE
      for (const audience of [EVERYONE, secret]) {
        const [first, second, third] = [world, world, world].map(() => signingKeyFromSeed(world.unique(32)))
        if (first === undefined || second === undefined || third === undefined) throw new Error('no key')
        const key = world.unique(16)
        const body = (id: Uint8Array, proof: typeof first) => ({
          ...audienceBody(audience, id, proof),
          grants: world.unique(32),
          ...(audience === EVERYONE ? {} : { list: world.unique(32) }),
        })
        ana.write('audience', body(world.unique(16), third))
        world.tick()
        world.founder.write('audience', body(key, first))
        world.meet()
        world.tick()
        for (const [actor, signer] of [
          [ana, first],
          [rui, first],
          [rui, second],
        ] as const) {
          const id = world.unique(16)
          const signature = sign(signer, 'audience-renewal', world.network, idBytes(audience), id)
          actor.write('audience', { ...body(id, second), renews: { key, signature } })
          world.tick()
        }
      }
      return world
    },
  },
  hostile: {
    about:
      'bodies without their form, kinds of nobody, another’s file, a stranger, an entry that names nothing, an old date',
    write() {
      const world = new World('hostile')
      const [ana, mallory] = [world.admit(), world.admit()]
      const file = ana.upload()
      world.meet()
      world.tick()
      mallory.write('upload', { file: 1 })
      mallory.write('gossip', { about: idBytes(file.file) })
      mallory.write('offer', {})
      mallory.change('trash', file)
      mallory.offer(file, mallory)
      mallory.write('purge', { file: idBytes(file.file), builds: idBytes(file.entry.id) }, { ms: world.now })
      mallory.write('expel', { node: ana.key.publicKey, cuts: [] })
      mallory.openFeed()
      mallory.update(file, { ms: world.now - 365 * DAY_MS })
      mallory.write('leave', {}, { seen: [hex(world.unique(32)) as never] })
      mallory.write('decline', { of: filled(32, 1), file: idBytes(file.file) })
      return world
    },
  },
  ...Object.fromEntries(
    [1, 2, 3].map((number) => [
      `history-${number}`,
      { about: 'members who partly know of each other, honest and not, write whatever', write: () => history(number) },
    ]),
  ),
}

/** A script from a number: any will do, as long as it is the same tomorrow. */
function history(number: number): World {
  let state = number
  const below = (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  const script = Array.from({ length: 45 }, (): Step => {
    const action = EVERYTHING[below(EVERYTHING.length)] ?? 'update'
    return { actor: below(6), action, file: below(6), other: below(6), pause: below(4), sync: below(3) > 0 }
  })
  return play(script, `history-${number}`).world
}

type Cell = string | number | boolean | null | { readonly bytes: string } | readonly Cell[]

/** A cell as JSON: bytes in hex are told from text. */
function cell(value: CborValue | undefined): Cell {
  if (value instanceof Uint8Array) return { bytes: hex(value) }
  if (Array.isArray(value)) return value.map((each: CborValue) => cell(each))
  return (value ?? null) as Cell
}

/** Every row that is part of the digest, its columns in their order, sorted by its key: however they are kept. */
function rowsOf(db: Database, network: NetworkId, ledger: Ledger): (readonly Cell[])[] {
  const rows = createStateRows(db, () => network, ledger)
  const files = [...rows.files.stored()].sort(Buffer.compare).map((record) => cell(decodeCbor(record, record.length)))
  const others = (Object.values(tables) as unknown as TableSpec<Row>[]).flatMap((spec) => {
    const columns = spec.columns.filter((column) => !OUTSIDE_DIGEST.has(column))
    const keys = spec.columns.slice(0, spec.keys)
    return rows
      .select(spec)
      .sort((a, b) => keys.reduce((sum, key) => sum || compareCells(a[key], b[key]), 0))
      .map((row) => [spec.name, ...columns.map((column) => cell(row[column]))])
  })
  return [...others, ...(files as (readonly Cell[])[])]
}

function compareCells(a: Scalar | undefined, b: Scalar | undefined): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0
}

async function ledgerOf(name: string, about: string, world: World) {
  const { network, entries } = world
  const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
  const ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer: signingKeyFromSeed(filled(32, 250)),
    clock: new ManualClock(Math.max(...entries.map(({ ms }) => ms))),
    random: systemRandom,
    kinds: kindInfo,
    apply: (batch) => state.apply(batch),
    ...nobodyAround,
  })
  const state = createSharedState({ db, entries: ledger, network: () => ledger.network() })
  try {
    ledger.ingest(entries.map(({ bytes, sig, cosig }) => ({ bytes, sig, cosig })))
    const stored = ledger.page(0, 10_000).map(({ entry }) => entry)
    const verified = await state.verify()
    if (hex(verified.recomputed) !== hex(state.digest())) throw new Error(`${name} does not verify`)
    const ordinary = stored.filter(({ kind }) => kindInfo(kind)?.isControl !== true)
    const { order, waiting } = controlSteps(stored)
    return {
      about,
      network,
      recovery: hex(world.recovery.publicKey),
      entries: entries.map(signedHex),
      stored: stored.map(({ id }) => id).sort(),
      control: { order, waiting },
      ordinary: { order: [...ordinary].sort(compareOrdinary).map(({ id }) => id) },
      heads: {
        tips: ledger
          .heads()
          .map(({ feed, seq, id }) => ({ feed, seq, id }))
          .sort((a, b) => (a.id < b.id ? -1 : 1)),
        buckets: hex(ledger.sync.buckets()),
        hash: hex(ledger.sync.headsHash()),
      },
      rows: rowsOf(db, network, ledger),
      digest: hex(state.digest()),
    }
  } finally {
    ledger.close()
    db.close()
  }
}

export async function makeLedgers(): Promise<Map<string, unknown>> {
  const files = new Map<string, unknown>()
  for (const [name, { about, write }] of Object.entries(stories)) {
    files.set(`ledgers/${name}.json`, await ledgerOf(name, about, write()))
  }
  return files
}
