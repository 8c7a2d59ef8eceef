/** Nodes of two rules versions side by side: the older one stores and passes on, and catches up when it is replaced. */
import { afterEach, expect, it } from 'vitest'
import { createNode } from './node.ts'
import { share, testNodes, until } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const nodes = testNodes()
const running: MaloteNode[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
  await nodes.close()
})

/** A node whose software knows the rules up to this version. */
async function start(dataDir: string, rulesVersion: number): Promise<MaloteNode> {
  const tuning = { rulesVersion, headsIntervalMs: 100 }
  const node = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, tuning })
  running.push(node)
  return node
}

async function join(by: MaloteNode, node: MaloteNode, branch: string): Promise<void> {
  const { invite } = await by.members.invite({ branch })
  await node.network.register({ invite })
}

const codes = (node: MaloteNode) => node.status().warnings.map(({ code }) => code)
const metric = (node: MaloteNode, name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(node.metrics())?.[1])

it('an older node stores, passes on, says so, writes nothing, and executes all of it when it is replaced', async () => {
  const folders = { founder: nodes.emptyFolder(), second: nodes.emptyFolder(), old: nodes.emptyFolder() }
  // founded when all knew version 1 only
  const first = await start(folders.founder, 1)
  await first.network.init({ name: 'Agência', branch: 'Matriz' })
  await expect(first.network.upgrade({ rules: 2 })).rejects.toMatchObject({ code: 'usage' })
  expect((await first.network.upgrade()).rules).toEqual({ active: 1, known: 1 })
  running.splice(running.indexOf(first), 1)
  await first.stop()

  const founder = await start(folders.founder, 2)
  const second = await start(folders.second, 2)
  const old = await start(folders.old, 1)
  await join(founder, second, 'Filial')
  await join(founder, old, 'Antiga')
  const shared = await share(founder, 'antes.txt', Buffer.from('antes'))
  await until('all have the same', () =>
    [second, old].every((node) => node.ledger.digest().state === founder.ledger.digest().state),
  )
  await until('all are in sync', () => founder.status().ledger.inSyncWith === 2)
  await expect(second.network.upgrade()).rejects.toMatchObject({ code: 'not-admin' })

  expect((await founder.network.upgrade()).rules).toEqual({ active: 2, known: 2 })
  await until('the old one says so', () => codes(old).includes('software-too-old'))
  expect(old.status().rules).toEqual({ active: 2, known: 1 })
  expect(metric(old, 'malote_ledger_behind')).toBe(1)
  expect(metric(founder, 'malote_ledger_behind')).toBe(0)
  await expect(share(old, 'nunca.txt', Buffer.from('nunca'))).rejects.toMatchObject({ code: 'software-too-old' })
  expect((await old.ledger.verify()).ok).toBe(true)
  const check = (await old.doctor()).find(({ name }) => name === 'software-too-old')
  expect(check).toMatchObject({ state: 'warning', advice: expect.stringContaining('newer Malote') })

  // what is written now it stores, without executing it
  await share(second, 'depois.txt', Buffer.from('depois'))
  await until('entries arrive', () =>
    [founder, old].every((node) => node.ledger.digest().entries === second.ledger.digest().entries),
  )
  expect(old.ledger.digest().state).not.toBe(founder.ledger.digest().state)
  expect(old.files.list().items.map(({ name }) => name)).toEqual(['antes.txt'])
  // it has no state to differ in: nobody is alarmed
  await until('the new ones agree', () => founder.status().ledger.inSyncWith === 1)
  for (const node of [founder, second, old]) {
    expect(node.status().ledger.diverged).toBe(0)
    expect(metric(node, 'malote_ledger_diverged_total')).toBe(0)
  }
  // a newcomer with old software is told so before it is admitted; the old member admits nobody
  const late = await start(nodes.emptyFolder(), 1)
  await expect(join(founder, late, 'Atrasada')).rejects.toMatchObject({ code: 'software-too-old' })
  const { invite } = await founder.members.invite({ branch: 'Nova' })
  await until('the invite arrives', () => old.ledger.digest().entries === founder.ledger.digest().entries)
  const newcomer = await start(nodes.emptyFolder(), 2)
  await expect(newcomer.network.register({ invite, via: old.addresses[0] ?? '' })).rejects.toThrow()
  await newcomer.network.register({ invite })

  // still too old after a restart
  running.splice(running.indexOf(old), 1)
  await old.stop()
  const again = await start(folders.old, 1)
  expect(codes(again)).toContain('software-too-old')
  running.splice(running.indexOf(again), 1)
  await again.stop()

  const updated = await start(folders.old, 2)
  expect(codes(updated)).not.toContain('software-too-old')
  await until('it has caught up', () => updated.ledger.digest().state === founder.ledger.digest().state)
  await until('it shows what it missed', () => updated.files.list().items.length === 2)
  expect(updated.files.get(shared).name).toBe('antes.txt')
  await share(updated, 'agora.txt', Buffer.from('agora'))
  await until('all have the same', () =>
    [second, updated, newcomer].every((node) => node.ledger.digest().state === founder.ledger.digest().state),
  )
  expect((await updated.ledger.verify()).problems).toEqual([])

  // older software on a folder on which newer has run
  running.splice(running.indexOf(updated), 1)
  await updated.stop()
  const back = await start(folders.old, 1)
  expect(codes(back)).toContain('software-too-old')
  await expect(share(back, 'nunca.txt', Buffer.from('nunca'))).rejects.toMatchObject({ code: 'software-too-old' })
}, 60_000)
