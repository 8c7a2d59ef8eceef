/** Offices whose firewalls let little out, and nodes that are told to use one transport. What passes is counted. */
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Branch, foundNetwork, type Json } from '../support/branch.ts'
import { contentOf, share } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import type { LabHost } from './host.ts'
import { createLab, type Lab, labMissing, type Office } from './lab.ts'

const why = labMissing()
const BYTES = 8 * 1024 * 1024
/** the only one that the strictest of firewalls lets out */
const PORT = 443
const KINDS = ['tcp', 'udp'] as const

describe.skipIf(why !== null)(`one transport of two${why === null ? '' : ` (not here: ${why})`}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'malote-test-'))
  let lab: Lab
  let main: Branch
  let branch: Branch
  let office: Office
  let inside: LabHost
  beforeAll(async () => {
    lab = createLab({ publicHosts: 1, offices: [{ nat: 'pr' }] })
    ;[office] = lab.offices as [Office]
    ;[inside] = office.hosts as [LabHost]
    const outside = lab.publicHosts[0] as LabHost
    office.limit({ udp: false, tcpPort: PORT })
    main = new Branch('Matriz', join(root, 'a'), outside.place)
    branch = new Branch('Filial', join(root, 'b'), inside.place)
    await foundNetwork([main, branch], undefined, ['--port', String(PORT)])
    const rules = KINDS.flatMap((kind) => [
      `add counter inet kinds from_${kind}`,
      `add rule inet kinds seen ip saddr ${outside.address} meta l4proto ${kind} counter name from_${kind}`,
    ])
    const chain = 'add table inet kinds; add chain inet kinds seen { type filter hook input priority 0; }'
    await inside.run(['nft', [chain, ...rules].join('; ')])
  })
  afterAll(async () => {
    await Promise.all([main?.end(), branch?.end()])
    lab?.close()
    rmSync(root, { recursive: true, force: true })
  })

  async function seen(kind: 'tcp' | 'udp'): Promise<number> {
    const { nftables } = JSON.parse(
      await inside.run(['nft', '-j', 'list', 'counter', 'inet', 'kinds', `from_${kind}`]),
    ) as Json
    return nftables.find((each: Json) => each.counter !== undefined).counter.bytes
  }

  const pathTo = async () => (await branch.api('/nodes')).items.find(({ self }: Json) => !self).path

  /** @returns bytes of each kind that came from the other branch meanwhile */
  async function received(name: string): Promise<{ tcp: number; udp: number }> {
    const before = { tcp: await seen('tcp'), udp: await seen('udp') }
    const content = randomFillSync(Buffer.alloc(BYTES))
    const { id } = await share(main, [main, branch], name, content)
    await eventually('it is here', async () => (await branch.api(`/files/${id}`)).local === 'complete')
    expect((await contentOf(branch, id)).equals(content)).toBe(true)
    return { tcp: (await seen('tcp')) - before.tcp, udp: (await seen('udp')) - before.udp }
  }

  it('a network that lets out one TCP port, and no UDP, is enough', async () => {
    const { tcp, udp } = await received('porta.mov')
    expect([await pathTo(), tcp > BYTES, udp]).toEqual(['tcp', true, 0])
  })

  it('where both pass, TCP carries what is large', async () => {
    office.limit({})
    const { tcp, udp } = await received('livre.mov')
    expect([await pathTo(), tcp > BYTES, udp < BYTES / 100]).toEqual(['tcp', true, true])
  })

  it('a node that is told to carries everything over UDP', async () => {
    await branch.end()
    await branch.up(['--port', String(PORT), '--transports', 'udp'])
    await eventually('it is there', async () => (await pathTo()) === 'udp')
    expect((await branch.api('/status')).reachability).toMatchObject({ tcp: 'off', udp: 'private' })
    // what was left of TCP comes to an end
    await eventually('TCP is quiet', async () => {
      const before = await seen('tcp')
      await new Promise((resolve) => setTimeout(resolve, 300))
      return (await seen('tcp')) === before
    })
    const { tcp, udp } = await received('udp.mov')
    expect([await pathTo(), tcp, udp > BYTES]).toEqual(['udp', 0, true])
  })
})
