import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey, sign } from '../crypto/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { type AudienceId, EVERYONE, idBytes, idFrom, type KeyId, type Root, toHex } from '../ids.ts'
import { createLedger } from '../ledger/index.ts'
import { nobodyAround } from '../ledger/testing.ts'
import { fileIdFor } from '../membership/index.ts'
import { systemRandom } from '../random.ts'
import { kindInfo } from './kind-info.ts'
import { createSharedState } from './shared-state.ts'
import { audienceBody, createReplica, MemoryEntries, type Replica, unique, World } from './testing.ts'

const open: Replica[] = []

function replica(world: World): Replica {
  const made = createReplica(world.network)
  open.push(made)
  return made
}

afterEach(() => {
  vi.restoreAllMocks()
  for (const each of open.splice(0)) each.close()
})

describe('rows and changes', () => {
  test('a commit tells what changed, a rollback leaves nothing', () => {
    const world = new World()
    const ana = world.admit()
    const node = replica(world)
    node.deliver(world.entries)
    expect(node.changes).toHaveLength(1)
    expect(node.changes[0]?.memberChanges.map((change) => change.node)).toEqual([world.founder.node, ana.node])
    const file = ana.upload()
    const before = toHex(node.state.digest())
    node.deliver(world.entries)
    expect(node.changes[1]).toMatchObject({ files: [file.file], members: false, gone: [] })
    expect(node.changes[1]?.fileChanges[0]).toMatchObject({ before: null, after: { version: 1 } })
    expect(toHex(node.state.digest())).not.toBe(before)
    node.deliver(world.entries)
    expect(node.changes).toHaveLength(2)
  })

  test('a file that is a file no more takes its versions and refs along', async () => {
    const world = new World()
    const ana = world.admit()
    ana.upload()
    const cuts = ana.cuts()
    const node = replica(world)
    const file = ana.upload()
    node.deliver(world.entries)
    const root = node.state.versions(file.file)[0]?.root as Root
    expect(node.state.versionOfRoot(root)).not.toBeNull()
    world.founder.write('expel', { node: ana.key.publicKey, cuts })
    node.deliver(world.entries)
    expect(node.state.file(file.file)).toBeNull()
    expect(node.state.versionOfRoot(root)).toBeNull()
    expect((await node.state.verify()).problems).toEqual([])
  })

  test('a transaction that fails changes neither rows nor digest nor membership', () => {
    const world = new World()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const told: unknown[] = []
    const state = createSharedState({
      db,
      entries,
      network: () => world.network,
      onChange: (change) => told.push(change),
    })
    db.write(() => state.apply(entries.add(world.entries)))
    const before = toHex(state.digest())
    const ana = world.admit()
    const file = ana.upload()
    expect(() =>
      db.write(() => {
        state.apply(entries.add(world.entries))
        expect(state.file(file.file)).not.toBeNull()
        throw new Error('disk full')
      }),
    ).toThrow('disk full')
    expect(toHex(state.digest())).toBe(before)
    expect(state.file(file.file)).toBeNull()
    expect(state.membership().members.has(ana.node)).toBe(false)
    expect(told).toHaveLength(1)
    db.close()
  })

  test('a reopened state goes on; emptied tables are made anew', () => {
    const world = new World()
    const ana = world.admit()
    ana.upload()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const make = () => createSharedState({ db, entries, network: () => world.network })
    const first = make()
    db.write(() => first.apply(entries.add(world.entries)))
    const digest = toHex(first.digest())
    expect(toHex(make().digest())).toBe(digest)
    for (const table of ['files', 'refs', 'members', 'branches', 'refusals', 'digest']) db.exec(`DELETE FROM ${table}`)
    expect(toHex(make().digest())).toBe(digest)
    db.close()
  })

  test('entries that took effect after a rebuild are not shown as refused any more', () => {
    const world = new World()
    const file = world.founder.upload()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const make = () => createSharedState({ db, entries, network: () => world.network })
    const state = make()
    db.write(() => state.apply(entries.add(world.entries)))
    const digest = toHex(state.digest())
    // as a software would leave it that did not know the rules of the upload
    entries.setVerdict(file.entry.id, { code: 'unknown-kind', reason: '' })
    db.prepare('INSERT INTO refusals VALUES (?, ?, ?, ?)').run(
      idBytes(file.file),
      idBytes(file.entry.id),
      'unknown-kind',
      '',
    )
    db.exec('UPDATE digest SET behind = 1')
    expect(toHex(make().digest())).toBe(digest)
    expect(entries.verdicts.get(file.entry.id)).toBeNull()
    db.close()
  })

  test('on the real ledger: founding, an upload, a reopened database', async () => {
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const settings = new Map<string, Uint8Array>()
    const signer = generateSigningKey()
    const make = () => {
      const ledger = createLedger({
        db,
        local: {
          getSetting: (name) => settings.get(name) ?? null,
          setSetting: (name, value) => void (value === null ? settings.delete(name) : settings.set(name, value)),
        },
        network: null,
        signer,
        clock: systemClock,
        random: systemRandom,
        kinds: kindInfo,
        apply: (entries) => state.apply(entries),
        ...nobodyAround,
      })
      const state = createSharedState({ db, entries: ledger, network: () => ledger.network() })
      return { ledger, state }
    }
    const { ledger, state } = make()
    const [sealing, recovery] = [unique(32), generateSigningKey().publicKey]
    const network = ledger.found({ name: 'A', branch: 'B', sealing, recovery, policy: {}, rules: 1 })
    const salt = unique(16)
    const file = fileIdFor(network, signer.publicKey, salt)
    const opens = { epoch: 1, audience: unique(16), key: unique(16), wrap: unique(60), proof: unique(32) }
    const content = { root: unique(32), size: 1, chunk: 1 << 20 }
    ledger.append('upload', { file: idBytes(file), salt, content, opens, meta: unique(32) })
    const refused = ledger.append('trash', { file: idBytes(file), builds: unique(32) })
    expect(state.file(file)).toMatchObject({ state: 'live', owner: network, version: 1 })
    expect(ledger.page(0, 10).find(({ entry }) => entry.id === refused.id)?.refusal?.code).toBe('conflict')
    expect(state.refusalOf(refused.id)?.code).toBe('conflict')
    const again = make()
    expect(toHex(again.state.digest())).toBe(toHex(state.digest()))
    expect(await again.state.verify()).toEqual({ recomputed: state.digest(), problems: [] })
    db.close()
  })

  test('verify finds a row that was changed on disk', async () => {
    const world = new World()
    const file = world.founder.upload()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const state = createSharedState({ db, entries, network: () => world.network })
    db.write(() => state.apply(entries.add(world.entries)))
    expect((await state.verify()).problems).toEqual([])
    // the upload that it names is another one; the bit is turned, not set: the id is random and may end in any byte
    const { record } = db.prepare<{ record: Uint8Array }>('SELECT record FROM files').get() as { record: Uint8Array }
    const harmed = Uint8Array.from(record)
    harmed[harmed.length - 1] = (harmed.at(-1) ?? 0) ^ 1
    db.prepare('UPDATE files SET record = ?').run(harmed)
    const { problems } = await state.verify()
    expect(problems).toEqual([
      `file or audience ${file.file}: its rows in files are not what the entries say`,
      'the rows on disk do not make the digest kept beside them',
    ])
    await state.repair()
    expect((await state.verify()).problems).toEqual([])
    db.close()
  })

  test.each([
    ['a lost row', 'DELETE FROM files', 'files'],
    ['what stands beside a record', "UPDATE files SET state = 'purged'", 'files'],
    ['a record that is none', "UPDATE files SET record = x'00'", 'files'],
    ['a row too many', "INSERT INTO marks VALUES (zeroblob(16), 'forked', zeroblob(32), 'x')", 'the rows on disk'],
    ['a role', "UPDATE members SET role = 'admin'", 'members'],
    ['a verdict', "INSERT INTO refusals VALUES (zeroblob(0), zeroblob(32), 'x', '')", 'the rows on disk'],
    ['the sum', 'UPDATE digest SET lanes = zeroblob(2048)', 'the rows on disk'],
  ])('verify finds %s, also in the background, and repair mends it', async (_, sql, named) => {
    const world = new World()
    world.admit()
    world.founder.upload()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const before = createSharedState({ db, entries, network: () => world.network })
    db.write(() => before.apply(entries.add(world.entries)))
    const sound = before.digest()
    db.exec(sql)
    const state = createSharedState({ db, entries, network: () => world.network })
    for (const options of [{}, { pace: async () => undefined }]) {
      expect((await state.verify(options)).problems.join('\n')).toContain(named)
    }
    await state.repair()
    expect((await state.verify()).problems).toEqual([])
    expect(state.digest()).toEqual(sound)
    db.close()
  })

  test('the background check goes on over changes', async () => {
    const world = new World()
    const member = world.admit()
    for (let at = 0; at < 40; at++) member.upload()
    world.meet()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const state = createSharedState({ db, entries, network: () => world.network })
    db.write(() => state.apply(entries.add(world.entries)))
    let paces = 0
    const result = await state.verify({
      async pace() {
        paces += 1
        world.founder.upload()
        db.write(() => state.apply(entries.add(world.entries)))
      },
    })
    expect(paces).toBeGreaterThan(0)
    expect(result).toEqual({ recomputed: state.digest(), problems: [] })
    db.close()
  })

  test.each([
    ['as it is', ''],
    ['with a branch that has another name', "UPDATE branches SET name = 'another'"],
  ])('the background check goes on over admissions: a state %s', async (_, sql) => {
    const world = new World()
    world.admit()
    world.founder.upload()
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
    const entries = new MemoryEntries()
    const state = createSharedState({ db, entries, network: () => world.network })
    db.write(() => state.apply(entries.add(world.entries)))
    db.exec(sql)
    let now = 0
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000)) // every turn has taken its time at once
    let paces = 0
    const { problems } = await state.verify({
      async pace() {
        paces += 1
        // in the middle of the members, then during what is begun anew
        if (paces !== 2 && paces !== 12) return
        world.admit()
        db.write(() => state.apply(entries.add(world.entries)))
      },
    })
    expect(paces).toBeGreaterThan(12)
    expect(problems.filter((problem) => problem.includes('branches'))).toHaveLength(sql === '' ? 0 : 1)
    expect(problems.filter((problem) => !problem.includes('branches') && sql === '')).toEqual([])
    db.close()
  })

  test('malformed and unknown entries are refused and counted in the digest', () => {
    const world = new World()
    const node = replica(world)
    node.deliver(world.entries)
    const before = toHex(node.state.digest())
    const [odd, broken] = [world.founder.write('gossip', {}), world.founder.write('upload', { file: 1 })]
    node.deliver(world.entries)
    expect(node.entries.verdicts.get(odd.id)?.code).toBe('unknown-kind')
    expect(node.entries.verdicts.get(broken.id)?.code).toBe('malformed')
    expect(toHex(node.state.digest())).not.toBe(before)
  })

  test('questions about files, roots, boxes and weights', () => {
    const world = new World()
    const ana = world.admit()
    const file = ana.upload()
    const other = world.founder.upload()
    ana.update(file)
    ana.change('trash', other)
    ana.write('capacity', { weight: 48 })
    ana.write('capacity', { weight: 64 })
    const node = replica(world)
    node.deliver(world.entries)
    const { state } = node
    const versions = state.versions(file.file)
    expect(versions.map(({ version }) => version)).toEqual([1, 2])
    expect(state.versionOfRoot(versions[0]?.root as Root)?.version).toBe(1)
    expect(state.versionOfRoot(toHex(unique(32)) as Root)).toBeNull()
    expect([...state.filesOwnedBy(ana.branch)]).toEqual([file.file])
    expect([...state.liveFiles()].sort()).toEqual([file.file, other.file].sort())
    expect(state.weights()).toEqual(new Map([[ana.node, 64]]))
    const page = state.files({}, { limit: 1 })
    expect(page.items).toHaveLength(1)
    const rest = state.files({}, { limit: 1, ...(page.next === null ? {} : { after: page.next }) })
    expect([...page.items, ...rest.items].map(({ file: id }) => id).sort()).toEqual([file.file, other.file].sort())
    expect(state.boxesOf(file.file)).toHaveLength(2)
    expect(state.boxOwner(versions[0]?.meta ?? state.boxesOf(file.file)[0] ?? ('' as never))).toEqual({
      file: file.file,
      epoch: 1,
    })
  })

  test('a root that was sealed anew is known by the version that replaced it', () => {
    const world = new World()
    const ana = world.admit()
    const file = ana.upload(5)
    const node = replica(world)
    node.deliver(world.entries)
    const former = node.state.versions(file.file)[0]?.root as Root
    expect(node.state.versionReplacing(former)).toBeNull()
    ana.share(file)
    const root = unique(32)
    ana.write('reseal', {
      file: idBytes(file.file),
      builds: ana.head(file.file),
      version: 1,
      epoch: 2,
      content: { root, size: 5, chunk: 1 << 20 },
    })
    node.deliver(world.entries)
    expect(node.state.versionOfRoot(former)).toBeNull()
    expect(node.state.versionReplacing(former)).toMatchObject({ file: file.file, version: 1, root: toHex(root) })
  })

  test('who names another file’s root later gets no say over it', () => {
    const world = new World()
    const ana = world.admit()
    const file = ana.upload()
    const node = replica(world)
    node.deliver(world.entries)
    const root = node.state.versions(file.file)[0]?.root as Root
    const thief = world.founder.upload()
    world.founder.write('update', {
      file: idBytes(thief.file),
      builds: world.founder.head(thief.file),
      content: { root: idBytes(root), size: 10, chunk: 1 << 20 },
      epoch: 1,
      meta: unique(32),
    })
    node.deliver(world.entries)
    expect(node.state.file(thief.file)?.version).toBe(2)
    expect(node.state.versionOfRoot(root)?.file).toBe(file.file)
  })
})

describe('audiences', () => {
  function renewal(
    world: World,
    audience: AudienceId,
    previous: { key: Uint8Array; proof: ReturnType<typeof generateSigningKey> },
  ) {
    const proof = generateSigningKey()
    const key = unique(16)
    const signature = sign(previous.proof, 'audience-renewal', world.network, idBytes(audience), key)
    return { key, proof, body: { ...audienceBody(audience, key, proof), renews: { key: previous.key, signature } } }
  }

  test('the founder begins everyone, whoever has a key begins the next', () => {
    const world = new World()
    const ana = world.admit()
    const [first, stray] = [generateSigningKey(), generateSigningKey()]
    const key = unique(16)
    const early = ana.write('audience', audienceBody(EVERYONE, unique(16), stray))
    world.founder.sync(ana)
    world.tick()
    world.founder.write('audience', audienceBody(EVERYONE, key, first))
    ana.sync(world.founder)
    world.tick()
    const next = renewal(world, EVERYONE, { key, proof: first })
    ana.write('audience', next.body)
    world.tick()
    const forged = renewal(world, EVERYONE, { key: next.key, proof: stray })
    const bad = ana.write('audience', forged.body)
    const second = world.founder.write('audience', audienceBody(EVERYONE, unique(16), stray))
    const node = replica(world)
    node.deliver(world.entries)
    expect(node.state.audience(EVERYONE)?.keys.map((each) => each.key)).toEqual(
      [key, next.key].map((each) => idFrom<KeyId>(each)),
    )
    expect(node.entries.verdicts.get(early.id)?.code).toBe('not-founder')
    expect(node.entries.verdicts.get(bad.id)?.code).toBe('bad-proof')
    expect(node.entries.verdicts.get(second.id)?.code).toBe('not-renewed')
  })

  test('two renewals of one key both stand, in order', () => {
    const world = new World()
    const ana = world.admit()
    const audience = toHex(unique(16)) as AudienceId
    const proof = generateSigningKey()
    const key = unique(16)
    ana.write('audience', audienceBody(audience, key, proof))
    world.meet()
    world.tick()
    const [a, b] = [renewal(world, audience, { key, proof }), renewal(world, audience, { key, proof })]
    ana.write('audience', a.body)
    world.tick()
    world.founder.write('audience', b.body)
    const node = replica(world)
    node.deliver([...world.entries].reverse())
    expect(node.state.audience(audience)?.keys.map((each) => each.key)).toEqual(
      [key, a.key, b.key].map((each) => idFrom<KeyId>(each)),
    )
  })
})
