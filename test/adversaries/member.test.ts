/**
 * A member whose software signs whatever it likes about files that are not its own; then the same member, thrown out, with
 * all its old keys and its whole old data folder. What they did and got is what the threat table allows, and no more.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SharedFile } from '../../packages/core/src/catalogue/index.ts'
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import { audienceProofKey, deriveEpochKeys, newAudienceKey, proveKey } from '../../packages/core/src/crypto/index.ts'
import {
  type FileId,
  feedIncarnation,
  idBytes,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
} from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import { encodeSyncFrame, FRAME_MAX_BYTES } from '../../packages/core/src/ledger/sync-frames.ts'
import type { ProtocolName } from '../../packages/core/src/network/index.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import { keepCopy, openable, scan, secretsIn, sharedRows, startAdversary } from '../support/adversary.ts'
import type { Branch, Json } from '../support/branch.ts'
import { type ChangedNode, startChanged } from '../support/changed-node.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { FORMS, protocolsOf, tryForm } from '../support/hostile-frames.ts'
import { startStranger } from '../support/stranger.ts'

const LATER = 'depois-da-saida.txt'
const RENAMED = 'com-outro-nome.txt'
const HIDDEN = 'somente-a-diretoria.txt'
const TEXT = 'what belongs to another '
const bytes = systemRandom.bytes

let cluster: Cluster
/** founder and owner of the files, two readers, and the one that lies */
let owner: Branch, reader: Branch, third: Branch, liar: Branch
let network: NetworkId
let node: ChangedNode
const files = { open: '', trashed: '', offered: '', hidden: '' }

const idOf = (branch: Branch) => branch.ready?.id as string
const honest = () => [owner, reader, third]
const post = (at: Branch, path: string, json: Json = {}): Promise<Json> => at.api(path, { method: 'POST', json })

beforeAll(async () => {
  cluster = await startCluster(4, { flags: ['--handoffs', 'ask'] })
  ;[owner, reader, third, liar] = cluster.branches as [Branch, Branch, Branch, Branch]
  network = (await owner.api('/status')).network.id
  const upload = async (name: string, to: Branch[], fields: [string, string][] = []) =>
    (await share(owner, to, name, Buffer.from(TEXT.repeat(50)), fields)).id as string
  files.open = await upload('aberta.txt', [reader, third, liar])
  files.trashed = await upload('no-lixo.txt', [reader, third, liar])
  files.offered = await upload('oferecida.txt', [reader, third, liar])
  files.hidden = await upload(HIDDEN, [reader, third], [['denied', idOf(liar)]])
  await eventually('copies', async () => {
    const views = await Promise.all(Object.values(files).map((id) => owner.api(`/files/${id}`)))
    return views.every(({ copies }) => copies.held >= 3)
  })
  await owner.api(`/files/${files.trashed}`, { method: 'DELETE' })
  await post(owner, `/files/${files.offered}/handoff`, { to: idOf(reader) })
  await cluster.settled()
  await liar.end()
  node = await startChanged(liar.data)
  await eventually('it is one of them', () => node.host.connections().length === 3)
}, 120_000)
afterAll(async () => {
  await node?.stop()
  await cluster?.close()
})

const stateOf = (branch: Branch) => branch.api('/ledger/digest')
/** All that a branch shows of the files, their versions and their lists. */
async function viewsAt(branch: Branch): Promise<Json> {
  const pages = await Promise.all(['', '?deleted=true'].map((query) => branch.api(`/files${query}`)))
  const versions = await Promise.all(Object.values(files).map((id) => branch.fetch(`/files/${id}/versions`)))
  return [pages, await Promise.all(versions.map((answer) => answer.text()))]
}

/** Every change of a file that there is, by whoever signs it: kind, body, and why it counts for nothing. */
function changesOf(file: SharedFile): [kind: string, body: CborValue, refusal: string][] {
  const on = { file: idBytes(file.file), builds: idBytes(file.head) }
  const ref = { file: idBytes(file.file), author: file.author, salt: file.salt }
  const self = idBytes(node.session.ownBranch())
  const keys = deriveEpochKeys(network, file.file, file.epoch + 1, bytes(32))
  const opens = { epoch: keys.epoch, audience: bytes(16), key: bytes(16), wrap: bytes(60), proof: keys.proof.publicKey }
  const content = { root: bytes(32), size: 5, chunk: 1 << 20 }
  const held = node.session.sharing.keyring.fileKey(file.file, file.epoch)
  const proof = held === null ? bytes(64) : proveKey(held, self)
  return [
    ['share', { ...on, opens, meta: bytes(32) }, 'not-owner'],
    ['update', { ...on, content, epoch: file.epoch, meta: bytes(32) }, 'not-owner'],
    ['update', { ...on, content, epoch: keys.epoch, opens, meta: bytes(32) }, 'not-owner'],
    ['describe', { ...on, epoch: file.epoch, meta: bytes(32) }, 'not-owner'],
    ['reseal', { ...on, version: file.version, epoch: file.epoch, content }, 'not-owner'],
    ['trash', on, 'not-owner'],
    ['restore', on, 'not-owner'],
    ['restore', { ...on, version: 1 }, 'not-owner'],
    ['purge', on, 'not-owner'],
    ['upload', { file: on.file, salt: file.salt, content, opens: { ...opens, epoch: 1 }, meta: bytes(32) }, 'bad-file'],
    ['offer', { ...ref, to: self, builds: on.builds }, 'not-owner'],
    ['assign', { ...ref, to: self }, 'not-admin'],
    ['adopt', { ...ref, proof }, 'not-orphaned'],
  ]
}

function offerOf(file: SharedFile): [kind: string, body: CborValue, refusal: string][] {
  if (file.offer === null) throw new Error('it is not offered')
  const of = idBytes(file.offer.entry)
  const ref = { file: idBytes(file.file), author: file.author, salt: file.salt }
  const held = node.session.sharing.keyring.fileKey(file.file, file.epoch)
  if (held === null) throw new Error('it cannot read what is offered to another')
  const proof = proveKey(held, of, idBytes(node.session.ownBranch()))
  return [
    ['accept', { of, files: [{ ...ref, proof }] }, 'not-party'],
    ['decline', { of, file: ref.file }, 'not-party'],
    ['cancel', { of, file: ref.file }, 'not-party'],
  ]
}

/** Keys of audiences that are not its to make. */
function audiencesOf(hidden: SharedFile): [kind: string, body: CborValue, refusal: string][] {
  const epoch = node.session.state.epochs(hidden.file)[0]
  if (epoch === undefined) throw new Error('a file without an access epoch')
  const secret = newAudienceKey()
  const next = { key: bytes(16), proof: audienceProofKey(network, epoch.audience, secret).publicKey, grants: bytes(32) }
  const renews = { key: idBytes(epoch.key), signature: bytes(64) }
  const everyone = new Uint8Array(16)
  return [
    ['audience', { ...next, audience: idBytes(epoch.audience), list: bytes(32), renews }, 'bad-proof'],
    ['audience', { ...next, audience: idBytes(epoch.audience), list: bytes(32) }, 'not-renewed'],
    ['audience', { ...next, audience: everyone }, 'not-renewed'],
  ]
}

describe('a member that signs what is not its to decide', () => {
  it('changes nothing anywhere, and everybody shows what it tried and why it counts for nothing', async () => {
    const before = await Promise.all(honest().map(viewsAt))
    const { entries } = await stateOf(owner)
    const { ledger, state } = node.session
    const shared = (id: string) => state.file(id as FileId) as SharedFile
    const signed = new Map<string, { kind: string; refusal: string }>()
    const attempts = [
      ...Object.values(files).flatMap((id) => changesOf(shared(id))),
      ...offerOf(shared(files.offered)),
      ...audiencesOf(shared(files.hidden)),
    ]
    for (const [kind, body, refusal] of attempts) signed.set(ledger.append(kind, body).id, { kind, refusal })
    await eventually('everybody has them', async () => {
      const counts = await Promise.all(honest().map(stateOf))
      return counts.every((each) => each.entries === entries + attempts.length)
    })
    const digests = await Promise.all(honest().map(stateOf))
    const own = Buffer.from(state.digest()).toString('hex')
    expect(new Set([own, ...digests.map((each: Json) => each.state)]).size).toBe(1)
    for (const [at, branch] of honest().entries()) {
      const { items } = await branch.api(`/ledger?after=${entries}&limit=1000`)
      const shown = items.filter(({ id }: Json) => signed.has(id))
      expect(shown).toHaveLength(attempts.length)
      for (const { id, kind, author, refused } of shown) {
        expect([author.id, kind, refused?.code], JSON.stringify(refused)).toEqual([
          node.id,
          signed.get(id)?.kind,
          signed.get(id)?.refusal,
        ])
        expect(refused.message).not.toBe('')
      }
      expect(await viewsAt(branch)).toEqual(before[at])
      expect((await branch.api('/ledger/verify')).ok).toBe(true)
    }
    for (const branch of [reader, third])
      for (const id of [files.open, files.offered, files.hidden])
        expect((await contentOf(branch, id)).toString()).toBe(TEXT.repeat(50))
    expect((await owner.run('ledger', '--limit', '1000')).stdout).toMatch(
      /purge .*REFUSED \(not-owner\): .*does not own the file/,
    )
  }, 60_000)

  it('cannot write in the name of another', async () => {
    const before = await Promise.all(honest().map(stateOf))
    const target = node.session.state.file(files.open as FileId) as SharedFile
    const mask = {
      ...loadIdentity(liar.data).signing,
      publicKey: publicKeyFromNodeId(owner.ready?.id as NodeId),
    }
    const [feed] = node.session.ledger.heads().filter(({ id }) => node.session.ledger.get(id)?.author === idOf(owner))
    if (feed === undefined) throw new Error('the owner has written nothing')
    const draft = { network, ms: Date.now(), counter: 0, seen: [], kind: 'purge' }
    const body = { file: idBytes(target.file), builds: idBytes(target.head) }
    const forged = [
      makeEntry({ ...draft, body, incarnation: bytes(16), seq: 0, prev: null }, mask),
      makeEntry({ ...draft, body, incarnation: feedIncarnation(feed.feed), seq: feed.seq + 1, prev: feed.id }, mask),
    ]
    for (const branch of honest()) {
      const stream = await node.host.open(branch.ready?.id as NodeId, 'ledger', { maxFrameBytes: FRAME_MAX_BYTES })
      const entries = forged.map(({ bytes: signed, sig, cosig }) => ({ bytes: signed, sig, cosig }))
      await stream.write(encodeSyncFrame({ type: 'push', entries }))
      await stream.close()
    }
    const { id } = node.session.ledger.append('trash', body)
    for (const [at, branch] of honest().entries()) {
      const { items } = await eventually('what it wrote itself has come', async () => {
        const page = await branch.api(`/ledger?after=${before[at]?.entries}&limit=1000`)
        return page.items.some((each: Json) => each.id === id) && page
      })
      expect(items.map((each: Json) => each.id)).toEqual([id])
    }
    // and the owner's feed goes on as if nothing had been
    expect((await post(owner, `/files/${files.trashed}/restore`)).state).toBe('live')
    await eventually('everybody sees it', async () => {
      const views = await Promise.all(honest().map((branch) => branch.api(`/files/${files.trashed}`)))
      return views.every(({ state }) => state === 'live')
    })
  }, 60_000)

  it('has learnt nothing of what it is denied', async () => {
    await node.stop()
    // the scan finds what is there
    expect(scan(liar.data, ['aberta.txt']).length).toBeGreaterThan(0)
    expect(scan(liar.data, [HIDDEN, TEXT])).toEqual([])
    const names = await openable(
      network,
      { as: liar.data, secrets: secretsIn(liar.data) },
      honest().map(({ data }) => data),
    )
    const { meta, root } = sharedRows(owner.data, files.hidden)
    const open = sharedRows(owner.data, files.open)
    expect(names).toEqual(expect.arrayContaining([`chunk ${open.root}`, `meta ${open.meta}`]))
    for (const name of [`chunk ${root}`, `meta ${meta}`]) expect(names).not.toContain(name)
  }, 60_000)
})

describe('the same member, thrown out, with all its keys and its whole folder', () => {
  /** those that a branch handles itself, as it tells whoever connects; and everything that it handles at all */
  let protocols: ProtocolName[]
  let handled: string[]
  let copy: string
  let secrets: Uint8Array[]
  let readable: string[]
  /** what is made afterwards: names as `openable` tells them */
  let later: string[]

  const folders = () => honest().map(({ data }) => data)
  const now = () => Object.values(files).map((id) => sharedRows(owner.data, id))

  beforeAll(async () => {
    const passer = await startStranger()
    handled = await protocolsOf(await passer.dial(owner.ready?.addresses[0] as string))
    await passer.stop()
    const own = handled.map((id) => /^\/malote\/[0-9a-f]{16}\/([a-z]+)\/1$/.exec(id)?.[1])
    protocols = own.filter((name) => name !== undefined) as ProtocolName[]
    copy = keepCopy(liar.data, cluster.path('everything-it-ever-had'))
    secrets = secretsIn(copy)
    readable = await openable(network, { as: copy, secrets }, folders())
    // by the network's only admin
    expect((await owner.json('expel', liar.name)).waitsFor).toBeNull()
    await cluster.settled()
    const before = now()
    await owner.api(`/files/${files.offered}/handoff`, { method: 'DELETE' })
    const path = cluster.path('v2.txt')
    writeFileSync(path, `version 2: ${TEXT.repeat(60)}`)
    await owner.json('update', files.open, path)
    const form = new FormData()
    form.append('name', RENAMED)
    form.append('file', new Blob([`renamed ${TEXT}`]), RENAMED)
    await owner.api(`/files/${files.trashed}`, { method: 'PUT', body: form })
    const { id } = await share(owner, [reader, third], LATER, Buffer.from(`later ${TEXT.repeat(70)}`))
    await eventually('the name is everywhere', async () => {
      const views = await Promise.all(honest().map((branch) => branch.api(`/files/${files.trashed}`)))
      return views.every(({ name }) => name === RENAMED)
    })
    await eventually('copies', async () => {
      const views = await Promise.all([id, files.open, files.trashed].map((each) => owner.api(`/files/${each}`)))
      return views.every(({ copies }) => copies.held >= 3)
    })
    await cluster.settled()
    const names = [...now(), sharedRows(owner.data, id)].flatMap(({ root, meta }) => [`chunk ${root}`, `meta ${meta}`])
    const old = new Set(before.flatMap(({ root, meta }) => [`chunk ${root}`, `meta ${meta}`]))
    later = names.filter((name) => !old.has(name))
    // two new versions, one with a new name, and a new file
    expect(later).toHaveLength(6)
  }, 90_000)

  it('is spoken to by nobody, learns nothing, and nobody takes what it writes', async () => {
    const before = await Promise.all(honest().map(stateOf))
    const known = sharedRows(owner.data, files.open).epochs.at(-1)
    if (known === undefined) throw new Error('a file without an access epoch')
    // it does not know that it was thrown out, or does not care: its own software still takes it for a member
    node = await startChanged(copy)
    const { ledger, sync } = node.session
    const held = ledger.count()
    ledger.append('trash', { file: idBytes(files.open as FileId), builds: bytes(32) })
    for (const branch of honest()) {
      const peer = branch.ready?.id as NodeId
      node.host.learn(peer, branch.ready?.addresses ?? [])
      for (const protocol of protocols)
        await expect(node.host.open(peer, protocol, { maxFrameBytes: 1024 }), protocol).rejects.toThrow()
      await expect(sync.fetch(peer)).rejects.toThrow()
    }
    expect([ledger.count(), node.host.connections()]).toEqual([held + 1, []])
    await node.stop()
    // nor may it send anything on any of them: there is no connection to send it on
    expect(protocols).toContain('lane')
    const bareWire = await startStranger(copy)
    try {
      for (const branch of honest()) {
        const connection = await bareWire.dial(branch.ready?.addresses[0] as string).catch(() => null)
        if (connection === null) continue
        const delimiter = 'frame' as const
        const tries = handled.flatMap((protocol) =>
          FORMS.map((form) => tryForm(connection, { protocol, form, delimiter, deadlineMs: 10_000 })),
        )
        for (const { bytes, afterMs } of await Promise.all(tries))
          expect([bytes.length, afterMs === null], branch.name).toEqual([0, false])
      }
    } finally {
      await bareWire.stop()
    }
    // and without our software between it and the wire
    const bare = await startAdversary(copy, network)
    try {
      for (const branch of honest()) {
        const address = branch.ready?.addresses[0] as string
        const tries = [
          () => bare.keys(address, { ask: [[idBytes(known.audience), idBytes(known.key)]] }),
          ...later.map((name) => {
            const [what, hash = ''] = name.split(' ')
            return () => (what === 'chunk' ? bare.open(address, hash) : bare.box(address, hash))
          }),
        ]
        for (const attempt of tries) expect(await attempt().catch(() => null), branch.name).toBeNull()
      }
    } finally {
      await bare.stop()
    }
    expect(await Promise.all(honest().map(stateOf))).toEqual(before)
    expect(scan(copy, ['aberta.txt']).length).toBeGreaterThan(0)
    expect(scan(copy, [LATER, RENAMED])).toEqual([])
  }, 60_000)

  it('can open what it could before, and nothing that came after, even with all that the others hold', async () => {
    const after = await openable(network, { as: copy, secrets: secretsIn(copy) }, folders())
    expect(after.filter((name) => !readable.includes(name))).toEqual([])
    // versions are kept for the retention: the old bytes are what it had access to
    expect(after.filter((name) => name.startsWith('chunk')).length).toBeGreaterThan(0)
    for (const name of later) expect(after).not.toContain(name)
    // the try finds what can be opened
    await reader.end()
    const entitled = await openable(network, { as: reader.data, secrets: secretsIn(reader.data) }, folders())
    expect(entitled).toEqual(expect.arrayContaining(later))
  }, 60_000)
})
