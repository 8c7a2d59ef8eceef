/** Denials told by others than the machine that wrote them: who may, who does, what is forgotten, and that it ends. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sign } from '../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import {
  type AudienceId,
  type BranchId,
  type EntryId,
  EVERYONE,
  type FileId,
  idBytes,
  type KeyId,
  type NodeId,
  publicKeyFromNodeId,
} from '../ids.ts'
import type { Branch, Member } from '../membership/types.ts'
import { type AudienceList, audienceList, EVERYONE_LIST, entitled } from './audience-list.ts'
import { createNoticeDebts, type NoticeDebts } from './notice-debts.ts'
import { type TestNode, threeMembers, until, type World } from './support/testing.ts'
import type { SharedEpoch, SharedFile } from './types.ts'

describe('in a network', () => {
  let world: World
  let ana: TestNode
  let bia: TestNode
  let caio: TestNode

  beforeEach(async () => {
    ;({ world, ana, bia, caio } = await threeMembers())
  })
  afterEach(() => world.close())

  const only = (...nodes: TestNode[]) =>
    audienceList(
      'only',
      nodes.map(({ branch }) => branch),
      ana.branch,
    )
  const onDisk = (node: TestNode, what: string | Uint8Array) =>
    ['local.db', 'local.db-wal'].some((name) => readFileSync(join(node.folder, name)).includes(what as string))

  /** Caio can read a file and is off; then the owner lets only Bia read it. */
  async function denyWhileAway(before: AudienceList = EVERYONE_LIST): Promise<{ file: FileId; secret: Buffer }> {
    const file = await world.upload(ana, 'campanha-confidencial.png', before)
    await until(caio, () => caio.sharing.views.get(file) !== null)
    const secret = Buffer.from(caio.sharing.keyring.fileKey(file, 1)?.fileKey ?? [])
    world.setOnline(caio, false)
    await ana.sharing.author.share(file, only(bia))
    await until(bia, () => bia.sharing.views.get(file)?.epoch === 2)
    expect(ana.sharing.notices.pending()).toBe(1)
    // the scan can find it
    expect([onDisk(caio, secret), onDisk(caio, 'campanha-confidencial')]).toEqual([true, true])
    return { file, secret }
  }

  async function expectGone(file: FileId, secret: Buffer): Promise<void> {
    const denied = new Promise<void>((resolve) =>
      caio.sharing.views.onChange((event) => event.type === 'denied' && resolve()),
    )
    world.setOnline(caio, true)
    await denied
    expect(caio.sharing.views.gaveUp(file)).toBe(1)
    expect([onDisk(caio, secret), onDisk(caio, 'campanha-confidencial')]).toEqual([false, false])
  }

  test('the machine that replaced the owner’s tells it', async () => {
    const { file, secret } = await denyWhileAway()
    const next = await world.replace(ana, 'ana, another machine')
    await next.sharing.retry()
    expect([next.sharing.notices.pending(), next.sharing.debts.due()]).toEqual([1, 0])
    await expectGone(file, secret)
    await next.sharing.retry()
    expect(next.sharing.notices.pending()).toBe(0)
    // and once is enough
    const before = caio.requests
    await next.sharing.retry()
    next.sharing.changed({ files: [file] })
    await next.sharing.retry()
    expect([next.sharing.notices.pending(), caio.requests]).toEqual([0, before])
  })

  test('whoever owns the file now tells it, also without a list that it could never read', async () => {
    const dora = await world.add('dora')
    const { file, secret } = await denyWhileAway(only(caio))
    world.setState(ana, 'left')
    world.setOnline(ana, false)
    world.setOwner(file, bia.branch)
    await bia.sharing.retry()
    expect(bia.sharing.debts.due()).toBe(0)
    await expectGone(file, secret)
    await bia.sharing.retry()
    expect(bia.sharing.notices.pending()).toBe(0)
    // who never had a key was told in vain, and may hold what it could hold before
    expect(dora.sharing.views.gaveUp(file)).toBeNull()
  })

  test('nobody else may, nor a machine that was replaced, and who was let in again is told nothing', async () => {
    const { file } = await denyWhileAway()
    const entry = world.epochs(file)[1]?.entry as EntryId
    const tell = (by: TestNode) => {
      const named = publicKeyFromNodeId(caio.id)
      const sig = sign(by.signer, 'notice', world.network, idBytes(file), idBytes(entry), named)
      return caio.sharing.notices.take({ file: idBytes(file), entry: idBytes(entry), node: named, sig })
    }
    expect(await tell(bia)).toBe('unknown')
    const next = await world.replace(ana, 'ana, another machine')
    expect(await tell(ana)).toBe('unknown')
    world.setState(next, 'quarantined')
    expect(await tell(next)).toBe('unknown')
    world.setState(next, 'member')
    expect(caio.sharing.keyring.fileKey(file, 1)).not.toBeNull()
    expect(await tell(next)).toBe('dropped')
    await next.sharing.retry()
    await next.sharing.author.share(file, EVERYONE_LIST)
    expect(next.sharing.notices.pending()).toBe(1)
    world.setOnline(caio, true)
    await until(caio, () => caio.sharing.views.get(file) !== null)
    await next.sharing.retry()
    expect(next.sharing.notices.pending()).toBe(0)
    expect(caio.sharing.views.get(file)?.epoch).toBe(3)
  })
})

describe('what is owed', () => {
  const hex = (n: number, digits: number) => n.toString(16).padStart(digits, '0')
  const OWN = hex(1, 64) as BranchId
  const OTHERS = [2, 3, 4].map((n) => hex(n, 64) as BranchId)
  const nodeOf = (branch: BranchId) => `node of ${branch}` as NodeId
  const file = 'cd'.repeat(16) as FileId

  /** One file of one branch, with lists that can be read or not. */
  function scene() {
    const db: Database = openDatabase({ path: ':memory:', migrations: migrationsFolder('local') })
    const epochs: SharedEpoch[] = []
    const lists = new Map<KeyId, AudienceList>()
    const kept = new Map<string, number>()
    let readable = true
    const [members, branches] = [new Map<NodeId, Member>(), new Map<BranchId, Branch>()]
    for (const branch of [OWN, ...OTHERS]) {
      members.set(nodeOf(branch), { node: nodeOf(branch), branch, state: 'member' } as Member)
      branches.set(branch, { id: branch, node: nodeOf(branch), name: '', state: 'member' })
    }
    const shared = () => ({ file, state: 'live', owner: OWN, epoch: epochs.length }) as SharedFile
    const create = (): NoticeDebts =>
      createNoticeDebts({
        db,
        self: nodeOf(OWN),
        reads: {
          file: shared,
          epochs: () => epochs,
          filesOwnedBy: () => [file],
          membership: () => ({ members, branches }) as never,
        } as unknown as Parameters<typeof createNoticeDebts>[0]['reads'],
        keyring: {
          audienceKey: (audience, key) =>
            readable
              ? { audience, key, secret: new Uint8Array(32), gone: null, list: lists.get(key) as AudienceList }
              : null,
        },
        grants: { acquire: () => Promise.resolve(false), complete: () => Promise.resolve(false) },
        authorOf: () => nodeOf(OWN),
        isAnybodyThere: () => true,
        keep(_, share, nodes) {
          for (const node of nodes) kept.set(`${share} ${node}`, (kept.get(`${share} ${node}`) ?? 0) + 1)
        },
      })
    let debts = create()
    const newest = () => epochs.at(-1) as SharedEpoch
    return {
      kept,
      due: () => debts.due(),
      settle: () => debts.settle(),
      open(list: AudienceList) {
        const n = epochs.length + 1
        const isAll = list.mode === 'everyone'
        const audience = isAll ? EVERYONE : (hex(n, 32) as AudienceId)
        epochs.push({ file, epoch: n, audience, key: hex(n, 32) as KeyId, entry: hex(n, 64) as EntryId } as SharedEpoch)
        lists.set(newest().key, list)
        debts.changed([file])
      },
      tell: () => debts.told(file, newest().entry),
      setReadable(value: boolean) {
        readable = value
      },
      /** a new process, on the same database or an empty one */
      restart(withNothing: boolean) {
        if (withNothing) db.exec('DELETE FROM told_files; DELETE FROM told_files_whole')
        debts = create()
      },
      /** who has to be told, by what is plain to see */
      owed() {
        const isIn = (epoch: SharedEpoch, branch: BranchId) => entitled(lists.get(epoch.key) as AudienceList, branch)
        return OTHERS.flatMap((branch) => {
          const last = epochs.findLastIndex((epoch) => isIn(epoch, branch))
          const next = epochs[last + 1]
          return last < 0 || next === undefined ? [] : [`${next.entry} ${nodeOf(branch)}`]
        })
      },
      close: () => db.close(),
    }
  }

  type Step =
    | { do: 'open'; list: AudienceList; tells: boolean }
    | { do: 'settle' | 'hide' | 'show' | 'restart' | 'lose' }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), list: listOf(), tells: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc
        .constantFrom(...(['settle', 'hide', 'show', 'restart', 'lose'] as const))
        .map((what) => ({ do: what })),
    },
  )
  function listOf(): fc.Arbitrary<AudienceList> {
    const mode = fc.constantFrom('everyone' as const, 'except' as const, 'only' as const)
    return fc.tuple(mode, fc.subarray(OTHERS)).map(([which, named]) => audienceList(which, named, OWN))
  }

  test('is kept in the end, once per database, whatever came between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const it = scene()
        let losses = 0
        try {
          it.open(EVERYONE_LIST)
          for (const each of steps) {
            if (each.do === 'open') {
              const before = new Set(it.owed())
              it.open(each.list)
              if (each.tells) {
                // as the author does: who lost access by this very entry
                for (const name of it.owed()) if (!before.has(name)) it.kept.set(name, (it.kept.get(name) ?? 0) + 1)
                it.tell()
              }
            } else if (each.do === 'settle') await it.settle()
            else if (each.do === 'hide' || each.do === 'show') it.setReadable(each.do === 'show')
            else {
              it.restart(each.do === 'lose')
              if (each.do === 'lose') losses += 1
            }
          }
          it.setReadable(true)
          await it.settle()
          expect(it.due()).toBe(0)
          const owed = it.owed()
          for (const name of owed) expect([name, it.kept.has(name)]).toEqual([name, true])
          const counts = [...it.kept.values()]
          const most = 1 + losses + steps.filter((each) => each.do === 'open' && each.tells).length
          expect(Math.max(0, ...counts)).toBeLessThanOrEqual(most)
          const before = new Map(it.kept)
          await it.settle()
          it.restart(false)
          await it.settle()
          expect(it.kept).toEqual(before)
        } finally {
          it.close()
        }
      }),
      { numRuns: 200 },
    )
  })

  test('a list that cannot be read leaves the file due, and nothing half told', async () => {
    const it = scene()
    it.open(audienceList('except', [], OWN))
    it.open(audienceList('only', OTHERS.slice(0, 1), OWN))
    it.setReadable(false)
    await it.settle()
    expect([it.due(), it.kept.size]).toEqual([1, 0])
    it.setReadable(true)
    await it.settle()
    expect(it.due()).toBe(0)
    expect([...it.kept.keys()].sort()).toEqual(it.owed().sort())
    expect(it.kept.size).toBe(2)
    it.close()
  })
})
