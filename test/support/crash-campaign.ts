/**
 * SIGKILL in the middle of whatever a branch does, again and again on one network, and what must hold each time: nothing
 * on its disk has a bit without its bytes, nothing that was acknowledged is lost, and it goes on with what it had.
 * The same for 20 kills and for thousands; what is done, to whom, and how far, follows from the seed.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Branch, Json } from './branch.ts'
import { type Cluster, contentOf, postFile } from './cluster.ts'
import { eventually } from './eventually.ts'

const MIB = 1024 * 1024
const SEALED = MIB + 28
/** Chunks that were on their way at the kill; and the last of a fetch are asked for twice, of a small file so are many. */
const ON_THE_WAY = 4
const TWICE = 1.5
const DEADLINE_MS = 60_000
/** Fewer branches than hold a copy are left: all but two. */
export const CAMPAIGN_MEMBERS = 4

const KINDS = ['upload', 'uploads', 'update', 'fetch', 'reseal', 'replicate', 'start'] as const
type Kind = (typeof KINDS)[number]

export interface CampaignInit {
  readonly cluster: Cluster
  readonly seed: number
  readonly kills: number
  readonly say: (line: string) => void
}

export interface CampaignResult {
  readonly kills: number
  /** those that came while it was still under way */
  readonly inTime: number
  readonly acknowledged: number
}

/** What is shared, and how to make it again. */
interface Content {
  readonly seed: number
  readonly size: number
  /** one chunk that differs from the content of that seed */
  readonly changed?: number
}

interface KnownFile {
  readonly id: string
  readonly owner: Branch
  content: Content
  /** may not be read by it any more */
  denied: Branch | null
}

/** One thing that is done to be cut off. */
interface Scene {
  readonly victim: Branch
  /** @returns whether it was acknowledged; throws when it was not */
  begin(): Promise<boolean>
  /** what its store held before */
  readonly before?: ReadonlySet<string>
  /** after the victim has started again */
  check(isAcknowledged: boolean): Promise<void>
}

function bytesOf({ seed, size, changed }: Content): Buffer {
  const key = createHash('sha256').update(`crash ${seed}`).digest()
  const bytes = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
  if (changed !== undefined) bytes.fill(0x5a, changed * MIB, Math.min(size, (changed + 1) * MIB))
  return bytes
}

/** mulberry32 */
function createDice(seed: number): { below(bound: number): number; share(): number } {
  let state = seed >>> 0
  const share = () => {
    state = (state + 0x6d2b79f5) | 0
    const mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    const more = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((more ^ (more >>> 14)) >>> 0) / 2 ** 32
  }
  return { share, below: (bound) => Math.floor(share() * bound) }
}

/** Runs so many kills on a network of `CAMPAIGN_MEMBERS`, then asks everybody for everything. */
export async function crashCampaign({ cluster, seed, kills, say }: CampaignInit): Promise<CampaignResult> {
  const { branches } = cluster
  const dice = createDice(seed)
  const files: KnownFile[] = []
  /** how long each lasts when nothing cuts it off, ms; learned */
  const lasts = new Map<Kind, number>()
  let order: Kind[] = []
  let names = 0
  const result = { kills: 0, inTime: 0, acknowledged: 0 }

  const any = <T>(items: readonly T[]): T => items[dice.below(items.length)] as T
  const others = (than: Branch) => branches.filter((each) => each !== than)
  const newContent = (min: number, max: number): Content => ({
    seed: dice.below(2 ** 30),
    size: (min + dice.below(max - min)) * MIB + dice.below(MIB),
  })

  async function upload(owner: Branch, name: string, content: Content): Promise<KnownFile> {
    const answer = await postFile(owner, name, bytesOf(content))
    if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${await answer.text()}`)
    const { id } = (await answer.json()) as Json
    const file = { id, owner, content, denied: null }
    files.push(file)
    return file
  }

  async function replicated({ id, owner }: KnownFile): Promise<void> {
    await soon(`${id} is replicated`, async () => {
      const { copies } = await owner.api(`/files/${id}`)
      return copies.held >= copies.target
    })
  }

  /** Nothing else comes over the network to a branch of which it is counted what does. */
  const idle = (branch: Branch) =>
    soon(`${branch.name} has fetched what it was fetching`, async () =>
      (await branch.api('/transfers')).items.every(({ state }: Json) =>
        ['done', 'failed', 'cancelled'].includes(state),
      ),
    )

  async function isEqualAt(reader: Branch, { id, content }: KnownFile): Promise<void> {
    await soon(`${reader.name} lists ${id}`, () => reader.api(`/files/${id}`).catch(() => false))
    if (!(await contentOf(reader, id)).equals(bytesOf(content)))
      throw new Error(`${id} is another one at ${reader.name}`)
  }

  const etagOf = async (branch: Branch, id: string) =>
    (await branch.fetch(`/files/${id}/content`, { method: 'HEAD' })).headers.get('etag')

  /** One large upload, or several small ones beside each other. */
  function uploads(count: number): Scene {
    const victim = any(branches)
    const wanted = Array.from({ length: count }, () => ({
      name: `enviado-${seed}-${names++}.bin`,
      content: count === 1 ? newContent(6, 16) : { seed: dice.below(2 ** 30), size: 1 + dice.below(MIB) },
    }))
    const here: KnownFile[] = []
    return {
      victim,
      async begin() {
        const ended = await Promise.allSettled(
          wanted.map(async ({ name, content }) => here.push(await upload(victim, name, content))),
        )
        return ended.every(({ status }) => status === 'fulfilled')
      },
      async check() {
        for (const file of here) await isEqualAt(any(others(victim)), file)
        for (const { name, content } of wanted) {
          if (here.some((file) => file.content === content)) continue
          // not acknowledged: not there, or there as a whole
          const { items } = await victim.api(`/files?q=${encodeURIComponent(name)}`)
          for (const { id } of items) {
            const file = { id, owner: victim, content, denied: null }
            files.push(file)
            await isEqualAt(any(others(victim)), file)
          }
        }
      },
    }
  }

  async function update(): Promise<Scene> {
    const own = files.filter(({ denied, content }) => denied === null && content.size > 2 * MIB)
    const file = own.length > 0 ? any(own) : await upload(any(branches), `base-${names++}.bin`, newContent(5, 9))
    const { owner: victim, content: before } = file
    const { version } = await victim.api(`/files/${file.id}`)
    const after = { ...before, changed: dice.below(Math.floor(before.size / MIB)) }
    return {
      victim,
      async begin() {
        const form = new FormData()
        form.append('file', new Blob([bytesOf(after) as Uint8Array<ArrayBuffer>]), 'x.bin')
        const answer = await victim.fetch(`/files/${file.id}`, { method: 'PUT', body: form })
        if (!answer.ok) throw new Error(`update: ${answer.status} ${await answer.text()}`)
        await answer.text()
        return true
      },
      async check(isAcknowledged) {
        const now = (await victim.api(`/files/${file.id}`)).version
        if (isAcknowledged && now === version) throw new Error(`the update of ${file.id} is lost`)
        if (now > version) file.content = after
        const reader = any(others(victim))
        await soon('the same version elsewhere', async () => (await reader.api(`/files/${file.id}`)).version === now)
        await isEqualAt(reader, file)
        await isEqualAt(victim, file)
      },
    }
  }

  /** How many chunks of a version that came since lie on a disk that nobody uses. */
  function chunksSince(branch: Branch, before: ReadonlySet<string>): number {
    const whole = storedIn(branch).filter((path) => !before.has(path))
    return whole.reduce((sum, path) => sum + writtenChunks(readFileSync(path)), 0)
  }

  /** Nothing that lay on the victim's disk when it was killed comes over the network once more. */
  async function assertResumed(victim: Branch, content: Content, had: number): Promise<void> {
    const metrics = await (await victim.fetch('/metrics')).text()
    const received = Number(/^malote_transfer_received_bytes_total (\d+)/m.exec(metrics)?.[1])
    const allowed = ((Math.ceil(content.size / MIB) - had) * TWICE + ON_THE_WAY) * SEALED
    if (!(received <= allowed))
      throw new Error(`fetched ${received} bytes anew, having ${had} chunks of ${content.size}`)
  }

  async function fetch(): Promise<Scene> {
    const file = await upload(any(branches), `buscado-${names++}.bin`, newContent(10, 16))
    await replicated(file)
    const victim = await soon('a branch without it', async () => {
      for (const branch of branches) {
        const view = await branch.api(`/files/${file.id}`).catch(() => null)
        if (view?.local === 'none') return branch
      }
      return false
    })
    await idle(victim)
    const before = new Set(storedIn(victim))
    return {
      victim,
      async begin() {
        await victim.api(`/files/${file.id}/fetch`, { method: 'POST' })
        for (;;) {
          if ((await victim.api(`/files/${file.id}`)).local === 'complete') return true
          await setTimeout(25)
        }
      },
      async check() {
        await victim.api(`/files/${file.id}/fetch`, { method: 'POST' })
        await soon('it is fetched', async () => (await victim.api(`/files/${file.id}`)).local === 'complete')
        await assertResumed(victim, file.content, stored.get(victim) ?? 0)
        await isEqualAt(victim, file)
      },
      before,
    }
  }

  /** A branch is killed while it gets the copy that it is to hold. */
  async function replicate(): Promise<Scene> {
    const owner = any(branches)
    const victim = any(others(owner))
    const content = newContent(8, 12)
    for (const each of files) await replicated(each)
    await idle(victim)
    const before = new Set(storedIn(victim))
    let file: KnownFile | undefined
    return {
      victim,
      async begin() {
        file = await upload(owner, `copiado-${names++}.bin`, content)
        await replicated(file)
        return true
      },
      async check() {
        if (file === undefined) throw new Error('the owner was not killed, and has not shared it')
        await replicated(file)
        await assertResumed(victim, content, stored.get(victim) ?? 0)
        await isEqualAt(victim, file)
      },
      before,
    }
  }

  async function reseal(): Promise<Scene> {
    const victim = any(branches)
    const file = await upload(victim, `negado-${names++}.bin`, newContent(5, 9))
    await replicated(file)
    const denied = any(others(victim))
    const etag = await etagOf(victim, file.id)
    return {
      victim,
      async begin() {
        const json = { fileId: file.id, node: denied.ready?.id, reseal: true }
        await victim.api('/files/blacklist', { method: 'POST', json })
        return true
      },
      async check(isAcknowledged) {
        const isDenied = (await victim.api(`/files/${file.id}`)).denied.length > 0
        if (isAcknowledged && !isDenied) throw new Error(`the denial of ${file.id} is lost`)
        const reader = any(others(victim).filter((each) => each !== denied))
        if (isDenied) {
          file.denied = denied
          await soon('it is sealed anew', async () => (await etagOf(victim, file.id)) !== etag)
          await soon('hidden', async () => (await denied.fetch(`/files/${file.id}`)).status === 404)
        }
        await isEqualAt(reader, file)
      },
    }
  }

  /** Killed while it starts. */
  function start(): Scene {
    const victim = any(branches)
    return {
      victim,
      async begin() {
        await victim.end('SIGKILL')
        await victim.up()
        return true
      },
      async check() {
        const own = files.filter(({ owner, denied }) => owner === victim && denied === null)
        if (own.length > 0) await isEqualAt(any(others(victim)), any(own))
      },
    }
  }

  const scenes: Record<Kind, () => Scene | Promise<Scene>> = {
    upload: () => uploads(1),
    uploads: () => uploads(5),
    update,
    fetch,
    reseal,
    replicate,
    start,
  }
  /** chunks of what was on its way, on the victim's disk between its end and its next start */
  const stored = new Map<Branch, number>()

  async function killOnce(kind: Kind): Promise<string> {
    const scene = await scenes[kind]()
    const { victim, before } = scene
    const share = dice.share()
    const after = share * (lasts.get(kind) ?? 300)
    const began = performance.now()
    let isAcknowledged = false
    const work = scene.begin().then(
      (done) => {
        isAcknowledged = done
        lasts.set(kind, performance.now() - began)
      },
      () => undefined,
    )
    await setTimeout(after)
    const isInTime = !isAcknowledged
    await victim.end('SIGKILL')
    if (before !== undefined) stored.set(victim, chunksSince(victim, before))
    // what waits for the victim can end only once it is back
    if (kind !== 'replicate') await work
    if (isInTime && after >= (lasts.get(kind) ?? 300) * 0.9) lasts.set(kind, (lasts.get(kind) ?? 300) * 1.2)
    if (!victim.isRunning) await victim.up()
    await work
    await scene.check(isAcknowledged && kind !== 'start')
    await assertSound(victim)
    result.kills += 1
    if (isInTime) result.inTime += 1
    if (isAcknowledged) result.acknowledged += 1
    return `${kind} at ${victim.name} after ${after.toFixed(0)} ms${isInTime ? '' : ', when it was done'}`
  }

  for (let kill = 1; kill <= kills; kill++) {
    if (order.length === 0)
      order = KINDS.map((kind) => ({ kind, at: dice.share() }))
        .sort((a, b) => a.at - b.at)
        .map(({ kind }) => kind)
    const kind = order.shift() ?? 'upload'
    try {
      say(`${kill}: ${await killOnce(kind)}`)
    } catch (error) {
      const logs = branches.map((branch) => `--- ${branch.name}\n${branch.log}`).join('\n')
      throw new Error(
        `seed ${seed}, kill ${kill} (${kind}): ${error instanceof Error ? error.message : error}\n${logs}`,
        {
          cause: error,
        },
      )
    }
  }

  // any two may be gone, and everything is there
  for (const file of files) await replicated(file)
  await cluster.settled()
  const gone = [any(branches)]
  gone.push(any(branches.filter((branch) => !gone.includes(branch))))
  const left = branches.filter((branch) => !gone.includes(branch))
  await Promise.all(gone.map((branch) => branch.end('SIGKILL')))
  for (const [index, file] of files.entries()) {
    const readers = left.filter((each) => each !== file.denied)
    await isEqualAt(readers[index % readers.length] ?? file.owner, file)
  }
  await Promise.all(gone.map((branch) => branch.up()))
  await cluster.settled()
  for (const branch of branches) {
    await assertSound(branch)
    if (!(await branch.api('/ledger/verify')).ok)
      throw new Error(`seed ${seed}: the ledger of ${branch.name} is damaged`)
  }
  return result
}

/** Asked seldom: in hundreds of kills the asking itself would be most of the work. */
const soon = <T>(what: string, ask: () => Promise<T> | T) => eventually(what, ask, DEADLINE_MS, 100)

/** Reads every chunk that has a bit: none may be another than it was sealed, and none may ever have been. */
async function assertSound(branch: Branch): Promise<void> {
  const { items } = await branch.api('/doctor?chunks=true')
  for (const { name, state, message } of items as Json[]) {
    if (name === 'chunks' || name === 'database') {
      if (state !== 'ok') throw new Error(`${branch.name}: ${name}: ${message}`)
    }
  }
  const metrics = await (await branch.fetch('/metrics')).text()
  const healed = /^malote_store_healed_total (\d+)/m.exec(metrics)?.[1]
  if (healed !== '0') throw new Error(`${branch.name}: ${healed} versions had a bit without its bytes`)
}

function storedIn(branch: Branch): string[] {
  const store = join(branch.data, 'network', 'store')
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sealed'))
    .map((name) => join(store, name))
}

/** Chunks of which the first and the last bytes are there: what is not written is a hole, and reads as zeros. */
function writtenChunks(sealed: Buffer): number {
  let count = 0
  for (let at = 0; at < sealed.length; at += SEALED) {
    const chunk = sealed.subarray(at, at + SEALED)
    const isThere = (part: Buffer) => part.some((byte) => byte !== 0)
    if (isThere(chunk.subarray(0, 12)) && isThere(chunk.subarray(-16))) count += 1
  }
  return count
}
