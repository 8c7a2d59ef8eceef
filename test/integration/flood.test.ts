/** A thousand connections a second that never become anything: the members go on. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const PER_SECOND = 1_000
const MIB = 1024 * 1024
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0', '--listen', '/ip4/127.0.0.1/udp/0/quic-v1']

let cluster: Cluster
let one: Branch, two: Branch
let flood: ChildProcess | undefined
beforeAll(async () => {
  cluster = await startCluster(2, { flags: LISTEN })
  ;[one, two] = cluster.branches as [Branch, Branch]
})
afterAll(async () => {
  flood?.kill('SIGKILL')
  await cluster?.close()
})

const portOf = (branch: Branch, transport: 'tcp' | 'udp') =>
  new RegExp(`/${transport}/(\\d+)`).exec(branch.ready?.addresses.join(' ') ?? '')?.[1] ?? ''
const openFiles = (branch: Branch) => readdirSync(`/proc/${branch.pid}/fd`).length
const status = (branch: Branch, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${branch.pid}/status`, 'utf8'))?.[1])

describe('a thousand half-open connections a second, by TCP and by UDP', () => {
  it('keep no member out, and cost bounded memory', async () => {
    const program = join(import.meta.dirname, '..', 'support', 'flood.ts')
    const node = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node')
    const args = [program, portOf(one, 'tcp'), '127.0.0.2', String(PER_SECOND), portOf(one, 'udp')]
    expect(args).not.toContain('')
    flood = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    if (flood.stdout === null) throw new Error('no output')
    let opened = 0
    createInterface(flood.stdout).on('line', (line) => {
      opened = Number(line)
    })
    await eventually('it has begun', () => opened > PER_SECOND)

    // who is connected goes on
    const content = randomFillSync(Buffer.alloc(16 * MIB))
    const { id } = await share(one, [two], 'no meio da enchente.mov', content)
    expect((await contentOf(two, id)).equals(content)).toBe(true)

    // who comes now gets in
    await two.end('SIGKILL')
    await two.up(LISTEN)
    await eventually('it is connected again', async () => {
      const views = await Promise.all([one, two].map((branch) => branch.api('/nodes')))
      return views.every(({ items }) => items.every(({ connected }: Json) => connected))
    })
    const before = opened
    await eventually('thousands came meanwhile', () => opened >= Math.max(before, 6 * PER_SECOND))
    expect(flood.exitCode).toBeNull()
    // those without a handshake, the databases, the store
    expect(openFiles(one)).toBeLessThan(800)
    expect(status(one, 'VmHWM') / 1024, 'memory, MiB').toBeLessThan(300)
    const ended = once(flood, 'exit')
    flood.kill('SIGKILL')
    await ended
    await eventually('nothing of it is left', () => openFiles(one) < 150)
    expect(one.log).not.toMatch(/unhandled|uncaught/i)
  })
})
