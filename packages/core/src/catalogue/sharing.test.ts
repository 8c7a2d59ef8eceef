import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyKeyProof } from '../crypto/index.ts'
import { type EntryId, EVERYONE, type FileId, idBytes, type Root } from '../ids.ts'
import { controlBodies } from '../membership/index.ts'
import { audienceList, EVERYONE_LIST, withDenied } from './audience-list.ts'
import { type TestNode, threeMembers, until, type World } from './support/testing.ts'

let world: World
let ana: TestNode
let bia: TestNode
let caio: TestNode

beforeEach(async () => {
  ;({ world, ana, bia, caio } = await threeMembers())
})

afterEach(() => world.close())

const sees = (node: TestNode, file: FileId) => node.sharing.views.get(file) !== null
const whenSeen = (node: TestNode, file: FileId) => until(node, () => sees(node, file))
const except = (...nodes: TestNode[]) =>
  audienceList(
    'except',
    nodes.map((node) => node.branch),
    ana.branch,
  )

function onDisk(node: TestNode, text: string | Buffer): boolean {
  return ['local.db', 'local.db-wal'].some((name) => {
    try {
      return readFileSync(join(node.folder, name)).includes(text)
    } catch {
      return false
    }
  })
}

describe('sharing with everyone', () => {
  test('a file is seen by all, with its details', async () => {
    const file = await world.upload(ana, 'poster.png', EVERYONE_LIST)
    await whenSeen(bia, file)
    expect(bia.sharing.views.get(file)).toMatchObject({
      name: 'poster.png',
      campaign: 'Launch',
      tags: ['spring'],
      size: 1234,
    })
    expect(bia.sharing.keyring.fileKey(file, 1)?.proof.publicKey).toEqual(
      ana.sharing.keyring.fileKey(file, 1)?.proof.publicKey,
    )
  })

  test('one key serves all files; every member has its own slot in the grants box', async () => {
    const files = [await world.upload(ana, 'a', EVERYONE_LIST), await world.upload(bia, 'b', EVERYONE_LIST)]
    for (const file of files) await whenSeen(caio, file)
    expect(world.audiences.get(EVERYONE)?.keys).toHaveLength(1)
    expect(ana.requests + bia.requests + caio.requests).toBe(0)
  })

  test('a newcomer reads with the keys handed over at admission, without asking', async () => {
    const file = await world.upload(ana, 'old.png', EVERYONE_LIST)
    await whenSeen(bia, file)
    const dora = await world.add('dora', { online: false })
    const blob = await bia.sharing.grants.grantsFor({ branch: dora.branch, sealing: dora.sealing.publicKey })
    expect(await dora.sharing.grants.takeGrants(blob)).toBe(1)
    world.setOnline(dora, true)
    await whenSeen(dora, file)
    expect(ana.requests + bia.requests + caio.requests).toBe(0)
    await expect(caio.sharing.grants.takeGrants(blob)).rejects.toMatchObject({ code: 'damaged' })
  })

  test('a newcomer without keys asks a reader; a false key is noticed and another reader asked', async () => {
    const file = await world.upload(ana, 'old.png', EVERYONE_LIST)
    await whenSeen(bia, file)
    await whenSeen(caio, file)
    for (const liar of [ana, bia]) {
      liar.tamper = (frame) => {
        const bad = Uint8Array.from(frame)
        bad[bad.length - 20] = (bad[bad.length - 20] ?? 0) ^ 1
        return bad
      }
    }
    const dora = await world.add('dora')
    await whenSeen(dora, file)
    expect(caio.requests).toBeGreaterThan(0)
    const liars = [ana, bia].map(({ id }) => `key of ${id}`)
    for (const falsehood of dora.falsehoods) expect(liars).toContain(falsehood)
    expect(dora.falsehoods.length).toBe(ana.requests + bia.requests)
  })

  test('who connects while another is asked is asked too', async () => {
    const file = await world.upload(ana, 'old.png', EVERYONE_LIST)
    await whenSeen(bia, file)
    for (const away of [bia, caio]) world.setOnline(away, false)
    const dora = await world.add('dora', { online: false })
    ana.tamper = (frame) => {
      world.setOnline(bia, true)
      const bad = Uint8Array.from(frame)
      bad[bad.length - 20] = (bad[bad.length - 20] ?? 0) ^ 1
      return bad
    }
    world.setOnline(dora, true)
    await whenSeen(dora, file)
    expect(dora.falsehoods).toEqual([`key of ${ana.id}`])
  })
})

describe('lists', () => {
  test('a denied branch sees nothing, finds no slot, is given no key', async () => {
    const file = await world.upload(ana, 'secret.png', except(caio))
    await whenSeen(bia, file)
    const shared = world.files.get(file)
    const row = world.audiences.get(shared?.audience ?? EVERYONE)?.keys[0]
    if (shared === undefined || row === undefined) throw new Error('no audience')
    expect(await caio.sharing.grants.acquire(shared.audience, row.key)).toBe(false)
    expect(sees(caio, file)).toBe(false)
    expect(caio.sharing.views.list({ q: 'secret' }).items).toEqual([])
    expect(await bia.sharing.grants.complete(shared.audience, row.key)).toBe(true)
    expect(bia.sharing.keyring.audienceKey(shared.audience, row.key)?.list).toEqual(except(caio))
  })

  test('an equal list takes the same audience, also by another owner; another list another', async () => {
    const first = await world.upload(ana, 'one', except(caio))
    await whenSeen(bia, first)
    const made = world.audiences.get(world.files.get(first)?.audience ?? EVERYONE)
    for (const { key } of made?.keys ?? []) await bia.sharing.grants.complete(made?.audience ?? EVERYONE, key)
    const second = await world.upload(bia, 'two', except(caio))
    const third = await world.upload(ana, 'three', audienceList('only', [bia.branch], ana.branch))
    const audience = (file: FileId) => world.files.get(file)?.audience
    expect(audience(second)).toBe(audience(first))
    expect(audience(third)).not.toBe(audience(first))
    await whenSeen(bia, third)
    expect(sees(caio, third)).toBe(false)
  })

  test('two uploads at once make one audience', async () => {
    await Promise.all([world.upload(ana, 'one', except(caio)), world.upload(ana, 'two', except(caio))])
    expect(world.audiences.size).toBe(2)
  })

  test('the owner cannot be denied', () => {
    expect(() => except(ana)).toThrow(expect.objectContaining({ code: 'owner-cannot-be-denied' }))
    expect(() => withDenied(EVERYONE_LIST, [ana.branch], ana.branch)).toThrow(
      expect.objectContaining({ code: 'owner-cannot-be-denied' }),
    )
  })
})

describe('renewal', () => {
  test('after a member has gone the next upload takes a new key that it cannot get', async () => {
    const before = await world.upload(ana, 'before', EVERYONE_LIST)
    await whenSeen(caio, before)
    world.setState(caio, 'expelled')
    const after = await world.upload(bia, 'after', EVERYONE_LIST)
    await whenSeen(ana, after)
    const keys = world.audiences.get(EVERYONE)?.keys ?? []
    expect(keys).toHaveLength(2)
    const renewed = keys[1]
    if (renewed === undefined) throw new Error('no renewal')
    expect(await caio.sharing.grants.acquire(EVERYONE, renewed.key)).toBe(false)
    expect(sees(caio, after)).toBe(false)
    await world.upload(ana, 'and again', EVERYONE_LIST)
    expect(world.audiences.get(EVERYONE)?.keys).toHaveLength(2)
  })

  test('the next version of an older file is sealed in a new epoch; readers still open the old one', async () => {
    const file = await world.upload(ana, 'v1', EVERYONE_LIST)
    await whenSeen(bia, file)
    expect(ana.sharing.author.epochForUpdate(file).epoch).toBe(1)
    world.setState(caio, 'quarantined')
    const keys = ana.sharing.author.epochForUpdate(file)
    expect(keys.epoch).toBe(2)
    const update = { file, keys, content: { ...contentOf(file), size: 99 }, plainHash: new Uint8Array(32) }
    await ana.sharing.author.publishUpdate(update)
    await until(bia, () => bia.sharing.views.get(file)?.version === 2)
    const first = bia.sharing.keyring.fileKey(file, 1)
    expect(first?.fileKey).toEqual(ana.sharing.keyring.fileKey(file, 1)?.fileKey)
    expect(sees(caio, file)).toBe(false)
    const rival = { ...keys, proof: ana.sharing.author.beginFile().keys.proof }
    await expect(ana.sharing.author.publishUpdate({ ...update, keys: rival })).rejects.toMatchObject({
      code: 'conflict',
    })
    const old = ana.sharing.keyring.fileKey(file, 1)
    if (old === null) throw new Error('no key')
    await expect(ana.sharing.author.publishUpdate({ ...update, keys: old })).rejects.toMatchObject({ code: 'conflict' })
  })

  test('content sealed before a member went is not published in the epoch that it could read', async () => {
    const file = await world.upload(ana, 'v1', EVERYONE_LIST)
    const keys = ana.sharing.author.epochForUpdate(file)
    world.setState(caio, 'left')
    const update = ana.sharing.author.publishUpdate({
      file,
      keys,
      content: contentOf(file),
      plainHash: new Uint8Array(32),
    })
    await expect(update).rejects.toMatchObject({ code: 'conflict' })
    expect(world.files.get(file)?.version).toBe(1)
  })

  test('who is released from quarantine is given at once what was refused until then', async () => {
    world.setState(caio, 'quarantined')
    const file = await world.upload(ana, 'meanwhile', EVERYONE_LIST)
    await whenSeen(bia, file)
    await caio.sharing.retry()
    expect(sees(caio, file)).toBe(false)
    world.setState(caio, 'member')
    await whenSeen(caio, file)
  })

  test('who comes back from quarantine counts as having had the key again', async () => {
    world.setState(caio, 'quarantined')
    await world.upload(ana, 'one', except(bia))
    world.setState(caio, 'member')
    world.setState(caio, 'quarantined')
    await world.upload(ana, 'two', except(bia))
    const [audience] = ana.sharing.keyring.audiencesWith(except(bia))
    expect(world.audiences.get(audience ?? EVERYONE)?.keys).toHaveLength(2)
  })
})

function contentOf(file: FileId) {
  return { root: file.repeat(2) as never, size: 5, chunk: 1024 * 1024 }
}

describe('denying later', () => {
  test('the denied node hides the file and, on the notice, keeps no name, key or box', async () => {
    const file = await world.upload(ana, 'campanha-confidencial.png', EVERYONE_LIST)
    await whenSeen(caio, file)
    await whenSeen(bia, file)
    expect(onDisk(caio, 'campanha-confidencial')).toBe(true) // the scan can find it
    const meta = world.files.get(file)?.meta
    if (meta === undefined) throw new Error('no box')
    expect(caio.boxes.has(meta)).toBe(true)
    const secret = Buffer.from(caio.sharing.keyring.fileKey(file, 1)?.fileKey ?? [])
    expect(onDisk(caio, secret)).toBe(true)
    const told: string[] = []
    const denied = new Promise<void>((resolve) =>
      caio.sharing.views.onChange(({ type }) => {
        told.push(type)
        if (type === 'denied') resolve()
      }),
    )
    await ana.sharing.author.share(file, except(caio))
    await denied
    // once each, whether the entry or the notice came first
    expect(told).toEqual(['hidden', 'denied'])
    const again = [...told]
    caio.sharing.views.dropOnNotice(file)
    expect(told).toEqual([...again, 'denied'])
    expect(sees(caio, file)).toBe(false)
    expect(caio.boxes.has(meta)).toBe(false)
    expect(caio.sharing.keyring.fileKey(file, 1)).toBeNull()
    expect(caio.sharing.keyring.fileKey(file, 2)).toBeNull()
    expect(caio.sharing.views.gaveUp(file)).toBe(1)
    expect(onDisk(caio, 'campanha-confidencial')).toBe(false)
    expect(onDisk(caio, secret)).toBe(false)
    await until(bia, () => bia.sharing.views.get(file)?.epoch === 2)
    expect(bia.sharing.keyring.fileKey(file, 1)).not.toBeNull()
    await ana.sharing.notices.deliver()
    expect(ana.sharing.notices.pending()).toBe(0)
  })

  test('a node that was away keeps keys until the notice reaches it, and may be let in again', async () => {
    const file = await world.upload(ana, 'plan', EVERYONE_LIST)
    await whenSeen(caio, file)
    caio.online = false
    await ana.sharing.author.share(file, except(caio))
    expect(ana.sharing.notices.pending()).toBe(1)
    const hidden = until(caio, () => !sees(caio, file))
    world.setOnline(caio, true)
    await hidden
    await ana.sharing.notices.deliver()
    expect(ana.sharing.notices.pending()).toBe(0)
    expect(caio.sharing.views.gaveUp(file)).toBe(1)
    await ana.sharing.author.share(file, EVERYONE_LIST)
    await whenSeen(caio, file)
    expect(caio.sharing.views.gaveUp(file)).toBeNull()
    expect(caio.sharing.keyring.fileKey(file, 1)).not.toBeNull()
  })

  test('a reader that only missed the new key keeps the old ones, whoever sends it a notice', async () => {
    const file = await world.upload(ana, 'plan', EVERYONE_LIST)
    await whenSeen(bia, file)
    await whenSeen(caio, file)
    bia.online = false
    await ana.sharing.author.share(file, except(caio))
    const share = world.files.get(file)?.head
    if (share === undefined) throw new Error('no file')
    // bia's own slot is out of reach: nobody is connected
    for (const node of [ana, caio]) node.online = false
    bia.sharing.changed({ files: [file], audiences: world.audiences.keys() })
    expect(sees(bia, file)).toBe(false)
    expect(bia.sharing.keyring.fileKey(file, 1)).not.toBeNull()
    const forged = {
      file: Buffer.from(file, 'hex'),
      entry: Buffer.from(share, 'hex'),
      node: bia.signer.publicKey,
      sig: new Uint8Array(64),
    }
    expect(await bia.sharing.notices.take(forged)).toBe('unknown')
    expect(await bia.sharing.notices.take({ ...forged, node: caio.signer.publicKey })).toBe('kept')
    expect(bia.sharing.keyring.fileKey(file, 1)).not.toBeNull()
    expect(await bia.sharing.notices.take({ ...forged, entry: new Uint8Array(32) })).toBe('unknown')
    for (const node of [ana, bia]) world.setOnline(node, true)
    await whenSeen(bia, file)
  })

  test('a purge of a file that names the box of another leaves that box alone', async () => {
    const [theirs, ours] = [
      await world.upload(ana, 'theirs', EVERYONE_LIST),
      await world.upload(bia, 'ours', EVERYONE_LIST),
    ]
    await whenSeen(bia, theirs)
    await whenSeen(bia, ours)
    const [shared] = bia.sharing.keyring.boxesOf(ours)
    if (shared === undefined) throw new Error('no box')
    world.boxOwners.set(shared, { file: theirs })
    bia.sharing.author.purge(ours)
    expect(bia.boxes.has(shared)).toBe(true)
  })

  test('a purge removes view, keys and boxes everywhere', async () => {
    const file = await world.upload(ana, 'gone', EVERYONE_LIST)
    await whenSeen(bia, file)
    ana.sharing.author.purge(file)
    for (const node of [ana, bia]) {
      expect(sees(node, file)).toBe(false)
      expect(node.sharing.keyring.boxesOf(file)).toEqual([])
    }
    expect(() => ana.sharing.author.trash(file)).toThrow(expect.objectContaining({ code: 'not-found' }))
  })
})

describe('ownership', () => {
  test('an acceptance and an adoption prove the key of the present epoch, publicly', async () => {
    const file = await world.upload(ana, 'mine', except(caio))
    await whenSeen(bia, file)
    const offer = ana.sharing.ownership.offer(file, bia.branch)
    expect(() => caio.sharing.ownership.accept(file)).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(() => ana.sharing.ownership.accept(file)).toThrow(expect.objectContaining({ code: 'handoff-not-pending' }))
    bia.sharing.ownership.accept(file)
    const last = world.entries.at(-1)
    if (last === undefined) throw new Error('no entry')
    const accept = controlBodies.accept(last.body)
    const proof = accept.files[0]?.proof ?? new Uint8Array(0)
    const proofKey = ana.sharing.keyring.fileKey(file, 1)?.proof.publicKey ?? new Uint8Array(0)
    const isProof = (...parts: Uint8Array[]) => verifyKeyProof(world.network, proofKey, file, proof, ...parts)
    expect(isProof(idBytes(offer), idBytes(bia.branch))).toBe(true)
    expect(isProof(idBytes(offer), idBytes(caio.branch))).toBe(false)
    expect(bia.sharing.ownership.acceptDrawn(offer, [file])).toEqual([file])
    expect(caio.sharing.ownership.acceptDrawn(offer, [file])).toEqual([])
    expect(caio.sharing.ownership.canAccept(file)).toBe(false)
    expect(() => bia.sharing.ownership.assign(file, bia.branch)).toThrow(expect.objectContaining({ code: 'not-admin' }))
    ana.sharing.ownership.cancel(file)
    expect(world.entries.at(-1)?.kind).toBe('cancel')
  })

  test('whoever writes what the rules give no effect is told so', async () => {
    const file = await world.upload(ana, 'mine', EVERYONE_LIST)
    world.refusal = { code: 'handoff-pending', reason: 'another offer of the file is open' }
    const refused = expect.objectContaining({
      code: 'conflict',
      details: { refusal: 'handoff-pending', why: 'another offer of the file is open' },
    })
    expect(() => ana.sharing.ownership.offer(file, bia.branch)).toThrow(refused)
  })
})

describe('who may change what', () => {
  test('a change that the rules give no effect is told by every verb of the author', async () => {
    const ids = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => world.upload(ana, name, EVERYONE_LIST)))
    const [trashed, purged, described, shared, updated] = ids as [FileId, FileId, FileId, FileId, FileId]
    const keys = ana.sharing.author.epochForUpdate(updated)
    // as where the clock was set back, so that it sorts before what it builds on
    world.refusal = { code: 'conflict', reason: 'it builds on another entry' }
    const refused = expect.objectContaining({
      name: 'RefusedError',
      code: 'conflict',
      message: 'refused: it builds on another entry',
      details: { refusal: 'conflict', why: expect.any(String) },
    })
    const { author } = ana.sharing
    expect(() => author.trash(trashed)).toThrow(refused)
    expect(() => author.purge(purged)).toThrow(refused)
    await expect(author.describe(described, { name: 'other' })).rejects.toEqual(refused)
    await expect(author.share(shared, except(caio))).rejects.toEqual(refused)
    const content = { ...contentOf(updated), size: 99 }
    await expect(author.publishUpdate({ file: updated, keys, content, plainHash: new Uint8Array(32) })).rejects.toEqual(
      refused,
    )
    await expect(world.upload(ana, 'new', EVERYONE_LIST)).rejects.toEqual(refused)
    world.refusal = null
    const restored = await author.restore(trashed)
    expect(world.entries.at(-1)).toMatchObject({ id: restored, kind: 'restore' })
  })

  test('others get not-owner, the denied not-found, an open offer freezes, If-Match is honoured', async () => {
    const file = await world.upload(ana, 'mine', except(caio))
    await whenSeen(bia, file)
    expect(() => bia.sharing.author.trash(file)).toThrow(expect.objectContaining({ code: 'not-owner' }))
    expect(() => caio.sharing.author.trash(file)).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(() => ana.sharing.author.trash(file, { ifMatch: 7 })).toThrow(
      expect.objectContaining({ code: 'precondition-failed' }),
    )
    expect(() => ana.sharing.ownership.offer(file, caio.branch)).toThrow(
      expect.objectContaining({ code: 'denied-node' }),
    )
    ana.sharing.ownership.offer(file, bia.branch)
    expect(() => ana.sharing.author.trash(file)).toThrow(expect.objectContaining({ code: 'handoff-pending' }))
    await expect(ana.sharing.author.describe(file, { name: 'x' })).rejects.toMatchObject({ code: 'handoff-pending' })
    world.setState(ana, 'quarantined')
    expect(() => ana.sharing.author.trash(file)).toThrow(expect.objectContaining({ code: 'quarantined' }))
  })

  test('trash, restore, describe', async () => {
    const file = await world.upload(ana, 'mine', EVERYONE_LIST)
    await whenSeen(bia, file)
    ana.sharing.author.trash(file)
    expect(bia.sharing.views.list().items).toEqual([])
    expect(bia.sharing.views.list({ deleted: true }).items).toHaveLength(1)
    await expect(ana.sharing.author.describe(file, { name: 'x' })).rejects.toMatchObject({ code: 'deleted' })
    await ana.sharing.author.restore(file)
    await expect(ana.sharing.author.restore(file)).rejects.toMatchObject({ code: 'not-deleted' })
    await ana.sharing.author.describe(file, { name: 'new name', tags: ['b', 'a', 'b'], campaign: null })
    await until(bia, () => bia.sharing.views.get(file)?.name === 'new name')
    expect(bia.sharing.views.get(file)).toMatchObject({ tags: ['a', 'b'], campaign: null, type: 'image/png' })
    expect(await ana.sharing.author.describe(file, { name: 'new name' })).toBeNull()
  })

  test('a name is not sealed for someone who has gone', async () => {
    const file = await world.upload(ana, 'mine', EVERYONE_LIST)
    world.setState(caio, 'left')
    await ana.sharing.author.describe(file, { name: 'after' })
    expect(world.files.get(file)?.epoch).toBe(2)
    expect(ana.sharing.views.get(file)?.name).toBe('after')
  })

  test('a restart finds what changed meanwhile', async () => {
    const file = await world.upload(ana, 'mine', EVERYONE_LIST)
    await whenSeen(bia, file)
    bia.online = false
    ana.sharing.author.trash(file)
    expect(bia.sharing.views.get(file)?.state).toBe('live')
    await bia.sharing.views.reconcile(world.files.values())
    expect(bia.sharing.views.get(file)?.state).toBe('deleted')
  })

  test('a leaving branch changes, shares and takes over nothing any more', async () => {
    const file = await world.upload(ana, 'a', EVERYONE_LIST)
    const { author, ownership } = ana.sharing
    const keys = author.epochForUpdate(file)
    const begun = author.beginFile()
    const content = { root: '0f'.repeat(32) as Root, size: 1, chunk: 1 << 20 }
    const plainHash = new Uint8Array(32)
    const details = { name: 'b', type: 'text/plain', tags: [], campaign: null }
    world.setLeaving(ana)
    const before = world.entries.length
    const leaving = { name: 'BranchLeavingError', code: 'conflict', message: expect.stringContaining('is leaving') }
    const acts: (() => unknown)[] = [
      () => author.beginFile(),
      () => author.publishUpload({ begun, content, plainHash, details, list: EVERYONE_LIST }),
      () => author.epochForUpdate(file),
      () => author.publishUpdate({ file, keys, content, plainHash }),
      () => author.share(file, except(caio)),
      () => author.describe(file, { name: 'x' }),
      () => author.trash(file),
      () => author.restore(file),
      () => author.purge(file),
      () => ownership.offer(file, bia.branch),
      () => ownership.adopt(file),
      () => ownership.acceptDrawn('ab'.repeat(32) as EntryId, [file]),
    ]
    for (const act of acts) await expect((async () => act())()).rejects.toMatchObject(leaving)
    expect(ownership.canAccept(file)).toBe(false)
    expect(world.entries).toHaveLength(before)
  })

  test('previews are for readers', async () => {
    const begun = ana.sharing.author.beginFile()
    const preview = { type: 'image/webp', bytes: new Uint8Array(1000).fill(7) }
    const details = { name: 'p.png', type: 'image/png', tags: [], campaign: null }
    const upload = {
      begun,
      content: contentOf(begun.file),
      plainHash: new Uint8Array(32),
      details,
      list: except(caio),
      preview,
    }
    await ana.sharing.author.publishUpload(upload)
    await whenSeen(bia, begun.file)
    for (const node of [ana, caio]) world.setOnline(node, false)
    await expect(bia.sharing.views.preview(begun.file)).rejects.toMatchObject({ code: 'no-source' })
    for (const node of [ana, caio]) world.setOnline(node, true)
    expect(await bia.sharing.views.preview(begun.file)).toEqual(preview)
    await expect(caio.sharing.views.preview(begun.file)).rejects.toMatchObject({ code: 'not-found' })
    await ana.sharing.author.share(begun.file, EVERYONE_LIST)
    await whenSeen(caio, begun.file)
    expect(await caio.sharing.views.preview(begun.file)).toEqual(preview)
  })
})
