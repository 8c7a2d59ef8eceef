/** Each example is run as a program of its own, as its first lines say, and does what they promise. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Branch, foundNetwork, type Json } from '../test/support/branch.ts'
import { eventually } from '../test/support/eventually.ts'

const node = join(import.meta.dirname, '..', 'node_modules', '.bin', 'node')

interface Run {
  child: ChildProcess
  output: () => string
  errors: () => string
  code: Promise<number | null>
}

let root: string
let runs: Run[]
let branches: Branch[]
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'malote-examples-'))
  runs = []
  branches = []
})
afterEach(async () => {
  for (const { child } of runs) child.kill('SIGKILL')
  await Promise.all([...runs.map((run) => run.code), ...branches.map((branch) => branch.end())])
  rmSync(root, { recursive: true, force: true })
})

function start(name: string, ...args: string[]): Run {
  const child = spawn(node, [join(import.meta.dirname, name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (part) => (text.out += part))
  child.stderr.setEncoding('utf8').on('data', (part) => (text.err += part))
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const run = { child, code, output: () => text.out, errors: () => text.err }
  runs.push(run)
  return run
}

/** The second of two branches is where the examples look from. */
async function twoBranches(): Promise<[Branch, Branch]> {
  const pair: [Branch, Branch] = [new Branch('Recife', join(root, 'recife')), new Branch('Rio', join(root, 'rio'))]
  branches.push(...pair)
  await foundNetwork(pair)
  return pair
}

async function share(from: Branch, name: string, content: Uint8Array): Promise<string> {
  const path = join(root, name)
  writeFileSync(path, content)
  const [id] = (await from.run('upload', path, '--campaign', 'Verão')).stdout.trim().split('\n')
  return id ?? ''
}

describe('embed-a-node', () => {
  it('founds, invites, shares, fetches, stops', async () => {
    const run = start('embed-a-node.ts')
    expect(await run.code, run.errors()).toBe(0)
    expect(run.errors()).toBe('')
    // the two lines in the middle are told by two nodes, in either order
    const [founded, members, one, two, fetched, stopped, ...more] = run.output().trim().split('\n')
    expect([founded, members]).toEqual(['founded Agência Horizonte', 'members: Rio, São Paulo'])
    expect([one, two].sort()).toEqual(['Rio sees praia.jpg', 'São Paulo shared praia.jpg, 37 bytes'])
    expect([fetched, stopped, ...more]).toEqual(['Rio fetched praia.jpg: equal', 'stopped'])
  })
})

describe('watch-events', () => {
  it('tells what happened before and what happens, until it is interrupted', async () => {
    const [recife, rio] = await twoBranches()
    const before = await share(recife, 'antes.bin', randomBytes(1000))
    await eventually('Rio lists it', () => rio.api(`/files/${before}`).catch(() => false))
    const run = start('watch-events.ts', rio.data, 'file:published', 'file:hidden')
    await eventually('the first file is told', () => run.output().includes(before))
    const after = await share(recife, 'depois.bin', randomBytes(1000))
    await eventually('the second file is told', () => run.output().includes(after))
    await recife.json('blacklist', 'add', after, 'Rio')
    await eventually('the denial is told', () => run.output().includes('file:hidden'))
    run.child.kill('SIGINT')
    expect(await run.code).toBe(0)
    const [first, ...events] = run.output().trim().split('\n')
    expect(first).toBe('watching Rio')
    expect(events.pop()).toBe('stopped')
    const told = events.map((line) => /^\S+Z \d+ (file:\S+) (\{.*\})$/.exec(line)?.slice(1) ?? [line])
    expect(told.map(([type, data = 'null']) => [type, JSON.parse(data)])).toEqual([
      ['file:published', { fileId: before, name: 'antes.bin', version: 1 }],
      ['file:published', { fileId: after, name: 'depois.bin', version: 1 }],
      ['file:hidden', { fileId: after }],
    ])
  })

  it('ends when the node ends, and says when there is none', async () => {
    const [, rio] = await twoBranches()
    const run = start('watch-events.ts', rio.data)
    await eventually('it watches', () => run.output().includes('member:'))
    await rio.end()
    expect(await run.code, run.errors()).toBe(0)
    const late = start('watch-events.ts', rio.data)
    expect(await late.code).toBe(3)
    expect(late.errors()).toMatch(/^not-running: no node runs on .*malote up/)
  })
})

describe('mirror-a-campaign', () => {
  it('mirrors once, under safe names, without touching what is there', async () => {
    const [recife, rio] = await twoBranches()
    const content = randomBytes(2_500_000)
    const form = new FormData()
    form.append('name', '../../fora\u202e.png')
    form.append('campaign', 'Verão')
    form.append('file', new Blob([content]), 'x')
    const wicked: Json = await recife.api('/files', { method: 'POST', body: form })
    const plain = await share(recife, 'praia.png', content.subarray(0, 1000))
    await recife.run('upload', join(root, 'praia.png'), '--campaign', 'Inverno')
    for (const id of [wicked.id, plain])
      await eventually('Rio lists it', () => rio.api(`/files/${id}`).catch(() => false))
    const target = join(root, 'mirror')
    mkdirSync(target)
    writeFileSync(join(target, 'PRAIA.PNG'), 'mine')

    const run = start('mirror-a-campaign.ts', rio.data, 'Verão', target, '--once')
    expect(await run.code, run.errors()).toBe(0)
    expect(readdirSync(target).sort()).toEqual(['.mirror.json', 'PRAIA.PNG', '_._.._fora.png', 'praia (2).png'])
    expect(readFileSync(join(target, '_._.._fora.png')).equals(content)).toBe(true)
    expect(readFileSync(join(target, 'praia (2).png')).equals(content.subarray(0, 1000))).toBe(true)
    expect(readFileSync(join(target, 'PRAIA.PNG'), 'utf8')).toBe('mine')

    const again = start('mirror-a-campaign.ts', rio.data, 'Verão', target, '--once')
    expect(await again.code, again.errors()).toBe(0)
    expect(again.output()).toBe('up to date\n')
  })

  it('follows what is shared, updated, denied and deleted', async () => {
    const [recife, rio] = await twoBranches()
    const poster = await share(recife, 'cartaz.png', randomBytes(5000))
    const film = await share(recife, 'filme.mp4', randomBytes(5000))
    for (const id of [poster, film]) await eventually('Rio lists it', () => rio.api(`/files/${id}`).catch(() => false))
    const target = join(root, 'mirror')
    const run = start('mirror-a-campaign.ts', rio.data, 'Verão', target)
    await eventually('the first pass', () => run.output().includes('up to date'))
    expect(readdirSync(target).sort()).toEqual(['.mirror.json', 'cartaz.png', 'filme.mp4'])

    await share(recife, 'novo.png', randomBytes(5000))
    await eventually('the new file', () => existsSync(join(target, 'novo.png')))
    const second = join(root, 'v2.png')
    writeFileSync(second, 'the second version')
    await recife.json('update', poster, second)
    await eventually('the new version', () => readFileSync(join(target, 'cartaz.png'), 'utf8') === 'the second version')
    await recife.json('blacklist', 'add', film, 'Rio')
    await eventually('the denied file goes', () => !existsSync(join(target, 'filme.mp4')))
    await recife.run('rm', poster)
    await eventually('the deleted file goes', () => !existsSync(join(target, 'cartaz.png')))
    run.child.kill('SIGTERM')
    expect(await run.code, run.errors()).toBe(0)
    expect(readdirSync(target).sort()).toEqual(['.mirror.json', 'novo.png'])
  })
})
