/** The command line against real nodes: files, who may read them, who owns them, and what is on its way. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Branch, type Json, malote, sha256File } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { makeVideo } from '../support/media.ts'
import { expectSafe, fileVerbs, Verbs } from '../support/verbs.ts'

const verbs = new Verbs(fileVerbs)
const ID = /^[0-9a-f]{32,}$/
let cluster: Cluster
let one: Branch, two: Branch, three: Branch
beforeAll(async () => {
  cluster = await startCluster(3)
  ;[one, two, three] = cluster.branches as [Branch, Branch, Branch]
}, 120_000)
afterAll(() => cluster?.close())

const itemsOf = (page: Json): Json[] => page.items
const idsOf = (page: Json): string[] => itemsOf(page).map(({ id }) => id)

function write(name: string, content: string): string {
  const path = cluster.path(name)
  writeFileSync(path, content)
  return path
}

const listedBy = (branch: Branch, id: string) =>
  eventually(`${branch.name} lists ${id}`, () => branch.api(`/files/${id}`).catch(() => false))

describe('upload', () => {
  it('prints each id alone, as soon as the file is here', async () => {
    const [first, second] = [write('a.txt', 'first'), write('b.txt', 'second')]
    const outcome = await one.run('upload', first, second, '--campaign', 'Verão', '--tag', 'foto', '--tag', 'A3')
    expect(outcome.code, outcome.stderr).toBe(0)
    const ids = outcome.stdout.trim().split('\n')
    expect(ids).toHaveLength(2)
    for (const id of ids) expect(id).toMatch(ID)
    expect(outcome.stderr).toContain('in the background')
    expect(await one.api(`/files/${ids[0]}`)).toMatchObject({ name: 'a.txt', campaign: 'Verão', tags: ['A3', 'foto'] })
    expect((await one.run('upload', first, '--quiet')).stderr).toBe('')
    const file = await verbs.json(one, ['upload', first, '--name', 'c.txt', '--type', 'text/x-other'])
    expect(file).toMatchObject({ name: 'c.txt', type: 'text/x-other', size: 5, local: 'complete' })
    expect(await verbs.text(one, ['upload', second])).toMatch(ID)
  })

  it('takes stdin', async () => {
    const id = await verbs.text(one, ['upload', '-', '--name', 'de stdin.txt'], { input: 'from a pipe' })
    expect((await contentOf(one, id)).toString()).toBe('from a pipe')
    const file = await verbs.json(one, ['upload', '-', '--name', 'vazio.txt'], { input: '' })
    expect(file.size).toBe(0)
  })

  it('waits until it is durable, or replicated', async () => {
    const path = write('espera.bin', 'x'.repeat(3_000_000))
    const durable = await verbs.json(one, ['upload', path, '--wait', 'durable'])
    expect(durable.copies.held).toBeGreaterThanOrEqual(3)
    const replicated = await verbs.json(two, ['upload', path, '--wait', 'replicated'])
    expect(replicated.copies).toEqual({ held: 3, target: 3 })
    const text = await one.run('upload', path, '--wait', 'replicated')
    expect(text.stdout.trim()).toMatch(ID)
    expect(text.stderr).toContain('replicated: 3 of 3 copies')
  })

  it('refuses what cannot be meant', async () => {
    const path = write('r.txt', 'r')
    await verbs.refused(one, ['upload'], 2, 'usage')
    await verbs.refused(one, ['upload', '-'], 2, 'usage')
    await verbs.refused(one, ['upload', path, path, '--name', 'x'], 2, 'usage')
    await verbs.refused(one, ['upload', path, '--wait', 'forever'], 2, 'usage')
    await verbs.refused(one, ['upload', path, '--deny', 'Filial 2', '--only', 'Filial 3'], 2, 'usage')
    await verbs.refused(one, ['upload', cluster.root], 2, 'unreadable')
    await verbs.refused(one, ['upload', path, '--deny', 'Nenhuma'], 4, 'not-found')
    await verbs.refused(one, ['upload', path, '--deny', 'Filial 1'], 2, 'owner-cannot-be-denied')
    await verbs.refused(one, ['upload', path, '--name', 'n'.repeat(300)], 2, 'name-invalid')
  }, 60_000)
})

describe('ls and show', () => {
  it('list, narrow down, page, and tell all of one', async () => {
    const file = await share(two, [one, two], 'cartaz.png', Buffer.from('a poster'), [
      ['campaign', 'Natal'],
      ['tag', 'impresso'],
    ])
    const table = await verbs.text(one, ['ls', '--campaign', 'Natal'])
    expect(table.split('\n')[0]).toMatch(/^ID +NAME +SIZE +V +OWNER +CAMPAIGN +COPIES +HERE +STATE$/)
    expect(table).toContain('cartaz.png')
    for (const query of [['carta'], ['--tag', 'impresso'], ['--owner', 'Filial 2', '--campaign', 'Natal']]) {
      expect(idsOf(await verbs.json(one, ['ls', ...query]))).toContain(file.id)
    }
    for (const query of [['nada assim'], ['--tag', 'outro'], ['--owner', 'Filial 3'], ['--deleted']]) {
      expect(idsOf(await verbs.json(one, ['ls', ...query]))).not.toContain(file.id)
    }
    const page = await verbs.json(one, ['ls', '--limit', '2'])
    expect(itemsOf(page)).toHaveLength(2)
    const next = await verbs.json(one, ['ls', '--limit', '2', '--cursor', page.next])
    expect(idsOf(next).filter((id) => idsOf(page).includes(id))).toEqual([])

    const shown = await verbs.json(one, ['show', 'cartaz.png'])
    expect(shown).toMatchObject({ id: file.id, owner: { branch: 'Filial 2' }, audience: 'everyone' })
    expect(shown.versions).toHaveLength(1)
    expect(shown.readers.map(({ branch }: Json) => branch).sort()).toEqual(['Filial 1', 'Filial 2', 'Filial 3'])
    const text = await verbs.text(one, ['show', file.id.slice(0, 8)])
    for (const part of ['cartaz.png', file.id, 'everyone', 'Filial 2', 'Natal', 'impresso'])
      expect(text).toContain(part)
    await verbs.refused(one, ['show', file.id.slice(0, 5)], 4, 'not-found')
    await verbs.refused(one, ['show', 'ffffffffff'], 4, 'not-found')
  })

  it('show names of others escaped', async () => {
    const name = 'nota \u001b[31m\u202egnp.exe\u200b\n\u0007fim.txt'
    const answer = await postFile(two, 'ignored', Buffer.from('x'), [['name', name]])
    expect(answer.status).toBe(201)
    const { id } = (await answer.json()) as Json
    await listedBy(one, id)
    for (const args of [['ls'], ['show', id], ['fetch', id, '-o', cluster.path('escaped.txt')], ['ls', 'nota']]) {
      const text = await verbs.text(one, args) // which looks for what could steer a terminal
      if (args[0] !== 'fetch') expect(text).toContain('\\u{1b}[31m\\u{202e}gnp.exe')
    }
    const shown = await one.run('ls', 'nota')
    expect(shown.stdout.trimEnd().split('\n'), 'a line feed in a name makes no line').toHaveLength(2)
    // the form of the upload has made CR LF of the line feed (RFC 7578 by way of the fetch standard)
    expect((await verbs.json(one, ['show', id])).name).toBe(name.replace('\n', '\r\n'))
    expectSafe(await one.run('rm', id))
  })
})

describe('fetch', () => {
  it('writes to a path, a folder, the current folder, and stdout', async () => {
    const file = await share(two, [one], 'busca.txt', Buffer.from('to be fetched'))
    const path = cluster.path('fetched.txt')
    expect(await verbs.text(one, ['fetch', file.id, '-o', path])).toContain('fetched.txt')
    expect(readFileSync(path, 'utf8')).toBe('to be fetched')
    mkdirSync(cluster.path('folder'))
    const told = await verbs.json(one, ['fetch', 'busca.txt', '-o', cluster.path('folder')])
    expect(told).toMatchObject({ path: cluster.path('folder/busca.txt'), bytes: 13, file: { id: file.id } })
    expect(readFileSync(told.path, 'utf8')).toBe('to be fetched')
    await verbs.refused(one, ['fetch', file.id, '-o', cluster.path('folder')], 6, 'conflict')

    const here = await malote(['fetch', file.id, '--data', one.data], { cwd: cluster.root })
    expect(here.code, here.stderr).toBe(0)
    expect(readFileSync(cluster.path('busca.txt'), 'utf8')).toBe('to be fetched')
    const out = await one.run('fetch', file.id, '-o', '-')
    expect(out).toMatchObject({ code: 0, stdout: 'to be fetched' })
    await verbs.refused(one, ['fetch', 'ffffffffff'], 4, 'not-found')
    await verbs.refused(one, ['fetch', file.id, '-o', cluster.path('absent/x.txt')], 2, 'usage')
    expect((await one.run('fetch', file.id, '-o', '-', '--json')).code).toBe(2)
  })

  it('gets older versions', async () => {
    const file = await share(one, [two], 'versões.txt', Buffer.from('one'))
    await verbs.json(one, ['update', file.id, write('v2.txt', 'two')])
    await eventually('version 2', async () => (await two.api(`/files/${file.id}`)).version === 2)
    expect((await two.run('fetch', file.id, '-o', '-', '--version', '1')).stdout).toBe('one')
    expect((await two.run('fetch', file.id, '-o', '-')).stdout).toBe('two')
    await verbs.refused(two, ['fetch', file.id, '-o', cluster.path('v9.txt'), '--version', '9'], 4, 'not-found')
  })
})

describe('update, rm and restore', () => {
  it('are the owner’s', async () => {
    const file = await share(one, [one, two], 'roteiro.txt', Buffer.from('draft'))
    const path = write('roteiro-2.txt', 'second draft')
    expect(await verbs.text(one, ['update', 'roteiro.txt', path])).toBe('roteiro.txt is at version 2 (12 B)')
    const third = await verbs.json(one, ['update', file.id, '-', '--if-match', '2'], { input: 'third' })
    expect(third).toMatchObject({ version: 3, size: 5, name: 'roteiro.txt' })
    await verbs.refused(one, ['update', file.id, path, '--if-match', '2'], 6, 'precondition-failed')
    await eventually('it arrives', async () => (await two.api(`/files/${file.id}`)).version === 3)
    for (const args of [
      ['update', file.id, path],
      ['rm', file.id],
      ['rm', file.id, '--purge'],
      ['restore', file.id],
    ]) {
      await verbs.refused(two, args, 5, 'not-owner')
    }
    expect(await verbs.text(one, ['restore', file.id, '--version', '1'])).toBe('roteiro.txt is at version 4, live')
    expect((await contentOf(one, file.id)).toString()).toBe('draft')

    expect(await verbs.text(one, ['rm', 'roteiro.txt'])).toBe('deleted roteiro.txt')
    await eventually('hidden', async () => !idsOf(await two.api('/files?limit=1000')).includes(file.id))
    expect(idsOf(await verbs.json(one, ['ls', '--deleted']))).toContain(file.id)
    await verbs.refused(one, ['update', file.id, path], 6, 'deleted')
    expect(await verbs.json(one, ['restore', file.id])).toMatchObject({ id: file.id, state: 'live' })
    expect(await verbs.json(one, ['rm', file.id, '--purge'])).toEqual({ id: file.id, state: 'purged' })
    await eventually('gone', async () => (await two.run('show', file.id)).code === 4)
  }, 60_000)
})

describe('blacklist', () => {
  it('add, rm, set and ls', async () => {
    const file = await share(one, [two, three], 'reservado.txt', Buffer.from('not for all'))
    const isDenied = (branch: Branch, denied: boolean) =>
      eventually('it follows', async () => ((await branch.fetch(`/files/${file.id}`)).status === 404) === denied)
    expect(await verbs.text(one, ['blacklist', 'add', file.id, 'Filial 2'])).toBe('reservado.txt: denied to Filial 2')
    await isDenied(two, true)
    await verbs.refused(two, ['show', file.id], 4, 'not-found')
    expect(await verbs.text(three, ['blacklist', 'ls'])).toMatch(/reservado\.txt +Filial 2/)
    expect(itemsOf(await verbs.json(two, ['blacklist', 'ls']))).toEqual([])
    const added = await verbs.json(one, ['blacklist', 'add', file.id, 'Filial 3'])
    expect(
      itemsOf(added)
        .map(({ node }) => node)
        .sort(),
    ).toEqual([two.ready?.id, three.ready?.id].sort())
    await isDenied(three, true)
    expect(await verbs.text(one, ['blacklist', 'rm', file.id, 'Filial 2'])).toBe('reservado.txt: denied to Filial 3')
    await isDenied(two, false)
    const removed = await verbs.json(one, ['blacklist', 'rm', file.id, 'Filial 3', '--reseal'])
    expect(itemsOf(removed)).toEqual([])
    await isDenied(three, false)
    const replaced = await verbs.json(one, ['blacklist', 'set', file.id, 'Filial 3'])
    expect(itemsOf(replaced).map(({ node }) => node)).toEqual([three.ready?.id])
    expect(await verbs.text(one, ['blacklist', 'set', file.id])).toBe('reservado.txt: nobody is denied')
    await isDenied(three, false)
    expect((await contentOf(three, file.id)).toString()).toBe('not for all')

    await verbs.refused(two, ['blacklist', 'add', file.id, 'Filial 3'], 5, 'not-owner')
    await verbs.refused(one, ['blacklist', 'add', file.id, 'Filial 1'], 2, 'owner-cannot-be-denied')
    await verbs.refused(one, ['blacklist', 'add', file.id, 'Nenhuma'], 4, 'not-found')
    await verbs.refused(one, ['blacklist', 'add', 'ffffffffff', 'Filial 2'], 4, 'not-found')
  }, 60_000)
})

describe('handoff', () => {
  const ownerOf = async (branch: Branch, id: string) => (await branch.api(`/files/${id}`)).owner.branch

  it('ends when the receiver accepts, which it does by itself when the file fits', async () => {
    const file = await share(one, [one, two], 'presente.txt', Buffer.from('a gift'))
    expect(await verbs.text(one, ['handoff', 'presente.txt', '--to', 'Filial 2'])).toBe(
      'presente.txt belongs to Filial 2 now',
    )
    await eventually('everybody knows', async () => (await ownerOf(three, file.id)) === 'Filial 2')
    const offered = await verbs.json(two, ['handoff', file.id, '--to', 'Filial 3', '--no-wait'])
    expect(offered.id).toBe(file.id)
    await eventually('it is accepted', async () => (await ownerOf(one, file.id)) === 'Filial 3')
    await verbs.refused(one, ['handoff', file.id, '--to', 'Filial 2'], 5, 'not-owner')
    await verbs.refused(three, ['handoff', file.id, '--to', 'Filial 3'], 2, 'usage')
    await verbs.refused(three, ['handoff', file.id], 2, 'usage')
    await verbs.refused(three, ['handoff', file.id, '--to', 'Nenhuma'], 4, 'not-found')
    await verbs.json(three, ['blacklist', 'add', file.id, 'Filial 1'])
    await verbs.refused(three, ['handoff', file.id, '--to', 'Filial 1'], 5, 'denied-node')
  })

  it('waits for an answer where the receiver wants to be asked: decline, cancel, accept', async () => {
    await three.end()
    await three.up(['--handoffs', 'ask'])
    const file = await share(one, [one, three], 'oferta.txt', Buffer.from('an offer'))
    const offer = () => verbs.json(one, ['handoff', file.id, '--to', 'Filial 3', '--no-wait'])
    const incoming = () =>
      eventually('it is offered', async () =>
        (await verbs.json(three, ['handoff', 'ls'])).incoming.some(({ id }: Json) => id === file.id),
      )
    expect((await offer()).handoff.to.branch).toBe('Filial 3')
    await incoming()
    expect(await verbs.text(three, ['handoff', 'ls'])).toMatch(/^oferta\.txt .* to this branch +Filial 1 +Filial 3 /m)
    expect((await verbs.json(one, ['handoff', 'ls'])).outgoing.map(({ id }: Json) => id)).toEqual([file.id])
    await verbs.refused(one, ['update', file.id, write('no.txt', 'no')], 6, 'handoff-pending')
    await verbs.refused(two, ['handoff', 'accept', file.id], 6, 'handoff-not-pending')
    expect(await verbs.text(three, ['handoff', 'decline', 'oferta.txt'])).toBe('declined oferta.txt')
    await eventually('the owner knows', async () => (await one.api(`/files/${file.id}`)).handoff === null)

    await offer()
    expect(await verbs.text(one, ['handoff', 'cancel', file.id])).toBe('oferta.txt belongs to Filial 1')
    await offer()
    expect((await verbs.json(one, ['handoff', 'cancel', file.id])).handoff).toBeNull()
    await verbs.refused(one, ['handoff', 'cancel', file.id], 6, 'handoff-not-pending')

    await offer()
    await incoming()
    expect(await verbs.json(three, ['handoff', 'decline', file.id])).toEqual({ id: file.id, outcome: 'declined' })
    await eventually('the owner knows', async () => (await one.api(`/files/${file.id}`)).handoff === null)

    await offer()
    await incoming()
    expect(await verbs.text(three, ['handoff', 'accept', file.id])).toBe('oferta.txt belongs to Filial 3')
    await eventually('it is given', async () => (await ownerOf(one, file.id)) === 'Filial 3')
    await verbs.text(three, ['handoff', file.id, '--to', 'Filial 1'])
    await offer()
    await incoming()
    expect((await verbs.json(three, ['handoff', 'accept', file.id])).owner.branch).toBe('Filial 3')
  }, 90_000)

  it('tells whoever waits that the offer was declined', async () => {
    await three.end()
    await three.up(['--handoffs', 'ask'])
    const file = await share(one, [one, three], 'recusada.txt', Buffer.from('declined'))
    const waiting = one.run('handoff', file.id, '--to', 'Filial 3', '--json')
    await eventually('it is declined', async () => (await three.run('handoff', 'decline', file.id)).code === 0)
    const outcome = await waiting
    expect(outcome.code).toBe(5)
    expect((JSON.parse(outcome.stdout) as Json).code).toBe('not-accepted')
  }, 60_000)

  it('accepts up to a size and from whom the setting names', async () => {
    await three.end()
    await three.up(['--handoffs', '100', '--handoffs-from', 'Filial 2'])
    const small = await share(two, [two, three], 'pequena.txt', Buffer.from('small'))
    const large = await share(two, [two, three], 'grande.txt', Buffer.alloc(101))
    const others = await share(one, [one, three], 'alheia.txt', Buffer.from('small'))
    await verbs.json(one, ['handoff', others.id, '--to', 'Filial 3', '--no-wait'])
    await verbs.json(two, ['handoff', large.id, '--to', 'Filial 3', '--no-wait'])
    expect((await verbs.json(two, ['handoff', small.id, '--to', 'Filial 3'])).owner.branch).toBe('Filial 3')
    await cluster.settled()
    expect(await ownerOf(three, large.id)).toBe('Filial 2')
    expect(await ownerOf(three, others.id)).toBe('Filial 1')
    await three.end()
    await three.up()
    await eventually('now they fit', async () => {
      const owners = await Promise.all([large, others].map(({ id }) => ownerOf(one, id)))
      return owners.every((owner) => owner === 'Filial 3')
    })
  }, 90_000)
})

describe('transfers', () => {
  it('pause, resume and cancel, by id and all', async () => {
    await two.run('limit', '--down', '2MB/s')
    const path = cluster.path('filme.y4m')
    await makeVideo(path, 40 * 1024 * 1024)
    const file = await one.json('upload', path)
    await listedBy(two, file.id)
    const running = await eventually('it is on its way', async () =>
      itemsOf(await verbs.json(two, ['transfers'])).find(
        ({ fileId, state, bytes }) => fileId === file.id && state === 'running' && bytes > 0,
      ),
    )
    const { id } = running
    expect(await verbs.text(two, ['transfers'])).toMatch(/^ID +FILE +KIND +STATE +DONE +SIZE +SPEED +LEFT +SOURCES$/m)
    expect(await verbs.text(two, ['transfers', 'ls'])).toContain('filme.y4m')
    expect(idsOf(await verbs.json(two, ['transfers', 'ls']))).toContain(id)
    expect(await verbs.text(two, ['transfers', 'pause', id])).toBe('filme.y4m: paused')
    const { bytes } = await verbs.json(two, ['transfers', 'resume', id])
    expect(bytes).toBeGreaterThan(0)
    expect(await verbs.text(two, ['transfers', 'first', id.slice(0, 6)])).toMatch(/^filme\.y4m: \w+, goes first$/)
    expect((await verbs.json(two, ['transfers', 'first', id])).id).toBe(id)
    expect((await verbs.json(two, ['transfers', 'pause', id])).state).toBe('paused')
    const still = itemsOf(await verbs.json(two, ['transfers'])).find((each) => each.id === id)
    expect(still.state).toBe('paused')
    expect(await verbs.text(two, ['transfers', 'resume', '--all'])).toMatch(/filme\.y4m +\S+ +(running|queued)/)
    expect(idsOf(await verbs.json(two, ['transfers', 'pause', '--all']))).toContain(id)
    await verbs.text(two, ['transfers', 'resume', id])
    expect(await verbs.text(two, ['transfers', 'cancel', id])).toBe('filme.y4m: cancelled')
    await verbs.refused(two, ['transfers', 'pause', 'nothing-like-it'], 4, 'not-found')
    await verbs.refused(two, ['transfers', 'pause'], 2, 'usage')

    // what was cancelled is begun again by whoever wants the file, with what had arrived
    const again = await two.api(`/files/${file.id}/fetch`, { method: 'POST' })
    expect((await verbs.json(two, ['transfers', 'cancel', again.id])).state).toBe('cancelled')
    await two.run('limit', '--down', 'unlimited')
    const out = cluster.path('filme-2.y4m')
    await verbs.text(two, ['fetch', file.id, '-o', out])
    expect(await sha256File(out)).toBe(await sha256File(path))
  }, 120_000)
})

describe('orphans', () => {
  it('are for nobody else: assign', async () => {
    const file = await share(one, [one, two], 'com dona.txt', Buffer.from('owned'))
    await verbs.refused(one, ['assign', file.id, 'Filial 2'], 6, 'conflict')
    await verbs.refused(one, ['assign', file.id, 'Nenhuma'], 4, 'not-found')
    await verbs.refused(two, ['assign', file.id, 'Filial 2'], 5, 'not-admin')
    await verbs.refused(two, ['adopt', file.id], 5, 'not-owner')
  })

  it('are left by unregister --force, and adopted, assigned or purged', async () => {
    const files: Json[] = []
    for (const name of ['órfã 1.txt', 'órfã 2.txt', 'órfã 3.txt', 'órfã 4.txt', 'órfã 5.txt']) {
      files.push(await share(three, [three, two], name, Buffer.from(name), [['only', 'Filial 2']]))
    }
    const ids = files.map(({ id }) => id) as [string, string, string, string, string]
    await eventually('they are replicated', async () => {
      const views = await Promise.all(ids.map((id) => three.api(`/files/${id}`)))
      return views.every(({ copies }) => copies.held === 3)
    })
    await one.run('role', 'Filial 2', 'admin')
    await eventually('it is admin', async () => (await two.api('/status')).role === 'admin')
    // the only one that could take them over is away
    await two.end()
    const stays = await three.run('unregister', '--json')
    expect(stays.code, stays.stdout).toBe(6)
    expect((JSON.parse(stays.stdout) as Json).code).toBe('orphans-left')
    const left = await three.run('unregister', '--force')
    expect(left.code, left.stderr).toBe(0)
    await two.up()
    await eventually('they are orphans', async () => {
      const views = await Promise.all(ids.map((id) => two.api(`/files/${id}`)))
      return views.every(({ state }) => state === 'orphaned')
    })
    expect((await contentOf(two, ids[0])).toString()).toBe('órfã 1.txt')

    await verbs.refused(one, ['adopt', ids[0]], 4, 'not-found')
    expect(await verbs.text(two, ['adopt', 'órfã 1.txt'])).toBe('órfã 1.txt belongs to Filial 2')
    expect(await verbs.json(two, ['adopt', ids[1]])).toMatchObject({ state: 'live', owner: { branch: 'Filial 2' } })
    await verbs.refused(two, ['adopt', ids[0]], 5, 'not-owner')
    expect((await verbs.json(two, ['update', ids[0], write('n.txt', 'new')])).version).toBe(2)

    // it takes effect when the branch accepts, which it does by itself
    expect(await verbs.text(two, ['assign', ids[2], 'Filial 2'])).toMatch(/^órfã 3\.txt belongs to /)
    expect((await verbs.json(two, ['assign', ids[3], 'Filial 2'])).id).toBe(ids[3])
    await eventually('both are accepted', async () => {
      const views = await Promise.all([ids[2], ids[3]].map((id) => two.api(`/files/${id}`)))
      return views.every(({ state, owner }) => state === 'live' && owner.branch === 'Filial 2')
    })

    // an admin that cannot read an orphan can purge it, and nothing else
    await verbs.refused(one, ['rm', ids[4]], 4, 'not-found')
    await verbs.refused(one, ['rm', ids[3], '--purge'], 4, 'not-found')
    await verbs.refused(one, ['assign', ids[4], 'Filial 2'], 4, 'not-found')
    expect(await verbs.json(one, ['rm', ids[4], '--purge'])).toEqual({ id: ids[4], state: 'purged' })
    await eventually('it is gone', async () => (await two.fetch(`/files/${ids[4]}`)).status === 404)
  }, 240_000)
})

describe('all of them', () => {
  it('were run, as text and as JSON', () => {
    expect(verbs.missing()).toEqual([])
  })
})
