/**
 * Two real branches that know no address of each other that still holds, on one LAN: network namespaces, which only root
 * can make. One of them has another interface, which its system prefers and which leads nowhere.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Branch, foundNetwork, type Json } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { linksMissing } from '../support/links.ts'

const why = linksMissing()
const PREFIX = `malote-test-${process.pid}-lan`
/** this process reaches their APIs there */
const CONTROL = '198.19.255'
/** they ask every 10 s */
const FOUND_MS = 40_000

function ip(...words: string[]): void {
  const { status, stderr } = spawnSync('ip', words)
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`)
}

describe.skipIf(why !== null)(`the LAN${why === null ? '' : ` (not here: ${why})`}`, () => {
  const spaces = [`${PREFIX}-0`, `${PREFIX}-1`] as const
  const root = mkdtempSync(join(tmpdir(), 'malote-test-'))
  const branches = spaces.map((space, at) => {
    const branch = new Branch(`Filial ${at + 1}`, join(root, `b${at}`), {
      command: ['ip', 'netns', 'exec', space],
      listen: '/ip4/0.0.0.0/tcp/4373',
      api: `${CONTROL}.${2 * at + 1}:0`,
    })
    branch.lan = ['--no-upnp']
    return branch
  })
  const [one, two] = branches as [Branch, Branch]
  const flags = ['--listen', '/ip4/0.0.0.0/tcp/4373', '--listen', '/ip6/::/tcp/4373']

  beforeAll(async () => {
    for (const [at, space] of spaces.entries()) {
      const outside = `mlan${process.pid}x${at}`.slice(-15)
      ip('netns', 'add', space)
      ip('-n', space, 'link', 'set', 'lo', 'up')
      ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'zcontrol', 'netns', space)
      ip('addr', 'add', `${CONTROL}.${2 * at}/31`, 'dev', outside)
      ip('link', 'set', outside, 'up')
      ip('-n', space, 'addr', 'add', `${CONTROL}.${2 * at + 1}/31`, 'dev', 'zcontrol')
      ip('-n', space, 'link', 'set', 'zcontrol', 'multicast', 'off', 'up')
    }
    // the first interface of one leads nowhere, and is where everything goes that does not say otherwise
    ip('-n', spaces[0], 'link', 'add', 'aside', 'type', 'veth', 'peer', 'name', 'nowhere')
    ip('-n', spaces[0], 'addr', 'add', '192.168.5.1/24', 'dev', 'aside')
    ip('-n', spaces[0], 'link', 'set', 'aside', 'up')
    ip('-n', spaces[0], 'link', 'set', 'nowhere', 'up')
    ip('-n', spaces[0], 'route', 'add', 'default', 'via', '192.168.5.254', 'dev', 'aside')
    ip('-n', spaces[0], 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'lan', 'netns', spaces[1])
    for (const [at, space] of spaces.entries()) {
      ip('-n', space, 'addr', 'add', `192.168.6.${at + 1}/24`, 'dev', 'lan')
      ip('-n', space, 'link', 'set', 'lan', 'up')
    }
    await foundNetwork(branches, undefined, flags)
  })
  afterAll(async () => {
    await Promise.all(branches.map((branch) => branch.end()))
    for (const space of spaces) spawnSync('ip', ['netns', 'del', space])
    rmSync(root, { recursive: true, force: true })
  })

  /** Both are off, and elsewhere when they are back. */
  async function moved(change: () => void): Promise<Json> {
    await Promise.all(branches.map((branch) => branch.end()))
    change()
    await Promise.all(branches.map((branch) => branch.up(flags)))
    return await eventually(
      'they are connected',
      async () => {
        const node = (await two.api('/nodes')).items.find(({ id }: Json) => id === one.ready?.id)
        return node.connected && node.paths.length > 0 && node
      },
      FOUND_MS,
    )
  }

  it('is asked over every interface', async () => {
    const { paths } = await moved(() => {
      for (const [at, space] of spaces.entries()) {
        ip('-n', space, 'addr', 'del', `192.168.6.${at + 1}/24`, 'dev', 'lan')
        ip('-n', space, 'addr', 'add', `192.168.7.${at + 1}/24`, 'dev', 'lan')
      }
    })
    expect(paths[0].address).toMatch(/^\/ip4\/192\.168\.7\.1\/|^\/ip6zone\/lan\/ip6\/fe80|^\/ip6\/fe80/)
  })

  it('is enough where it has no addresses but link-local ones, which several interfaces have', async () => {
    await moved(() => {
      for (const [at, space] of spaces.entries()) ip('-n', space, 'addr', 'del', `192.168.7.${at + 1}/24`, 'dev', 'lan')
    })
    const seen = await Promise.all(
      branches.map(async (branch) => (await branch.api('/nodes')).items.flatMap(({ paths = [] }: Json) => paths)),
    )
    const addresses = seen.flat().map(({ address }: Json) => address as string)
    // whoever dialled has said where; the other sees who came
    expect(addresses.filter((each) => /^\/ip6zone\/lan\/ip6\/fe80/.test(each))).not.toEqual([])
    expect(addresses.filter((each) => !/^(\/ip6zone\/lan)?\/ip6\/fe80/.test(each))).toEqual([])
  })
})
