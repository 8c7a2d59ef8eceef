/** Nodes in this process, over real sockets and real folders, for tests of the whole composition. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as pathOf } from 'node:path'
import { createNode } from '../node.ts'
import type { MaloteNode, Tuning } from '../types.ts'

const DEADLINE_MS = 20_000

export interface TestNodes {
  /** a new node, or one on the folder of an earlier one */
  start(dataDir?: string): Promise<MaloteNode>
  emptyFolder(): string
  /** A network of branches, the founder first; all on folders of their own. */
  network(...branches: string[]): Promise<MaloteNode[]>
  /** A newcomer, let in by a member. */
  join(by: MaloteNode, branch: string, options?: { dataDir?: string; replaces?: string }): Promise<MaloteNode>
  close(): Promise<void>
}

export function testNodes(tuning: Partial<Tuning> = {}): TestNodes {
  const ending: (() => Promise<void> | void)[] = []

  function emptyFolder(): string {
    const folder = mkdtempSync(pathOf(tmpdir(), 'malote-node-'))
    ending.push(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  async function start(dataDir = emptyFolder()): Promise<MaloteNode> {
    const node = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, tuning })
    ending.push(() => node.stop())
    return node
  }

  const join: TestNodes['join'] = async (by, branch, { dataDir, replaces } = {}) => {
    const { invite } = await by.members.invite({ branch, ...(replaces === undefined ? {} : { replaces }) })
    const node = await start(dataDir)
    await node.network.register({ invite })
    return node
  }

  return {
    start,
    emptyFolder,
    join,
    async network(first, ...others) {
      const founder = await start()
      await founder.network.init({ name: 'Agência', branch: first ?? 'Recife' })
      const nodes = [founder]
      for (const branch of others) nodes.push(await join(founder, branch))
      return nodes
    },
    async close() {
      for (const end of ending.splice(0).reverse()) await end()
    },
  }
}

async function* pieces(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

/** Shares content under a name. @returns the file's id */
export async function share(
  node: MaloteNode,
  name: string,
  content: Uint8Array,
  lists: { denied?: string[]; only?: string[] } = {},
): Promise<string> {
  const pending = await node.files.beginUpload({ sizeHint: content.length })
  await pending.write(pieces(content))
  return (await pending.publish({ name, ...lists })).id
}

export async function update(node: MaloteNode, file: string, content: Uint8Array): Promise<void> {
  const pending = await node.files.beginUpdate(file, { sizeHint: content.length })
  await pending.write(pieces(content))
  await pending.publish()
}

/** Sealed bytes of chunks that came over the network since the node's start. */
export function received(node: MaloteNode): number {
  return Number(/^malote_transfer_received_bytes_total (\d+)/m.exec(node.metrics())?.[1])
}

export async function read(node: MaloteNode, file: string): Promise<Buffer> {
  const { read } = await node.files.content(file)
  const parts: Uint8Array[] = []
  for await (const part of read()) parts.push(part)
  return Buffer.concat(parts)
}

/** Resolves when the condition holds; what it throws counts as no. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  const holds = () => {
    try {
      return condition()
    } catch {
      return false
    }
  }
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The files below a folder that have these bytes anywhere in them. */
export function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = pathOf(folder, name)
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path).includes(text)
  })
}
