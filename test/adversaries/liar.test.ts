/**
 * A member that serves what is not what was asked for: chunks, manifests, boxes, keys and tickets. Whoever asks it notices,
 * takes little from it, names it, gets the right thing from others, and says so when there are no others.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WantedKey } from '../../packages/core/src/catalogue/keys-format.ts'
import type { SharedEpoch } from '../../packages/core/src/catalogue/types.ts'
import { newAudienceKey, SEAL_OVERHEAD, sealTo } from '../../packages/core/src/crypto/index.ts'
import type { FileId, NetworkId, NodeId, Root } from '../../packages/core/src/ids.ts'
import type { FrameStream } from '../../packages/core/src/network/index.ts'
import { createFiles } from '../../packages/core/src/node/files.ts'
import { decodeRequest, encodeControl, maxReplyBytes } from '../../packages/core/src/transfer/protocol.ts'
import { chunkOnDisk, secretsIn, sharedRows } from '../support/adversary.ts'
import { Branch, type Json, type Outcome } from '../support/branch.ts'
import { type Alter, altered, type ChangedHandler, type ChangedNode, startChanged } from '../support/changed-node.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const MIB = 1024 * 1024
const CHUNKS = 2
const SIZE = CHUNKS * MIB
/** Whole files are worth less: what a source may be asked for before anything of it was looked at, and what lies in windows. */
const TAKEN_MAX = 8 * MIB
const CONTROL = 0
const CHUNK = 1
const PAGE = 2

let cluster: Cluster
/** owner, another that can read and hold, one that holds nothing and fetches, and the one that lies */
let owner: Branch, keeper: Branch, fetcher: Branch, liar: Branch
let network: NetworkId
let node: ChangedNode

const idOf = (branch: Branch) => branch.ready?.id as string
const post = (at: Branch, path: string, json: Json = {}): Promise<Json> => at.api(path, { method: 'POST', json })
const named = (at: Branch, what: string) => at.log.includes(`source ${node.id}: ${what}`)

/** Instead of a chunk or page of the version. */
type Lie = (root: string, ...what: Parameters<Alter>) => Promise<void>

const body = (frame: Uint8Array) => frame.subarray(5)
const indexOf = (frame: Uint8Array) => Buffer.from(frame).readUInt32BE(1)
const chunk = (index: number, sealed: Uint8Array) => {
  const frame = Buffer.alloc(5 + sealed.length)
  frame[0] = CHUNK
  frame.writeUInt32BE(index, 1)
  frame.set(sealed, 5)
  return new Uint8Array(frame)
}
const instead =
  (type: number, say: Lie): Lie =>
  (root, frame, write) =>
    frame[0] === type ? say(root, frame, write) : write(frame)

const lies: Record<string, { lie: Lie; kind: string }> = {
  'other bytes': {
    lie: instead(CHUNK, (_, frame, say) => say(chunk(indexOf(frame), randomBytes(body(frame).length)))),
    kind: 'wrong-chunk',
  },
  'half of it': {
    lie: instead(CHUNK, (_, frame, say) => say(frame.subarray(0, frame.length >> 1))),
    kind: 'wrong-chunk',
  },
  'the next one instead': {
    lie: instead(CHUNK, (root, frame, say) => {
      const stored = readFileSync(join(liar.data, 'network', 'store', root.slice(0, 2), `${root}.sealed`))
      const at = ((indexOf(frame) + 1) % CHUNKS) * (MIB + SEAL_OVERHEAD)
      return say(chunk(indexOf(frame), stored.subarray(at, at + MIB + SEAL_OVERHEAD)))
    }),
    kind: 'wrong-chunk',
  },
  'a frame that is too long': {
    lie: instead(CHUNK, (_, frame, say) => say(chunk(indexOf(frame), randomBytes(maxReplyBytes(MIB))))),
    kind: 'protocol',
  },
  'chunks without end': {
    lie: instead(CHUNK, async (_, frame, say) => {
      for (;;) await say(frame)
    }),
    kind: 'protocol',
  },
  'talk without end, and no chunk': {
    lie: instead(CHUNK, async (_, _frame, say) => {
      for (;;) await say(encodeControl({ t: 'have', indexes: Array.from({ length: 512 }, () => 0) }))
    }),
    kind: 'protocol',
  },
  'that it has it, and then that it has not': {
    lie: instead(CHUNK, async (_, frame, say) => {
      const indexes = [indexOf(frame)]
      await say(encodeControl({ t: 'gone', indexes }))
      await say(encodeControl({ t: 'have', indexes }))
    }),
    kind: 'protocol',
  },
  'another manifest': {
    lie: instead(PAGE, (_, frame, say) => say(Buffer.concat([frame.subarray(0, 5), randomBytes(body(frame).length)]))),
    kind: 'wrong-manifest',
  },
}

/** what the liar says of a version, by root, and how many bytes of that the other side has taken */
const told = new Map<string, { lie: Lie; bytes: number }>()
/** roots that are not in `told` */
let liesAboutAll = false
let liesAboutBoxes = false
const answered = { boxes: 0, tickets: 0 }
const falseKeys: Uint8Array[] = []

const transfer: ChangedHandler = async (stream, honest) => {
  let root = ''
  const alter: Alter = async (frame, say) => {
    const known = told.get(root) ?? (liesAboutAll ? { lie: lies['other bytes']?.lie as Lie, bytes: 0 } : undefined)
    if (known === undefined) return await say(frame)
    told.set(root, known)
    await known.lie(root, frame, async (each) => {
      await say(each)
      // what an honest node says besides, to a challenge, is no lie
      if (frame[0] !== CONTROL) known.bytes += each.length
    })
  }
  const first = await stream.read({ timeoutMs: 10_000 })
  const request = first === null ? null : decodeRequest(first)
  if (request?.t !== 'open') return
  root = Buffer.from(request.root).toString('hex')
  if (claimed.has(root)) return await claimAll(stream)
  let isFirst = true
  const lying = altered(stream, alter)
  await honest({
    ...lying,
    read(wait) {
      if (!isFirst) return lying.read(wait)
      isFirst = false
      return Promise.resolve(first)
    },
  })
}

/** roots of which it says to have all, and has nothing */
const claimed = new Set<string>()

/** It has everything, answers every challenge, and is slow with what it is asked for. */
async function claimAll(stream: FrameStream): Promise<void> {
  const wait = { timeoutMs: 60_000 }
  await stream.write(encodeControl({ t: 'ok', count: CHUNKS, bits: null }), wait)
  for (;;) {
    const frame = await stream.read(wait)
    if (frame === null) return
    const asked = decodeRequest(frame)
    if (asked.t !== 'challenge') continue
    await stream.write(encodeControl({ t: 'answer', index: asked.index, hash: randomBytes(32) }), wait)
  }
}

/** Other bytes, then another box, then more than one without end. */
const boxes: ChangedHandler = (stream, honest) => {
  const alter: Alter = async (frame, say) => {
    if (!liesAboutBoxes || frame.length === 0) return await say(frame)
    answered.boxes += 1
    if (answered.boxes % 3 === 1) return await say(randomBytes(frame.length))
    const { root } = sharedRows(liar.data, hidden.id)
    if (answered.boxes % 3 === 2) return await say(chunkOnDisk(liar.data, root)?.subarray(0, 1000) as Uint8Array)
    for (;;) await say(randomBytes(frame.length))
  }
  return honest(altered(stream, alter))
}

/** Sealed as the true ones are, to whom they are for. */
function giveFalseKeys(to: ChangedNode): void {
  const { grants, tickets } = to.session.sharing
  Object.assign(grants, {
    answer: (peer: NodeId, wanted: readonly WantedKey[]) =>
      Promise.all(
        wanted.map(([audience, key]) => {
          const secret = newAudienceKey()
          falseKeys.push(secret)
          const receiver = to.session.members.get(peer)?.sealing as Uint8Array
          return sealTo(network, receiver, Buffer.concat([audience, key]), secret)
        }),
      ),
    grantsFor: () => Promise.resolve(randomBytes(300)),
  } satisfies Partial<typeof grants>)
  Object.assign(tickets, {
    answer: (_: NodeId, roots: readonly Uint8Array[]) => {
      answered.tickets += roots.length
      return Promise.resolve(roots.map(() => randomBytes(64)))
    },
  } satisfies Partial<typeof tickets>)
}

const files = new Map<string, { id: string; root: string; content: Buffer }>()
/** of an audience that is new to the keeper; and one whose chunks it may hold and never read */
const hidden = { id: '', text: 'for readers that have the key' }
const sealed = { id: '', root: '' }

beforeAll(async () => {
  cluster = await startCluster(4)
  ;[owner, keeper, fetcher, liar] = cluster.branches as [Branch, Branch, Branch, Branch]
  network = (await owner.api('/status')).network.id
  await fetcher.end()
  await fetcher.up(['--capacity', '0'])
  const upload = async (name: string) => {
    const content = randomBytes(SIZE)
    const { id } = await share(owner, [], `${name}.bin`, content)
    const { root } = sharedRows(owner.data, id)
    files.set(name, { id, root, content })
    told.set(root, { lie: lies[name]?.lie as Lie, bytes: 0 })
  }
  await Promise.all(Object.keys(lies).map(upload))
  await eventually('copies', async () => {
    const views = await Promise.all([...files.values()].map(({ id }) => owner.api(`/files/${id}`)))
    return views.every(({ copies }) => copies.held >= 3)
  })
  await cluster.settled()
  for (const branch of [keeper, fetcher, liar]) await branch.end()
  node = await startChanged(liar.data, { transfer, boxes })
  await eventually('it is one of them', () => node.host.connections().length === 1)
}, 120_000)
afterAll(async () => {
  await node?.stop()
  await cluster?.close()
})

describe('a member that lies about boxes, keys and tickets', () => {
  beforeAll(async () => {
    hidden.id = (await share(owner, [], 'chaves.txt', Buffer.from(hidden.text), [['denied', idOf(fetcher)]])).id
    sealed.id = (await share(owner, [], 'bilhete.txt', Buffer.from('sealed'), [['denied', idOf(keeper)]])).id
    sealed.root = sharedRows(owner.data, sealed.id).root
    await post(owner, '/files/blacklist', { fileId: sealed.id, node: idOf(fetcher) })
    await eventually('the liar can read them and holds them', () => {
      const { views } = node.session.sharing
      const isHeld = [hidden, sealed].every(
        ({ id }) => node.session.store.stat(sharedRows(owner.data, id).root as Root)?.complete,
      )
      return isHeld && [hidden, sealed].every(({ id }) => views.get(id as FileId) !== null)
    })
    liesAboutBoxes = true
    giveFalseKeys(node)
    await post(owner, '/disconnect')
  }, 60_000)

  it('is noticed and named by who can ask nobody else, and nothing of it is kept', async () => {
    // they know each other's places of before, and there is nobody else to ask
    const port = /\/tcp\/(\d+)/.exec(keeper.ready?.addresses[0] as string)?.[1]
    await keeper.up(['--listen', `/ip4/127.0.0.1/tcp/${port}`])
    await node.host.connect(idOf(keeper) as NodeId)
    for (const what of ['wrong-box', 'false-key', 'false-ticket']) await eventually(what, () => named(keeper, what))
    expect(Math.min(answered.boxes, answered.tickets, falseKeys.length)).toBeGreaterThan(0)
    expect((await keeper.fetch(`/files/${hidden.id}`)).status).toBe(404)
    expect(chunkOnDisk(keeper.data, sealed.root)).toBeNull()
  }, 60_000)

  it('keeps nobody from what others give', async () => {
    await post(owner, '/connect')
    await eventually('it sees the file', () => keeper.api(`/files/${hidden.id}`).catch(() => false))
    expect((await contentOf(keeper, hidden.id)).toString()).toBe(hidden.text)
    await keeper.end()
    const secrets = secretsIn(keeper.data).map((secret) => Buffer.from(secret).toString('hex'))
    // the look finds what is there
    const { audience, key } = sharedRows(owner.data, hidden.id).epochs[0] as SharedEpoch
    const right = node.session.sharing.keyring.audienceKey(audience, key)?.secret as Uint8Array
    expect(secrets).toContain(Buffer.from(right).toString('hex'))
    for (const secret of falseKeys) expect(secrets).not.toContain(Buffer.from(secret).toString('hex'))
    liesAboutBoxes = false
  }, 60_000)
})

/** of the liar's own, so that nobody else has it; and what fetching it comes to */
const own = { id: '', content: randomBytes(SIZE) }
let hopeless: Promise<Outcome>
const target = () => cluster.path('de-quem-mente.bin')

describe('a source that lies about chunks', () => {
  beforeAll(async () => {
    await fetcher.up(['--capacity', '0'])
    liesAboutAll = true
    const upload = await createFiles({ session: () => node.session }).beginUpload({ sizeHint: SIZE })
    await upload.write(Readable.from([own.content]))
    own.id = (await upload.publish({ name: 'de-quem-mente.bin' })).id
    await eventually('it is seen', () => fetcher.api(`/files/${own.id}`).catch(() => false))
    hopeless = fetcher.run('fetch', own.id, '-o', target(), '--json')
  }, 60_000)

  const all = Object.keys(lies)
  // four fetches run at a time, one of which waits for a better source
  const rounds = [all.slice(0, 3), all.slice(3, 6), all.slice(6)].map((names) => [names.join(', '), names] as const)
  it.each(rounds)(
    'is noticed, bounded and named, and others are asked: %s',
    async (_, names) => {
      await post(owner, '/disconnect')
      const fileOf = (name: string) => files.get(name) as { id: string; root: string; content: Buffer }
      const fetches = names.map((name) => contentOf(fetcher, fileOf(name).id))
      for (const name of names) {
        const line = `${lies[name]?.kind} of ${fileOf(name).root.slice(0, 12)}`
        await eventually(`${name}: ${line}`, () => named(fetcher, line))
      }
      const taken = () => names.map((name) => told.get(fileOf(name).root)?.bytes ?? Number.NaN)
      const before = taken()
      for (const [at, bytes] of before.entries()) expect(bytes, names[at]).toBeLessThan(TAKEN_MAX)
      await post(owner, '/connect')
      for (const [at, name] of names.entries()) {
        const content = await (fetches[at] as Promise<Buffer>)
        expect(content.equals(fileOf(name).content), name).toBe(true)
      }
      // it was not asked again
      expect(taken()).toEqual(before)
      const { warnings } = (await fetcher.api('/status')) as { warnings: { code: string; message: string }[] }
      for (const name of names) {
        const warning = warnings.find(
          ({ code, message }) => code === 'wrong-bytes' && message.includes(`"${name}.bin"`),
        )
        expect(warning?.message, name).toContain(liar.name)
      }
    },
    60_000,
  )
})

describe('who comes back, or comes in, by a member that lies', () => {
  it('gets chunks of a closed epoch by the ticket of another', async () => {
    await keeper.up()
    await eventually('it holds what it cannot read', () => chunkOnDisk(keeper.data, sealed.root) !== null, 30_000)
    expect((await keeper.fetch(`/files/${sealed.id}`)).status).toBe(404)
  }, 60_000)

  it('is told how many copies there are without the one that a member only says it has', async () => {
    // does nothing of what others do about a file, and says so all the same
    await node.session.replicator.stop()
    const { id } = await share(owner, [keeper, fetcher], 'guardado.bin', randomBytes(SIZE))
    const { root } = sharedRows(owner.data, id)
    await eventually('it knows the file', () => node.session.state.versionOfRoot(root as Root) !== null)
    claimed.add(root)
    node.session.facts.set('hold', root, Uint8Array.of(1))
    const doubt = () => node.session.facts.get(idOf(owner) as NodeId, 'doubt', root)
    await eventually('the owner has asked, and says that it does not believe it', () => doubt() !== null)
    const copies = (at: Branch) => at.api(`/files/${id}`).then((file) => file.copies)
    for (const branch of [owner, keeper, fetcher])
      await eventually(`counted by ${branch.name}`, async () => (await copies(branch)).held === 2)
    // the only other one offers no room
    const { files: counted, warnings } = await owner.api('/status')
    expect(counted.short).toContainEqual({ id, name: 'guardado.bin', copies: { held: 2, target: 3 } })
    expect(warnings.map(({ code }: Json) => code)).toContain('no-room-for-copies')
  }, 60_000)

  it('gets its keys from others', async () => {
    const newcomer = new Branch('Nova', cluster.path('newcomer'))
    try {
      await newcomer.up()
      const { stdout: invite } = await owner.run('invite', '--branch', newcomer.name)
      await eventually('the liar knows the invite', () => node.session.state.membership().invites.size === 4)
      await newcomer.json('register', invite.trim(), '--via', node.address())
      expect(newcomer.log).toContain(`source ${node.id}: false-keys`)
      const [name, { id }] = [...files][0] as [string, { id: string }]
      const view = await eventually('it sees a file', () => newcomer.api(`/files/${id}`).catch(() => false))
      expect(view.name).toBe(`${name}.bin`)
      await newcomer.end()
      const known = secretsIn(newcomer.data).map((secret) => Buffer.from(secret).toString('hex'))
      for (const secret of falseKeys) expect(known).not.toContain(Buffer.from(secret).toString('hex'))
      expect(known.length).toBeGreaterThan(0)
    } finally {
      await newcomer.end()
    }
  }, 60_000)
})

describe('a liar that is the only source', () => {
  it('leaves no half file, and is told apart from a branch that is off', async () => {
    const outcome = await hopeless
    const problem = JSON.parse(outcome.stdout) as Json
    expect([outcome.code, problem.code]).toEqual([7, 'no-source'])
    expect(problem.detail).toContain(`what ${node.id.slice(-8)} sent is not it`)
    expect(existsSync(target())).toBe(false)
    expect(await fetcher.api(`/files/${own.id}`)).toMatchObject({ local: 'none', copies: { held: 1 } })
  }, 60_000)
})
