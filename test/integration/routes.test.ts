/** The twelve routes of the brief, on five real nodes. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { Branch as BranchProcess } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
let one: Branch, two: Branch, three: Branch, four: Branch, five: Branch
beforeAll(async () => {
  cluster = await startCluster(5)
  ;[one, two, three, four, five] = cluster.branches as [Branch, Branch, Branch, Branch, Branch]
})
afterAll(() => cluster?.close())

const problem = async (answer: Response) => {
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
  return (await answer.json()) as Json
}

describe('POST /register', () => {
  it('lets a machine with an invite in, and everybody knows it', async () => {
    const { invite } = await one.api('/invites', { method: 'POST', json: { branch: 'Filial 6' } })
    const six = new BranchProcess('Filial 6', cluster.path('b6'))
    try {
      await six.up()
      const answer = await six.fetch('/register', {
        method: 'POST',
        body: JSON.stringify({ invite, ip: two.ready?.addresses[0] }),
        headers: { 'content-type': 'application/json' },
      })
      expect(answer.status).toBe(201)
      for (const branch of cluster.branches) {
        await eventually('the newcomer is known', async () => {
          const { items } = await branch.api('/nodes')
          return items.some((node: Json) => node.branch === 'Filial 6' && node.connected)
        })
      }
      const again = await five.fetch('/register', {
        method: 'POST',
        body: JSON.stringify({ invite }),
        headers: { 'content-type': 'application/json' },
      })
      expect(again.status).toBe(409)
      expect((await problem(again)).code).toBe('already-member')
      const { done } = { done: await six.run('unregister') }
      expect(done.code).toBe(0)
      await eventually('it has left', async () => {
        const { items } = await three.api('/nodes')
        return items.some((node: Json) => node.branch === 'Filial 6' && node.state === 'left')
      })
    } finally {
      await six.end()
    }
  })
})

describe('POST /disconnect and POST /connect', () => {
  it('tell every member', async () => {
    const status = await five.api('/disconnect', { method: 'POST' })
    expect(status.connected).toBe(false)
    await eventually('five is seen offline', async () => {
      const { items } = await one.api('/nodes')
      return items.some((node: Json) => node.branch === 'Filial 5' && !node.connected)
    })
    const written = await postFile(five, 'offline.txt', Buffer.from('written while disconnected'))
    expect(written.status).toBe(201)
    const file = (await written.json()) as Json
    expect((await five.api('/connect', { method: 'POST' })).connected).toBe(true)
    await eventually('what it wrote arrives', () => one.api(`/files/${file.id}`).catch(() => false))
    expect((await contentOf(one, file.id)).toString()).toBe('written while disconnected')
  })
})

describe('POST /files and GET /files', () => {
  it('publish with all fields, in any order, and list them everywhere', async () => {
    const content = randomBytes(300_000)
    const form = new FormData()
    form.append('campaign', 'Natal')
    form.append('file', new Blob([content]), 'foto árvore.jpg')
    form.append('tag', 'foto')
    form.append('tag', 'árvore')
    form.append('name', 'Foto da árvore.jpg')
    const answer = await one.fetch('/files', { method: 'POST', body: form })
    expect(answer.status).toBe(201)
    const file = (await answer.json()) as Json
    expect(file).toMatchObject({
      name: 'Foto da árvore.jpg',
      size: 300_000,
      type: 'image/jpeg',
      version: 1,
      campaign: 'Natal',
      tags: ['foto', 'árvore'],
      audience: 'everyone',
      denied: [],
      state: 'live',
      local: 'complete',
      owner: { id: one.ready?.id, branch: 'Filial 1' },
    })
    for (const branch of cluster.branches) {
      const listed = await eventually('it is listed', async () => {
        const { items } = await branch.api('/files?campaign=Natal')
        return items.find((each: Json) => each.id === file.id)
      })
      expect(listed.name).toBe('Foto da árvore.jpg')
    }
    expect((await two.api('/files?q=%C3%A1rvore')).items.map((each: Json) => each.id)).toContain(file.id)
    expect((await two.api('/files?tag=foto')).items.map((each: Json) => each.id)).toContain(file.id)
    expect((await two.api('/files?tag=nada')).items).toEqual([])
    expect(await contentOf(four, file.id)).toEqual(content)
  })

  it('page through with a cursor', async () => {
    for (let n = 0; n < 5; n++)
      await share(two, [two], `pagina-${n}.txt`, Buffer.from(String(n)), [['campaign', 'Paginas']])
    const names: string[] = []
    let cursor = ''
    for (let page = 0; page < 10; page++) {
      const { items, next } = await two.api(
        `/files?campaign=Paginas&limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      expect(items.length).toBeLessThanOrEqual(2)
      names.push(...items.map((each: Json) => each.name))
      if (next === null) break
      cursor = next
    }
    expect(names.sort()).toEqual([0, 1, 2, 3, 4].map((n) => `pagina-${n}.txt`))
  })
})

describe('PUT /files/{id}', () => {
  it('makes a new version, which everybody gets; only the owner may', async () => {
    const file = await share(one, cluster.branches, 'layout.txt', Buffer.from('first'))
    const form = () => {
      const body = new FormData()
      body.append('file', new Blob(['second']), 'layout.txt')
      return body
    }
    const refused = await two.fetch(`/files/${file.id}`, { method: 'PUT', body: form() })
    expect(refused.status).toBe(403)
    expect((await problem(refused)).code).toBe('not-owner')
    const stale = await one.fetch(`/files/${file.id}`, { method: 'PUT', body: form(), headers: { 'if-match': '"7"' } })
    expect(stale.status).toBe(412)
    const updated = await one.fetch(`/files/${file.id}`, {
      method: 'PUT',
      body: form(),
      headers: { 'if-match': '"1"' },
    })
    expect(updated.status).toBe(200)
    expect(((await updated.json()) as Json).version).toBe(2)
    for (const branch of cluster.branches) {
      await eventually('version 2', async () => (await branch.api(`/files/${file.id}`)).version === 2)
      expect((await contentOf(branch, file.id)).toString()).toBe('second')
    }
    const versions = await two.api(`/files/${file.id}/versions`)
    expect(versions.items.map((each: Json) => each.version).sort()).toEqual([1, 2])
  })
})

describe('DELETE /files/{id}', () => {
  it('hides it everywhere, can be undone by the owner, and purges for good', async () => {
    const file = await share(one, cluster.branches, 'velho.txt', Buffer.from('old'))
    expect((await two.fetch(`/files/${file.id}`, { method: 'DELETE' })).status).toBe(403)
    expect((await one.fetch(`/files/${file.id}`, { method: 'DELETE' })).status).toBe(204)
    for (const branch of cluster.branches) {
      await eventually(
        'hidden',
        async () => !(await branch.api('/files?limit=1000')).items.some((each: Json) => each.id === file.id),
      )
    }
    expect((await one.api('/files?deleted=true')).items.map((each: Json) => each.id)).toContain(file.id)
    // what may be restored is still here
    expect(await one.api(`/files/${file.id}`)).toMatchObject({ state: 'deleted', local: 'complete' })
    // the trash is the owner's alone
    for (const path of [`/files/${file.id}`, `/files/${file.id}/content`, `/files/${file.id}/versions`])
      expect((await two.fetch(path)).status, path).toBe(404)
    expect((await two.api('/files?deleted=true')).items).toEqual([])
    const restored = await one.api(`/files/${file.id}/restore`, { method: 'POST', json: {} })
    expect(restored.state).toBe('live')
    await eventually('listed again', () =>
      two.api(`/files/${file.id}`).then(
        (each: Json) => each.state === 'live',
        () => false,
      ),
    )
    expect((await one.fetch(`/files/${file.id}?purge=true`, { method: 'DELETE' })).status).toBe(204)
    for (const branch of cluster.branches) {
      await eventually('gone', async () => (await branch.fetch(`/files/${file.id}`)).status === 404)
    }
  })
})

describe('the blacklist', () => {
  it('POST denies one, GET shows it to those who may see the file, PUT replaces, DELETE ends it', async () => {
    const file = await share(one, cluster.branches, 'segredo.txt', Buffer.from('secret'))
    const denied = await one.fetch('/files/blacklist', {
      method: 'POST',
      body: JSON.stringify({ fileId: file.id, node: 'Filial 4' }),
      headers: { 'content-type': 'application/json' },
    })
    expect(denied.status).toBe(201)
    await eventually('hidden from four', async () => (await four.fetch(`/files/${file.id}`)).status === 404)
    expect((await four.api('/files?limit=1000')).items.map((each: Json) => each.id)).not.toContain(file.id)
    await eventually('two knows the list', async () => {
      const { items } = await two.api('/files/blacklist')
      return items.some((item: Json) => item.fileId === file.id && item.node === four.ready?.id)
    })
    expect((await four.api('/files/blacklist')).items.some((item: Json) => item.fileId === file.id)).toBe(false)

    const changed = await one.api(`/files/blacklist/${file.id}`, { method: 'PUT', json: { nodes: ['Filial 5'] } })
    expect(changed.file.denied).toEqual([five.ready?.id])
    expect(changed.items).toEqual([{ fileId: file.id, node: five.ready?.id }])
    await eventually('five is denied now', async () => (await five.fetch(`/files/${file.id}`)).status === 404)
    await eventually('four sees it again', () => four.api(`/files/${file.id}`).catch(() => false))

    expect((await one.fetch(`/files/blacklist/${file.id}`, { method: 'DELETE' })).status).toBe(400)
    expect((await one.fetch(`/files/blacklist/${file.id}?all=true`, { method: 'DELETE' })).status).toBe(204)
    await eventually('five sees it again', () => five.api(`/files/${file.id}`).catch(() => false))
    expect((await contentOf(five, file.id)).toString()).toBe('secret')
  })

  it('refuses others, the owner itself, and unknown nodes and files', async () => {
    const file = await share(one, cluster.branches, 'meu.txt', Buffer.from('mine'))
    const post = (branch: Branch, fileId: string, node: string) =>
      branch.fetch('/files/blacklist', {
        method: 'POST',
        body: JSON.stringify({ fileId, node }),
        headers: { 'content-type': 'application/json' },
      })
    expect((await problem(await post(two, file.id, 'Filial 4'))).code).toBe('not-owner')
    expect((await problem(await post(one, file.id, 'Filial 1'))).code).toBe('owner-cannot-be-denied')
    expect((await post(one, file.id, 'Nenhuma')).status).toBe(404)
    expect((await post(one, 'ab'.repeat(16), 'Filial 4')).status).toBe(404)
  })

  it('works at upload, for a list and for an allow-list', async () => {
    const except = await share(one, [one, two], 'sem-tres.txt', Buffer.from('x'), [['denied', 'Filial 3']])
    expect(except).toMatchObject({ audience: 'except', denied: [three.ready?.id] })
    const only = await share(one, [one, two], 'so-dois.txt', Buffer.from('y'), [['only', 'Filial 2']])
    expect(only.audience).toBe('only')
    await cluster.settled()
    expect((await three.fetch(`/files/${except.id}`)).status).toBe(404)
    expect((await three.fetch(`/files/${only.id}/content`)).status).toBe(404)
    expect((await contentOf(two, only.id)).toString()).toBe('y')
  })
})

describe('POST /unregister', () => {
  it('hands its files on by lot, and is gone', async () => {
    const file = await share(five, cluster.branches, 'herança.txt', Buffer.from('heir'))
    expect(
      (await five.fetch('/unregister', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }))
        .status,
    ).toBe(202)
    const heir = await eventually(
      'a new owner',
      async () => {
        const { owner } = await one.api(`/files/${file.id}`)
        return owner.branch !== 'Filial 5' && owner
      },
      40_000,
    )
    expect(['Filial 1', 'Filial 2', 'Filial 3', 'Filial 4']).toContain(heir.branch)
    await eventually('left', async () =>
      (await one.api('/nodes')).items.some((node: Json) => node.branch === 'Filial 5' && node.state === 'left'),
    )
    expect((await contentOf(two, file.id)).toString()).toBe('heir')
    await eventually('five belongs to no network', async () => (await five.api('/status')).network === null)
    await five.end()
    await cluster.settled()
  })
})
