import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Branch, foundNetwork, type Json, type Place, type Policy } from './branch.ts'
import { eventually } from './eventually.ts'

/** for each branch of a large network, on a machine that has few cores */
const MEETING_MS = 6_000

export interface Cluster {
  readonly root: string
  readonly branches: readonly Branch[]
  readonly recoveryKey: string
  /** path below the cluster's folder */
  path(name: string): string
  /** Waits until every running branch has the same entries and the same state. */
  settled(): Promise<string>
  close(): Promise<void>
}

export interface ClusterOptions {
  /** for every `up` */
  flags?: string[]
  /** before its first start */
  prepare?: (branch: Branch) => void
  /** where each runs @default beside this process */
  place?: (at: number) => Place
  policy?: Policy
}

/** A network of that many branches, `Filial 1` (the founder) and so on, all online and seeing each other. */
export async function startCluster(
  size: number,
  { flags = [], prepare, place, policy }: ClusterOptions = {},
): Promise<Cluster> {
  const root = mkdtempSync(join(tmpdir(), 'malote-test-'))
  const branches = Array.from(
    { length: size },
    (_, at) => new Branch(`Filial ${at + 1}`, join(root, `b${at + 1}`), place?.(at)),
  )
  const close = async () => {
    await Promise.all(branches.map((branch) => branch.end()))
    rmSync(root, { recursive: true, force: true })
  }
  try {
    for (const branch of branches) prepare?.(branch)
    const { recoveryKey } = await foundNetwork(branches, undefined, flags, policy)
    const allSeen = async () => {
      const views = await Promise.all(branches.map((branch) => branch.api('/nodes')))
      return views.every((view) => view.items.length === size && view.items.every((node: Json) => node.connected))
    }
    await eventually('every branch sees every branch', allSeen, Math.max(20_000, size * MEETING_MS))
    return { root, branches, recoveryKey, path: (name) => join(root, name), settled: () => settled(branches), close }
  } catch (error) {
    const logs = branches.map((branch) => `--- ${branch.name}\n${branch.log}`).join('\n')
    await close()
    throw new Error(`${error instanceof Error ? error.message : error}\n${logs}`)
  }
}

function settled(branches: readonly Branch[]): Promise<string> {
  const running = branches.filter((branch) => branch.isRunning)
  return eventually('equal ledgers', async () => {
    const digests = await Promise.all(running.map((branch) => branch.api('/ledger/digest')))
    const states = new Set(digests.map((digest: Json) => `${digest.entries}/${digest.state}`))
    return states.size === 1 && ([...states][0] as string)
  })
}

/** Multipart upload by hand, as a script would do it. @returns the raw answer */
export function postFile(
  branch: Branch,
  name: string,
  content: Uint8Array,
  fields: [string, string][] = [],
): Promise<Response> {
  const form = new FormData()
  for (const [field, value] of fields) form.append(field, value)
  form.append('file', new Blob([content as Uint8Array<ArrayBuffer>]), name)
  return branch.fetch('/files', { method: 'POST', body: form })
}

/** Uploads and waits until every given branch lists it. */
export async function share(
  from: Branch,
  readers: readonly Branch[],
  name: string,
  content: Uint8Array,
  fields: [string, string][] = [],
): Promise<Json> {
  const answer = await postFile(from, name, content, fields)
  if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${await answer.text()}`)
  const file = (await answer.json()) as Json
  for (const reader of readers)
    await eventually(`${reader.name} lists ${name}`, () => reader.api(`/files/${file.id}`).catch(() => false))
  return file
}

export async function contentOf(branch: Branch, id: string): Promise<Buffer> {
  const answer = await branch.fetch(`/files/${id}/content`)
  if (!answer.ok) throw new Error(`content: ${answer.status} ${await answer.text()}`)
  return Buffer.from(await answer.arrayBuffer())
}
