/** The command line against real nodes: help, this node, its network, its members, the ledger. Files: cli-files.test.ts. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Branch, cliCommand, type Json, malote } from '../support/branch.ts'
import { type Cluster, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { expectSafe, fileVerbs, networkVerbs, offlineVerbs, Verbs } from '../support/verbs.ts'

const verbs = new Verbs(networkVerbs)
let cluster: Cluster
let one: Branch, two: Branch, three: Branch
beforeAll(async () => {
  cluster = await startCluster(3)
  ;[one, two, three] = cluster.branches as [Branch, Branch, Branch]
  // the JSON voice of what a cluster is made with
  for (const name of ['up', 'init', 'register']) verbs.note('json', [name])
}, 120_000)
afterAll(async () => {
  await cluster?.close()
})

const itemsOf = (page: Json): Json[] => page.items
const guests: Branch[] = []
afterAll(() => Promise.all(guests.map((guest) => guest.end())))

async function startGuest(name: string): Promise<Branch> {
  const guest = new Branch(name, cluster.path(name))
  guests.push(guest)
  await guest.up()
  return guest
}

describe('help', () => {
  interface Listed {
    path: string[]
    help: string
  }

  /** Every command that the help of `path` lists, and what those list. */
  async function listed(path: string[]): Promise<Listed[]> {
    const { code, stdout, stderr } = await malote([...path, '--help'])
    expect(code, path.join(' ')).toBe(0)
    expect(stderr).toBe('')
    const names = [...(/^Commands:\n((?: .*\n)*)/m.exec(stdout)?.[1] ?? '').matchAll(/^ {2}(\S+)/gm)]
      .map(([, name]) => name as string)
      .filter((name) => name !== 'help')
    const below = await Promise.all(names.map((name) => listed([...path, name])))
    return [{ path, help: stdout }, ...below.flat()]
  }

  it('of every command shows what it does, with examples', async () => {
    const all = await listed([])
    for (const { path, help } of all.filter((each) => each.path.length > 0)) {
      expect(help, path.join(' ')).toMatch(/^Usage: malote /)
      const [, examples = ''] = help.split('\nExamples:\n')
      expect(examples.match(/^ {2}\$ .*malote /gm)?.length ?? 0, `examples of ${path.join(' ')}`).toBeGreaterThan(0)
      for (const option of ['--data', '--json', '--quiet', '--help']) expect(help).toContain(option)
    }
    const leaves = all
      .map(({ path }) => path.join(' '))
      .filter((path) => path !== '' && path !== 'handoff offer') // another name of `handoff <file>`
      .filter((path) => !['blacklist', 'config', 'identity', 'service'].includes(path)) // these do nothing without a subcommand
    expect(leaves.sort(), 'a command without a test').toEqual([...networkVerbs, ...fileVerbs, ...offlineVerbs].sort())
  }, 120_000)

  it('is also to be had by name, and the version too', async () => {
    expect((await malote(['help', 'fetch'])).stdout).toContain('malote fetch video.mp4 -o -')
    const version = await malote(['--version'])
    expect(version).toMatchObject({ code: 0, stderr: '' })
    expect(version.stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('is named by whatever was typed wrong', async () => {
    await verbs.refused(one, ['nonsense'], 2, 'usage')
    await verbs.refused(one, ['ls', '--nonsense'], 2, 'usage')
    await verbs.refused(one, ['role', 'Filial 2'], 2, 'usage')
    await verbs.refused(one, ['role', 'Filial 2', 'king'], 2, 'usage')
    await verbs.refused(one, ['init', '--name', 'x'], 2, 'usage')
    await verbs.refused(one, ['up', '--port', '70000'], 2, 'usage')
    await verbs.refused(one, ['up', '--api', 'nowhere'], 2, 'usage')
    await verbs.refused(one, ['limit', '--up', 'fast'], 2, 'usage')
    await verbs.refused(one, ['invite', '--branch', 'X', '--expires', 'soon'], 2, 'usage')
    expect((await malote(['status', '--data'])).code).toBe(2)
  }, 60_000)
})

describe('up and down', () => {
  it('up says in one line that it is ready, init shows the recovery key once, down ends it', async () => {
    const data = cluster.path('alone')
    const running = malote(['up', '--data', data, '--api', '127.0.0.1:0', '--port', '0', '--no-mdns'])
    await eventually('it answers', async () => (await malote(['status', '--data', data])).code === 0)
    for (const name of ['api.json', 'api-token', 'identity']) {
      expect(statSync(join(data, name)).mode & 0o777, name).toBe(0o600)
    }
    const alone = new Branch('Sozinha', data)
    expect(await verbs.text(alone, ['status'])).toContain('in no network')
    await verbs.refused(alone, ['ls'], 5, 'not-a-member')

    const founded = await malote(['init', '--name', 'Rede só', '--branch', 'Sozinha', '--data', data])
    expect(founded.code).toBe(0)
    expect(founded.stdout.trim()).toBe('founded Rede só with the branch Sozinha')
    const key = /^ {4}(\S+)$/m.exec(founded.stderr)?.[1] as string
    expect(key.length).toBeGreaterThan(40)
    expect(founded.stdout).not.toContain(key)
    verbs.note('text', ['init'])
    await verbs.refused(alone, ['init', '--name', 'Outra', '--branch', 'Sozinha'], 6, 'already-member')

    expect(await verbs.text(alone, ['down'])).toBe('stopped')
    const up = await running
    expect(up.code).toBe(0)
    expect(up.stdout.trim().split('\n')).toHaveLength(1)
    expect(up.stdout).toMatch(/^ready: API at http:\/\/127\.0\.0\.1:\d+/)
    verbs.note('text', ['up'])
    for (const name of ['api.json', 'api-token']) expect(existsSync(join(data, name)), name).toBe(false)
    await verbs.refused(alone, ['status'], 3, 'not-running')
    await verbs.refused(alone, ['down'], 3, 'not-running')

    await alone.up()
    expect(await verbs.json(alone, ['down'])).toEqual({ state: 'stopped' })
  }, 90_000)

  it('a data folder is started again as it was', async () => {
    const before = await verbs.json(two, ['status'])
    const token = two.token
    expect(await two.end()).toBe(0)
    const ready = await two.up()
    expect(ready.id).toBe(before.id)
    expect(two.token).not.toBe(token)
    const after = await verbs.json(two, ['status'])
    expect(after).toMatchObject({ branch: 'Filial 2', network: before.network })
    await cluster.settled()
    await seesAll()
  })

  it('two data folders are two nodes, named by --data or MALOTE_DATA', async () => {
    const idOf = async (args: string[], env?: NodeJS.ProcessEnv) =>
      (JSON.parse((await malote(['status', '--json', ...args], env === undefined ? {} : { env })).stdout) as Json).id
    expect(await idOf(['--data', one.data])).toBe(one.ready?.id)
    expect(await idOf([], { MALOTE_DATA: two.data })).toBe(two.ready?.id)
    expect(await idOf(['--data', one.data], { MALOTE_DATA: two.data })).toBe(one.ready?.id)
    expect((await malote(['status'], { env: { MALOTE_DATA: '', XDG_DATA_HOME: cluster.path('nowhere') } })).code).toBe(
      3,
    )

    expect(await verbs.text(one, ['config', 'show'])).toContain(one.data)
    const shown = await malote(['config', 'show', '--json'], { env: { MALOTE_DATA: two.data } })
    verbs.note('json', ['config', 'show'])
    const dataDir = itemsOf(JSON.parse(shown.stdout)).find(({ name }) => name === 'dataDir')
    expect(dataDir).toMatchObject({ value: two.data, from: 'MALOTE_DATA' })
  })
})

async function seesAll(): Promise<void> {
  await eventually('all see each other', async () => {
    const views = await Promise.all([one, two, three].map((branch) => branch.api('/nodes')))
    const living = views.map(({ items }) => itemsOf({ items }).filter(({ state }) => state === 'member'))
    return living.every((nodes) => nodes.length === 3 && nodes.every((node) => node.connected))
  })
}

describe('this node', () => {
  it('status and doctor', async () => {
    const status = await verbs.text(one, ['status'])
    for (const part of ['Filial 1', 'admin of Rede de teste', 'connected', '3, 3 online', 'only one admin']) {
      expect(status).toContain(part)
    }
    const { items } = await verbs.json(one, ['doctor'])
    expect(itemsOf({ items }).filter(({ state }) => state === 'problem')).toEqual([])
    expect(itemsOf({ items }).find(({ name }) => name === 'database')?.state).toBe('ok')
    const doctor = await verbs.text(one, ['doctor', '--chunks'])
    expect(doctor).toMatch(/^ok +database: /m)
    expect(doctor).toMatch(/^ok +chunks: every chunk was as it was sealed when last looked through \(/m)
    expect(doctor).toMatch(/^ok +disk: \d+\.\d [MG]iB used, \d+\.\d [MG]iB free$/m)
  })

  it('connect and disconnect, also over a restart', async () => {
    const isSeen = async () => itemsOf(await one.api('/nodes')).find(({ id }) => id === three.ready?.id)?.connected
    expect(await verbs.text(three, ['disconnect'])).toBe('disconnected')
    await eventually('it is seen as away', async () => (await isSeen()) === false)
    await three.end()
    await three.up()
    expect((await verbs.json(three, ['status'])).connected).toBe(false)
    expect(await isSeen()).toBe(false)
    expect((await verbs.json(three, ['connect'])).connected).toBe(true)
    await eventually('it is seen as there', async () => (await isSeen()) === true)
    expect((await verbs.json(three, ['disconnect'])).connected).toBe(false)
    expect(await verbs.text(three, ['connect'])).toMatch(/^connected to \d of 2 other branches$/)
    await seesAll()
  })

  it('limit, open and completion', async () => {
    expect(await verbs.json(two, ['limit'])).toEqual({ up: null, down: null })
    expect(await verbs.text(two, ['limit', '--up', '10MB/s'])).toBe('up 9.5 MiB/s, down unlimited')
    expect(await verbs.json(two, ['limit', '--down', '1MiB/s'])).toEqual({ up: 10e6, down: 1024 ** 2 })
    expect(await verbs.json(two, ['limit', '--up', 'unlimited', '--down', 'unlimited'])).toEqual({
      up: null,
      down: null,
    })

    const { url, code } = await verbs.json(two, ['open'])
    expect(url).toBe(`${two.ready?.api}/docs`)
    const redeem = () =>
      fetch(`${two.ready?.api}/api/v1/session`, {
        method: 'POST',
        body: JSON.stringify({ code }),
        headers: { 'content-type': 'application/json', origin: two.ready?.api as string },
      })
    expect((await redeem()).headers.get('set-cookie')).toContain('HttpOnly')
    expect((await redeem()).status).toBe(401)
    const open = await verbs.text(two, ['open'])
    expect(open).toContain(url)
    expect(open).not.toContain(two.token)

    for (const shell of ['bash', 'zsh', 'fish'])
      expect(await verbs.text(one, ['completion', shell])).toContain('handoff')
    expect((await verbs.json(one, ['completion', 'bash'])).shell).toBe('bash')
    await verbs.refused(one, ['completion', 'cmd'], 2, 'usage')
  })
})

describe('members', () => {
  it('nodes', async () => {
    const nodes = await verbs.text(one, ['nodes'])
    expect(nodes.split('\n')[0]).toMatch(/^BRANCH +STATE +ROLE +PATH +RTT +RATE +LAST SEEN +NODE$/)
    expect(nodes).toMatch(/^Filial 1 \(this one\) +online +admin /m)
    const found = itemsOf(await verbs.json(two, ['nodes']))
    expect(found.map(({ branch }) => branch).sort()).toEqual(['Filial 1', 'Filial 2', 'Filial 3'])
    expect(found.filter(({ self }) => self).map(({ id }) => id)).toEqual([two.ready?.id])
  })

  it('role makes admins, and takes it from them', async () => {
    await verbs.refused(two, ['role', 'Filial 2', 'admin'], 5, 'not-admin')
    await verbs.refused(one, ['role', 'Filial 9', 'admin'], 4, 'not-found')
    expect(await verbs.text(one, ['role', 'Filial 2', 'admin'])).toMatch(/^Filial 2 \(\S+\): role admin$/)
    await eventually('it knows', async () => (await two.api('/status')).role === 'admin')
    const { id } = await two.api('/status')
    expect((await verbs.json(one, ['role', id.slice(0, 20), 'member'])).role).toBe('member')
    await eventually('it knows', async () => (await two.api('/status')).role === 'member')
    await verbs.text(one, ['role', 'Filial 2', 'admin'])
    await resigns(two)
  })

  it('upgrade activates what this software knows, and nothing else', async () => {
    expect(await verbs.text(one, ['upgrade'])).toBe('rules version 1 is active, the newest that this software knows')
    expect((await verbs.json(one, ['upgrade', '1'])).rules).toEqual({ active: 1, known: 1 })
    await verbs.refused(one, ['upgrade', '2'], 2, 'usage')
  })

  it('recover makes a node admin by the recovery key', async () => {
    const key = cluster.path('recovery.txt')
    writeFileSync(key, `${cluster.recoveryKey}\n`)
    await verbs.refused(two, ['recover', '--key-file', cluster.path('absent')], 2, 'unreadable')
    writeFileSync(cluster.path('wrong.txt'), 'no key')
    await verbs.refused(two, ['recover', '--key-file', cluster.path('wrong.txt')], 2, 'usage')
    expect(await verbs.text(two, ['recover', '--key-file', key])).toBe('this node is an admin now')
    const status = await verbs.json(three, ['recover', '--key-file', '-'], { input: cluster.recoveryKey })
    expect(status.role).toBe('admin')
    for (const branch of [two, three]) await resigns(branch)
  })

  /** By itself, so that no voice of it in expulsions remains. */
  async function resigns(branch: Branch): Promise<void> {
    await eventually('it knows that it is admin', async () => (await branch.api('/status')).role === 'admin')
    expect((await verbs.json(branch, ['role', branch.name, 'member'])).role).toBe('member')
    await cluster.settled()
  }

  it('invite prints the invite alone; ls, revoke', async () => {
    await verbs.refused(two, ['invite', '--branch', 'X'], 5, 'not-admin')
    await verbs.refused(one, ['invite'], 2, 'usage')
    await verbs.refused(one, ['invite', 'revoke', 'ffffffffffff'], 4, 'not-found')
    const text = await verbs.text(one, ['invite', '--branch', 'Convidada', '--expires', '1h'])
    expect(text).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    const made = await verbs.json(one, ['invite', '--branch', 'Outra convidada', '--role', 'admin'])
    expect(made).toMatchObject({ branch: 'Outra convidada', role: 'admin', state: 'open' })
    const open = itemsOf(await verbs.json(one, ['invite', 'ls'])).filter(({ state }) => state === 'open')
    expect(open.map(({ branch }) => branch).sort()).toEqual(['Convidada', 'Outra convidada'])
    const other = open.find(({ branch }) => branch === 'Convidada')?.id as string
    expect(await verbs.text(one, ['invite', 'revoke', made.id])).toBe(`revoked ${made.id}`)
    expect(await verbs.json(one, ['invite', 'revoke', other])).toEqual({ id: other, state: 'revoked' })
    expect(await verbs.text(one, ['invite', 'ls'])).toMatch(/^\S+ +Outra convidada +admin +revoked /m)
    const guest = await startGuest('convidada')
    await verbs.refused(guest, ['register', text], 5, 'invite-revoked')
  })

  it('register takes the invite from stdin, --replaces gives a branch a new machine', async () => {
    const guest = await startGuest('Filial 4')
    const invite = await verbs.text(one, ['invite', '--branch', 'Filial 4'])
    expect(await verbs.text(guest, ['register', '-'], { input: `${invite}\n` })).toBe(
      'joined Rede de teste as Filial 4; 4 members',
    )
    await verbs.refused(guest, ['register', invite], 6, 'already-member')
    const file = await share(guest, [guest, one], 'da quatro.txt', Buffer.from('of the old machine'))

    const machine = await startGuest('Filial 4 nova')
    const replaces = await verbs.text(one, ['invite', '--branch', 'Filial 4', '--replaces', 'Filial 4'])
    await verbs.json(machine, ['register', replaces, '--via', one.ready?.addresses[0] as string])
    await eventually('the new machine owns the file', async () => {
      const { owner } = await one.api(`/files/${file.id}`)
      return owner.id === machine.ready?.id && owner.branch === 'Filial 4'
    })
    await eventually('it may change it', async () => {
      const { code } = await machine.run('rm', file.id)
      return code === 0
    })
    await guest.end()

    const left = await malote(['unregister', '--data', machine.data])
    expect(left.code, left.stderr).toBe(0)
    expect(left.stdout.trim()).toBe('this branch has left the network')
    expect(left.stderr).toContain('farewell')
    expectSafe(left)
    verbs.note('text', ['unregister'])
    expect((await verbs.json(machine, ['status'])).network).toBeNull()
  }, 120_000)

  it('quarantine, release, expel', async () => {
    const guest = await startGuest('Filial 5')
    const invite = await verbs.text(one, ['invite', '--branch', 'Filial 5'])
    await guest.json('register', invite)
    for (const verb of ['quarantine', 'release', 'expel']) await verbs.refused(two, [verb, 'Filial 5'], 5, 'not-admin')
    expect(await verbs.text(one, ['quarantine', 'Filial 5'])).toMatch(/^Filial 5 \(\S+\): quarantined, role member$/)
    expect((await verbs.json(one, ['release', 'Filial 5'])).state).toBe('member')
    expect((await verbs.json(one, ['quarantine', 'Filial 5'])).state).toBe('quarantined')
    expect(await verbs.text(one, ['release', 'Filial 5'])).toMatch(/: not quarantined, role member$/)
    expect(await verbs.text(one, ['expel', 'Filial 5'])).toMatch(
      /^Filial 5 \(\S+\): expelled, role member; it is final$/,
    )

    const other = await startGuest('Filial 6')
    await other.json('register', await verbs.text(one, ['invite', '--branch', 'Filial 6']))
    const expelled = await verbs.json(one, ['expel', 'Filial 6'])
    expect(expelled).toMatchObject({ waitsFor: null, node: { state: 'expelled' } })

    const leaving = await startGuest('Filial 7')
    await leaving.json('register', await verbs.text(one, ['invite', '--branch', 'Filial 7']))
    expect(await verbs.json(leaving, ['unregister', '--force'])).toEqual({ left: true })
    await cluster.settled()
  }, 120_000)

  it('names with control characters are shown escaped', async () => {
    const answer = await one.fetch('/invites', {
      method: 'POST',
      body: JSON.stringify({ branch: 'Filial \u001b[31m8' }),
      headers: { 'content-type': 'application/json' },
    })
    // a branch may not be named like that at all; a file may
    expect(answer.status).toBe(400)
    const spoken = await malote(['show', '\u001b]0;title\u0007\u202e', '--data', one.data])
    expect(spoken.code).toBe(4)
    expectSafe(spoken)
  })
})

describe('the ledger', () => {
  it('lists, digests and verifies', async () => {
    const page = await verbs.json(one, ['ledger', '--since', '0', '--limit', '3'])
    expect(itemsOf(page).map(({ kind }) => kind)[0]).toBe('found')
    expect(itemsOf(page)).toHaveLength(3)
    const rest = itemsOf(await verbs.json(one, ['ledger', '--since', String(page.next), '--limit', '1000']))
    expect(rest[0].arrival).toBeGreaterThan(itemsOf(page)[2].arrival)
    const table = await verbs.text(one, ['ledger'])
    expect(table.split('\n')[0]).toMatch(/^ *N +TIME +KIND +AUTHOR +SUBJECT +ENTRY/)
    await cluster.settled()
    const [mine, theirs] = [await verbs.json(one, ['ledger', 'digest']), await verbs.json(two, ['ledger', 'digest'])]
    expect(mine.state).toBe(theirs.state)
    expect(mine.entries).toBe(rest.length + 3)
    expect(await verbs.text(one, ['ledger', 'digest'])).toContain(mine.state)
    expect(await verbs.json(three, ['ledger', 'verify'])).toMatchObject({
      ok: true,
      entries: mine.entries,
      problems: [],
    })
    expect(await verbs.text(two, ['ledger', 'verify'])).toContain(`all ${mine.entries} entries are in order`)
    await verbs.refused(one, ['ledger', '--since', 'x'], 2, 'usage')
  })

  it('--follow tells every entry once, one JSON document per line, until Ctrl-C', async () => {
    const { entries } = await one.api('/ledger/digest')
    const following = spawn(cliCommand[0], [cliCommand[1], 'ledger', '--follow', '--json', '--data', two.data], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    following.stdout.on('data', (part) => {
      text += part
    })
    const told = () =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Json)
    await eventually('what there is', () => told().length >= entries)
    const file = await share(one, [two], 'seguida.txt', Buffer.from('followed'))
    await eventually('what comes', () => told().some(({ subject }) => subject === file.id))
    const ended = new Promise<number | null>((resolve) => following.once('exit', (code) => resolve(code)))
    following.kill('SIGINT')
    expect(await ended).toBe(0)
    const arrivals = told().map(({ arrival }) => arrival)
    expect(arrivals).toEqual([...new Set(arrivals)].sort((a, b) => a - b))

    const limited = await malote(['ledger', '--follow', '--limit', '2', '--data', one.data])
    expect(limited.code).toBe(0)
    expect(limited.stdout.trim().split('\n')).toHaveLength(2)
  })
})

describe('all of them', () => {
  it('were run, as text and as JSON', () => {
    expect(verbs.missing()).toEqual([])
  })

  it('leave no secret in what the nodes say of themselves', () => {
    for (const branch of cluster.branches) {
      expect(branch.log).not.toContain(branch.token)
      expect(branch.log).not.toContain(cluster.recoveryKey)
    }
    expect(readFileSync(join(one.data, 'api.json'), 'utf8')).not.toContain(one.token)
  })
})
