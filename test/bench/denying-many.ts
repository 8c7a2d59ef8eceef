/** A node whose ledger has a thousand members, none of whom is online: what a new audience takes of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NetworkId } from '../../packages/core/src/ids.ts'
import { Branch, foundNetwork, type Json } from '../support/branch.ts'
import { postFile } from '../support/cluster.ts'
import { addMembers } from '../support/large-ledger.ts'
import { type LoopSeen, loopSeen, watchLoop } from '../support/loop-watch.ts'

/** Uploads before anything is measured: what has never run is compiled while it runs. */
const WARM = 20

export interface ManyStep {
  readonly what: string
  readonly ms: number
  readonly loop: LoopSeen
}

/** @param members the node itself among them */
export async function denyAmongMany(members: number): Promise<ManyStep[]> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  const branch = new Branch('Matriz', join(folder, 'matriz'))
  const steps: ManyStep[] = []
  try {
    watchLoop(branch)

    await foundNetwork([branch])
    const { network } = await branch.api('/status')
    await branch.end()
    const others = addMembers(branch.data, network.id as NetworkId, members - 1).map(({ node }): string => node)
    await branch.up()

    async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
      await loopSeen(branch)
      const began = performance.now()
      const result = await work()
      const ms = performance.now() - began
      steps.push({ what, ms, loop: await loopSeen(branch) })
      return result
    }
    const upload = async (name: string, fields: [string, string][] = []): Promise<Json> => {
      const answer = await postFile(branch, name, Buffer.from(name), fields)
      if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${await answer.text()}`)
      return await answer.json()
    }
    const denied = (nodes: readonly string[]) => nodes.map((node): [string, string] => ['denied', node])
    const only = (nodes: readonly string[]) => nodes.map((node): [string, string] => ['only', node])
    const [first, second] = others as [string, string]

    for (let n = 0; n < WARM; n++) await upload(`${n}.txt`)
    const file = await step('an upload to everyone', () => upload('everyone.txt'))
    await step('an upload that denies one', () => upload('except.txt', denied([first])))
    await step('the same again', () => upload('again.txt', denied([first])))
    await step('an upload for all but two, named one by one', () => upload('only.txt', only(others.slice(2))))
    const deny = (nodes: string) =>
      branch.api('/files/blacklist', { method: 'POST', json: { fileId: file.id, node: nodes } })
    await step('denying one later', () => deny(second))
    await step('letting in all again', () =>
      branch.api(`/files/blacklist/${file.id}`, { method: 'PUT', json: { nodes: [] } }),
    )
    await step('denying all others later', () =>
      branch.api(`/files/blacklist/${file.id}`, { method: 'PUT', json: { nodes: others } }),
    )
    await branch.api(`/nodes/${second}/quarantine`, { method: 'POST', json: {} })
    await step('an upload that renews the key of everyone', () => upload('renewed.txt'))
    return steps
  } finally {
    await branch.end()
    rmSync(folder, { recursive: true, force: true })
  }
}
