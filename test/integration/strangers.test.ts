/** Who does not belong, or belongs no more: a bare libp2p node against a real network. */
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Connection } from '@libp2p/interface'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeRequest as encodeKeysRequest } from '../../packages/core/src/catalogue/keys-format.ts'
import { decodeCbor, encodeCbor, encodeFrame, FrameDecoder } from '../../packages/core/src/codec/index.ts'
import { encodeBoxRequest } from '../../packages/core/src/content/boxes-protocol.ts'
import { BUCKET_HASH_BYTES, BUCKETS } from '../../packages/core/src/ledger/heads.ts'
import { encodeSyncFrame } from '../../packages/core/src/ledger/sync-frames.ts'
import { encodePresence } from '../../packages/core/src/network/presence-messages.ts'
import { encodeRequest as encodeTransferRequest } from '../../packages/core/src/transfer/protocol.ts'
import { Branch, type Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import {
  type Delimiter,
  FORMS,
  type Form,
  HANDLED,
  protocolsOf,
  tryForm,
  tryLane,
  tryPort,
} from '../support/hostile-frames.ts'
import { ask, type Stranger, startStranger, untilClosed } from '../support/stranger.ts'

/** The grace of a stranger that does not register, the deadline of a handshake, and what the machine may add. */
const PATIENCE_MS = 10_000 + 5_000
/** For what a member does not finish: 30 s, and what the machine may add. */
const MEMBER_PATIENCE_MS = 30_000 + 15_000
const IDENTIFY = '/ipfs/id/1.0.0'
/** Our own protocols, by their names. */
const OURS = /^\/malote\/[0-9a-f]{16}\/([a-z]+)\/1$/
const HOP = '/libp2p/circuit/relay/0.2.0/hop'
/** HopMessage of 2 bytes {type: RESERVE} */
const RESERVE = Uint8Array.of(2, 8, 0)

let cluster: Cluster
let one: Branch, two: Branch, three: Branch
let network: string
beforeAll(async () => {
  cluster = await startCluster(3)
  ;[one, two, three] = cluster.branches as [Branch, Branch, Branch]
  network = (await one.api('/status')).network.id
  await one.end()
  await one.up(['--relay'])
  await eventually('all see each other', async () => {
    const views = await Promise.all(cluster.branches.map((branch) => branch.api('/nodes')))
    return views.every((view) => view.items.every((node: Json) => node.connected))
  })
  await share(one, cluster.branches, 'campanha secreta.txt', Buffer.from('secret'))
  await cluster.settled()
}, 120_000)
afterAll(() => cluster?.close())

const hello = { v: 1, addresses: [], version: '0', run: new Uint8Array(16), since: 0 }
const protocol = (name: string) => `/malote/${network.slice(0, 16)}/${name}/1`
const addressOf = (branch: Branch) => branch.ready?.addresses[0] as string
const portOf = (branch: Branch) => Number(/\/tcp\/(\d+)/.exec(addressOf(branch))?.[1])

/** One right question for each protocol: a member gets an answer to every one of them. */
function questions(): [protocol: string, message: Uint8Array][] {
  const root = readdirSync(join(one.data, 'network', 'store'), { recursive: true })
    .map((name) => /([0-9a-f]{64})\.sealed$/.exec(String(name))?.[1])
    .find((name) => name !== undefined)
  const framed = (name: string, message: Uint8Array): [string, Uint8Array] => [protocol(name), encodeFrame(message)]
  return [
    framed('presence', encodePresence({ t: 'hello', ...hello, ms: Date.now() })),
    framed('facts', encodeCbor({ v: 1, start: 0, counter: 0 })),
    framed('ledger', encodeSyncFrame({ type: 'ask', buckets: new Uint8Array(BUCKETS * BUCKET_HASH_BYTES) })),
    framed('boxes', encodeBoxRequest(['ab'.repeat(32) as Parameters<typeof encodeBoxRequest>[0][number]])),
    framed('keys', encodeKeysRequest({ ask: [[randomBytes(16), randomBytes(16)]] })),
    framed('transfer', encodeTransferRequest({ t: 'open', root: Buffer.from(root ?? '', 'hex'), urgent: false })),
    [protocol('dht'), Uint8Array.of(2, 8, 5)], // length, then the protobuf of a ping
    ['/ipfs/ping/1.0.0', randomBytes(32)],
  ]
}

async function askAll(branch: Branch, stranger: Stranger): Promise<Record<string, number>> {
  const heard: Record<string, number> = {}
  for (const [name, message] of questions()) {
    // a connection each: a stranger's is closed when it has done nothing useful
    const connection = await stranger.dial(addressOf(branch))
    const { bytes } = await ask(connection, name, message, { untilAnswered: true })
    heard[name.replace(`/malote/${network.slice(0, 16)}/`, '')] = bytes.length
    await connection.close()
  }
  return heard
}

const names = (heard: Record<string, number>, isAnswered: boolean) =>
  Object.keys(heard).filter((name) => (heard[name] as number) > 0 === isAnswered)

/** Peak of the resident memory since the start, MiB: the kernel's own mark. */
function peakMemory(branch: Branch): number {
  const status = readFileSync(`/proc/${branch.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

async function digests(): Promise<string[]> {
  return Promise.all(
    cluster.branches.map(async (branch) => {
      const { entries, state } = await branch.api('/ledger/digest')
      return `${entries}/${state}`
    }),
  )
}

/** The members go on as if nobody had been there. */
async function expectUnaffected(before: string[]): Promise<void> {
  for (const branch of cluster.branches) {
    const times: number[] = []
    for (let n = 0; n < 15; n++) {
      const began = performance.now()
      const status = await branch.api('/status')
      times.push(performance.now() - began)
      expect(status.members).toEqual({ total: 3, connected: 3 })
    }
    expect(times.sort((a, b) => a - b)[7], `${branch.name}: median of status, ms`).toBeLessThan(300)
    expect(peakMemory(branch), `${branch.name}: memory, MiB`).toBeLessThan(300)
  }
  expect(await digests()).toEqual(before)
}

/** What a stranger may hear, whatever it says: that registering failed, what the handshake says, and a relay's refusal. */
function expectNothingTold(name: string, protocol: string, bytes: Buffer): void {
  if (protocol === 'register') {
    const [frame] = new FrameDecoder(1024).push(bytes)
    if (frame !== undefined) expect([name, decodeCbor(frame, 1024)]).toEqual([name, { t: 'error', code: 'timeout' }])
  } else if (protocol === IDENTIFY) expect([name, secretsIn(bytes)]).toEqual([name, []])
  else expect([name, bytes.length]).toEqual([name, protocol === HOP ? Math.min(bytes.length, 6) : 0])
}

const secretsIn = (bytes: Buffer) =>
  ['Rede de teste', 'Filial', network, two.ready?.id, three.ready?.id].filter((each) => bytes.includes(each as string))

const tried = (name: string, form: Form) => ({
  form,
  protocol: name.startsWith('/') ? name : protocol(name),
  delimiter: HANDLED[name] as Delimiter,
})

/** Members see each other's files meanwhile, and nothing has gone wrong that nobody awaits. */
async function expectServed(branches = [one, two]): Promise<void> {
  const [from, to] = branches as [Branch, Branch]
  const content = `meanwhile ${randomBytes(4).toString('hex')}`
  const { id } = await share(from, [to], `${content}.txt`, Buffer.from(content))
  expect((await contentOf(to, id)).toString()).toBe(content)
  for (const branch of branches) {
    expect(peakMemory(branch), `${branch.name}: memory, MiB`).toBeLessThan(300)
    expect(branch.log, branch.name).not.toMatch(/^\s+at |unhandled|uncaught/im)
  }
}

describe('a stranger', () => {
  let stranger: Stranger
  beforeAll(async () => {
    stranger = await startStranger()
  })
  afterAll(() => stranger?.stop())

  it('is answered on no protocol of the network, nor on libp2p’s own', async () => {
    for (const branch of [one, two]) expect(names(await askAll(branch, stranger), true)).toEqual([])
    for (const id of ['/malote/autonat/1.0.0', '/libp2p/autonat/1.0.0', '/libp2p/circuit/relay/0.2.0/stop']) {
      const heard = await ask(await stranger.dial(addressOf(one)), id, Uint8Array.of(2, 8, 0))
      expect(heard.bytes.length, id).toBe(0)
      expect(heard.ending, id).not.toBe('open')
    }
  })

  it('may try to register, and learns nothing by it', async () => {
    const connection = await stranger.dial(addressOf(one))
    const hello = encodeFrame(encodeCbor({ v: 1, invite: randomBytes(32) }))
    const { bytes } = await ask(connection, protocol('register'), hello)
    const [answer] = new FrameDecoder(1024).push(bytes)
    expect(decodeCbor(answer as Uint8Array, 1024)).toEqual({ t: 'error', code: 'invite-invalid' })
    expect(await untilClosed(connection, PATIENCE_MS)).toBeLessThan(PATIENCE_MS)
  })

  it('is told at the handshake who it talks to, and of nobody else', async () => {
    const { bytes } = await ask(await stranger.dial(addressOf(one)), IDENTIFY, new Uint8Array(0))
    expect(bytes.length).toBeGreaterThan(0)
    expect(secretsIn(bytes)).toEqual([])
    for (const other of [two, three]) expect(bytes.includes(String(portOf(other)))).toBe(false)
  })

  it('gets no reservation at a relay, and no circuit to whom it likes', async () => {
    const { bytes } = await ask(await stranger.dial(addressOf(one)), HOP, RESERVE, { untilAnswered: true })
    // HopMessage of 5 bytes {type: STATUS, status: PERMISSION_DENIED (202)}: no reservation, no voucher, no address
    expect([...bytes]).toEqual([5, 8, 2, 0x28, 0xca, 0x01])
  })
})

describe('hostile peers', () => {
  let before: string[]
  beforeAll(async () => {
    before = await digests()
  })

  async function withStranger(act: (connection: Connection) => Promise<void>): Promise<void> {
    const stranger = await startStranger()
    try {
      await act(await stranger.dial(addressOf(one)))
    } finally {
      await stranger.stop()
    }
  }

  it('there is no protocol that they were not tried on', async () => {
    await withStranger(async (connection) => {
      const names = (await protocolsOf(connection)).map((id) => id.replace(OURS, '$1'))
      expect(names.sort()).toEqual(Object.keys(HANDLED).sort())
    })
  })

  it('too much, too little, and never the end, on every protocol', async () => {
    const strangers: Stranger[] = []
    try {
      const tries = FORMS.flatMap((form) => [
        { form, names: Object.keys(HANDLED).filter((name) => name !== 'register') },
        // whoever has tried to register in vain is sent away
        { form, names: ['register'] },
      ]).map(async ({ form, names }) => {
        const stranger = await startStranger()
        strangers.push(stranger)
        const connection = await stranger.dial(addressOf(one))
        const outcomes = names.map(async (name) => {
          const outcome = await tryForm(connection, { ...tried(name, form), deadlineMs: PATIENCE_MS })
          return { name: `${name}, ${form}`, protocol: name, ...outcome }
        })
        const all = await Promise.all(outcomes)
        await untilClosed(connection, PATIENCE_MS)
        return all
      })
      const [outcomes] = await Promise.all([Promise.all(tries), expectServed()])
      for (const { name, protocol, bytes, afterMs } of outcomes.flat()) {
        expect([name, afterMs === null]).toEqual([name, false])
        expectNothingTold(name, protocol, bytes)
      }
    } finally {
      await Promise.all(strangers.map((stranger) => stranger.stop()))
    }
    await cluster.settled()
    before = await digests()
    await expectUnaffected(before)
  }, 90_000)

  it('the same where a lane might begin', async () => {
    const forms = [...FORMS, 'noise'] as const
    const outcomes = await Promise.all(forms.map((form) => tryPort(portOf(one), form, PATIENCE_MS)))
    // nobody is awaited: not even a word of TLS
    for (const [at, { bytes, afterMs }] of outcomes.entries())
      expect([forms[at], bytes.length, afterMs === null]).toEqual([forms[at], 0, false])
    await expectUnaffected(before)
  }, 60_000)

  it('small frames without end are too many bytes at some point', async () => {
    await withStranger(async (connection) => {
      const stream = await connection.newStream(protocol('register'))
      const frame = encodeFrame(randomBytes(1000))
      let sent = 0
      while (stream.status === 'open' && sent < 64 * 1024 * 1024) {
        stream.send(frame)
        sent += frame.length
        if (stream.writableNeedsDrain)
          await Promise.race([stream.onDrain(), new Promise((next) => setTimeout(next, 50))])
        else await new Promise(setImmediate)
      }
      expect(stream.status).not.toBe('open')
      await untilClosed(connection, PATIENCE_MS)
    })
    await expectUnaffected(before)
  })

  it('garbage instead of a handshake, and instead of messages', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(portOf(one))))
    for (const socket of sockets) socket.write(randomBytes(1024 * 1024))
    await Promise.all(sockets.map((socket) => untilGone(socket, PATIENCE_MS)))
    for (let n = 0; n < 5; n++) {
      await withStranger(async (connection) => {
        const heard = await ask(connection, protocol('register'), encodeFrame(randomBytes(500)))
        expect(heard.bytes.length).toBe(0)
        await untilClosed(connection, PATIENCE_MS)
      })
    }
    await expectUnaffected(before)
  }, 120_000)

  it('a hundred half-open connections', async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => openSocket(portOf(one))))
    await expectUnaffected(before)
    await Promise.all(sockets.map((socket) => untilGone(socket, PATIENCE_MS)))
    await expectUnaffected(before)
  }, 90_000)

  it('a hundred strangers that stay, and talk where nobody listens', async () => {
    const strangers = await Promise.all(Array.from({ length: 100 }, () => startStranger()))
    try {
      const connections: Connection[] = []
      for (const stranger of strangers) {
        const connection = await stranger.dial(addressOf(one)).catch(() => undefined)
        if (connection !== undefined) connections.push(connection)
      }
      // the last step of a handshake is ours: who is refused finds out a moment later
      await expectUnaffected(before)
      const open = connections.filter(({ status }) => status === 'open')
      expect(open.length).toBeLessThanOrEqual(64)
      await Promise.all(open.map((connection) => flood(connection, IDENTIFY, 6 * 1024 * 1024)))
      await Promise.all(connections.map((connection) => untilClosed(connection, 2 * PATIENCE_MS)))
    } finally {
      await Promise.all(strangers.map((stranger) => stranger.stop()))
    }
    await expectUnaffected(before)
  }, 120_000)

  it('and the network still takes in whoever is invited', async () => {
    const guest = await registerGuest('Recém-chegada')
    try {
      await cluster.settled()
      expect((await guest.run('unregister')).code).toBe(0)
    } finally {
      await guest.end()
    }
  }, 90_000)
})

describe('a quarantined and then expelled member', () => {
  let guest: Branch
  let id: string
  let missed: Json
  beforeAll(async () => {
    guest = await registerGuest('Visitante')
    id = guest.ready?.id as string
    await cluster.settled()
    await guest.end()
  }, 60_000)
  afterAll(() => guest?.end())

  const asGuest = async (act: (stranger: Stranger) => Promise<void>) => {
    const stranger = await startStranger(guest.data)
    expect(stranger.id).toBe(id)
    try {
      await act(stranger)
    } finally {
      await stranger.stop()
    }
  }
  const stateOf = async (branch: Branch) =>
    (await branch.api('/nodes')).items.find((node: Json) => node.id === id)?.state as string
  const everywhere = (state: string) =>
    eventually(`it is ${state} everywhere`, async () => {
      const states = await Promise.all([one, two, three].map(stateOf))
      return states.every((each) => each === state)
    })

  it('is answered on every protocol while it is a member', async () => {
    await asGuest(async (stranger) => {
      expect(names(await askAll(one, stranger), false)).toEqual([])
      const { bytes } = await ask(await stranger.dial(addressOf(one)), HOP, RESERVE)
      expect(bytes.length, 'a reservation, with the addresses of the relay').toBeGreaterThan(100)
    })
  })

  it('gets no chunks, boxes or keys in quarantine, and knows why', async () => {
    missed = await share(one, [one, two, three], 'enquanto fora.txt', Buffer.from('written while it was away'))
    expect((await one.run('quarantine', 'Visitante')).code).toBe(0)
    await everywhere('quarantined')
    await asGuest(async (stranger) => {
      for (const branch of [one, two]) {
        expect(names(await askAll(branch, stranger), true)).toEqual(['presence/1', 'ledger/1'])
      }
    })
    const later = await share(one, [one, two, three], 'durante.txt', Buffer.from('written in quarantine'))
    await guest.up()
    const status = await eventually('it learns of its quarantine', async () => {
      const found = await guest.api('/status')
      return found.warnings.some((each: Json) => each.code === 'quarantined') && found
    })
    expect(status.network.id).toBe(network)
    await eventually('its ledger is complete', async () => {
      const [mine, theirs] = await Promise.all([guest, one].map((branch) => branch.api('/ledger/digest')))
      return mine.entries === theirs.entries && mine.state === theirs.state
    })
    for (const file of [missed, later]) {
      expect((await guest.fetch(`/files/${file.id}`)).status).toBe(404)
      expect((await guest.run('fetch', file.id, '-o', cluster.path('none.txt'))).code).toBe(4)
    }
    const refused = await guest.run('upload', join(guest.data, 'identity'), '--json')
    expect(refused.code).toBe(5)
    expect((JSON.parse(refused.stdout) as Json).code).toBe('quarantined')
  }, 90_000)

  it('gets them when it is released', async () => {
    expect((await one.run('release', 'Visitante')).code).toBe(0)
    await eventually('it sees what it missed', () => guest.api(`/files/${missed.id}`).catch(() => false))
    expect((await contentOf(guest, missed.id)).toString()).toBe('written while it was away')
    expect((await guest.api('/status')).warnings.map((each: Json) => each.code)).not.toContain('quarantined')
  }, 60_000)

  it('is gone for all at once when the only admin expels it', async () => {
    const outcome = await one.json('expel', 'Visitante')
    expect(outcome.waitsFor).toBeNull()
    await everywhere('expelled')
    await eventually('nobody talks to it', async () => {
      const views = await Promise.all([one, two, three].map((branch) => branch.api('/nodes')))
      const seen = views.some(({ items }) => items.some((node: Json) => node.id === id && node.connected))
      return !seen && (await guest.api('/status')).members.connected <= 1
    })
    const before = await digests()
    const after = await share(one, [one, two, three], 'depois.txt', Buffer.from('not for the expelled'))
    expect(await digests()).not.toEqual(before)
    await guest.end()
    await guest.up()
    await asStartedAgain(guest, after.id)
    await guest.end()
    await asGuest(async (stranger) => {
      const connection = await stranger.dial(addressOf(two)).catch(() => undefined)
      if (connection !== undefined) await untilClosed(connection, PATIENCE_MS)
    })
  }, 90_000)
})

describe('a member that is expelled while it says nonsense', () => {
  it('is cut off in the middle of all of it, and then not heard on any protocol', async () => {
    const guest = await registerGuest('De saída')
    await cluster.settled()
    await guest.end()
    const names = Object.keys(HANDLED)
    const hostile = await startStranger(guest.data)
    try {
      const connections = await Promise.all([one, two].map((branch) => hostile.dial(addressOf(branch))))
      for (const connection of connections) {
        const { bytes } = await ask(connection, '/ipfs/ping/1.0.0', randomBytes(32), { untilAnswered: true })
        expect(bytes.length, 'answered as a member').toBe(32)
      }
      const slow = connections.flatMap((connection) =>
        names.map(async (name) => {
          const outcome = await tryForm(connection, { ...tried(name, 'endless'), deadlineMs: MEMBER_PATIENCE_MS })
          return { name, ...outcome }
        }),
      )
      expect((await one.json('expel', 'De saída')).waitsFor).toBeNull()
      const began = performance.now()
      await Promise.all(connections.map((connection) => untilClosed(connection, PATIENCE_MS)))
      // a member is given 30 s for what it does not finish
      for (const { name, afterMs } of await Promise.all(slow)) expect([name, afterMs === null]).toEqual([name, false])
      expect(performance.now() - began).toBeLessThan(PATIENCE_MS)

      const told = [one, two].flatMap((branch) =>
        FORMS.map(async (form) => {
          const connection = await hostile.dial(addressOf(branch)).catch(() => undefined)
          if (connection === undefined) return []
          return await Promise.all(
            names.map(async (name) => {
              const outcome = await tryForm(connection, { ...tried(name, form), deadlineMs: PATIENCE_MS })
              return { name: `${name}, ${form}`, ...outcome }
            }),
          )
        }),
      )
      for (const { name, bytes, afterMs } of (await Promise.all(told)).flat())
        expect([name, bytes.length, afterMs === null]).toEqual([name, 0, false])
      await expectServed()
    } finally {
      await hostile.stop()
      await guest.end()
    }
  }, 90_000)
})

describe('a member that has left', () => {
  it('does not come back with its old key, nor with a copy of its whole folder', async () => {
    const former = await registerGuest('Antiga')
    const id = former.ready?.id
    const known = await share(one, [one, two, three, former], 'antes.txt', Buffer.from('it could read this'))
    await former.end()
    const key = cluster.path('old-key')
    const copy = cluster.path('old-folder')
    mkdirSync(key)
    cpSync(join(former.data, 'identity'), join(key, 'identity'))
    cpSync(former.data, copy, { recursive: true })
    const guests = [former]
    try {
      await former.up()
      expect((await former.run('unregister')).code).toBe(0)
      expect((await former.api('/status')).id).not.toBe(id)
      await former.end()
      await eventually('it has left', async () => {
        const views = await Promise.all([one, two, three].map((branch) => branch.api('/nodes')))
        return views.every(({ items }) => items.some((node: Json) => node.id === id && node.state === 'left'))
      })
      await cluster.settled()
      const before = await digests()
      const after = await share(one, [one, two, three], 'sem ela.txt', Buffer.from('not for who has left'))

      const withKey = new Branch('Antiga', key)
      guests.push(withKey)
      expect((await withKey.up()).id).toBe(id)
      const { stdout: invite } = await one.run('invite', '--branch', 'Antiga')
      const refused = await withKey.run('register', invite.trim(), '--json')
      expect(refused.code).not.toBe(0)
      expect((JSON.parse(refused.stdout) as Json).code).not.toBe('internal')
      expect((await withKey.api('/status')).network).toBeNull()
      await withKey.end()

      const withFolder = new Branch('Antiga', copy)
      guests.push(withFolder)
      expect((await withFolder.up()).id).toBe(id)
      await asStartedAgain(withFolder, after.id)
      // what it reads it had before, and what it writes nobody takes
      expect((await withFolder.api(`/files/${known.id}`)).name).toBe('antes.txt')
      expect(await digests()).not.toEqual(before)
      expect(new Set(await digests()).size).toBe(1)
    } finally {
      await Promise.all(guests.map((guest) => guest.end()))
    }
  }, 120_000)
})

describe('a member that does not make sense', () => {
  const addressesOf = () => new Map([one, two, three].map((branch) => [branch, addressOf(branch)]))
  const framed = Object.keys(HANDLED).filter((name) => HANDLED[name] === 'frame')
  const others = Object.keys(HANDLED).filter((name) => HANDLED[name] !== 'frame')
  let addresses: ReturnType<typeof addressesOf>
  beforeAll(() => {
    addresses = addressesOf()
  })

  /** How often a branch says this of exchanges of that protocol. */
  const told = (branch: Branch, name: string, by: string, what = '') =>
    branch.log.split(`${name} with ${by} ended: ${what}`).length - 1

  async function asMember(branch: Branch, act: (dial: (to: Branch) => Promise<Connection>) => Promise<void>) {
    const member = await startStranger(branch.data)
    try {
      await act((to) => member.dial(addresses.get(to) as string))
    } finally {
      await member.stop()
    }
  }

  it('and leaves off in the middle of everything is not waited for', async () => {
    await three.end()
    await asMember(three, async (dial) => {
      const [at, beside] = [await dial(one), await dial(two)]
      const deadlineMs = MEMBER_PATIENCE_MS
      const attempt = async (to: Connection, name: string, form: Form) => {
        const { afterMs } = await tryForm(to, { ...tried(name, form), deadlineMs })
        return [`${name}, ${form}`, afterMs !== null] as const
      }
      const slow = ['endless', 'silent'] as const
      const port = portOf(one)
      const lane = async (form: Form) => {
        const { afterMs } = await tryLane(at, { protocol: protocol('lane'), port, form, deadlineMs })
        return [`over a lane, ${form}`, afterMs !== null] as const
      }
      /** a ticket is out, so TLS is begun with whoever comes */
      const stranger = async (form: Form | 'noise') => {
        const { bytes, afterMs } = await tryPort(port, form, deadlineMs)
        // at most the alert that it was no handshake
        return [`on the port, ${form}`, afterMs !== null && bytes.length <= 7] as const
      }
      const outcomes = await Promise.all([
        ...slow.flatMap((form) =>
          framed.filter((name) => name !== 'presence' && name !== 'register').map((name) => attempt(at, name, form)),
        ),
        // who is silent there is cut off with all that it has
        ...slow.map((form) => attempt(beside, 'presence', form)),
        attempt(at, 'register', 'endless'),
        attempt(beside, 'register', 'silent'),
        // of most of them one stream at a time
        ...others.map(async (name) => {
          const outcomes: (string | boolean)[] = []
          const forms = ['oversized', 'cut', 'endless'] as const
          for (const form of forms) outcomes.push(...(await attempt(at, name, form)))
          return outcomes
        }),
        ...others.map((name) => attempt(name === HOP ? at : beside, name, 'silent')),
        lane('silent').then(async (first) => {
          const more = (['endless', 'cut'] as const).map(lane)
          return [...first, ...(await Promise.all([...more, ...[...FORMS, 'noise' as const].map(stranger)])).flat()]
        }),
        expectServed().then(() => ['served meanwhile', true]),
      ])
      expect(outcomes.flat().filter((each) => each !== true && typeof each !== 'string')).toEqual([])
      expect(outcomes.flat(), 'ended').not.toContain(false)
      // each by its own deadline
      for (const name of framed.filter((each) => each !== 'presence' && each !== 'register'))
        expect(told(one, name, three.ready?.id as string), name).toBeGreaterThanOrEqual(2)
    })
    await expectServed()
  }, 120_000)

  it('is heard four times, and then no more', async () => {
    // four of these each, from one member to another
    const cases = (['oversized', 'cut'] as const).flatMap((form) => framed.map((name) => ({ name, form })))
    const send = async (from: Branch, to: Branch, dial: (to: Branch) => Promise<Connection>) => {
      const connection = await dial(to)
      for (const { name, form } of cases.splice(0, 4)) {
        const what = form === 'cut' ? 'the stream ended inside a frame' : 'frame of 4294967295 bytes'
        const before = told(to, name, from.ready?.id as string, what)
        const { afterMs } = await tryForm(connection, { ...tried(name, form), deadlineMs: PATIENCE_MS })
        expect([name, form, afterMs === null]).toEqual([name, form, false])
        await eventually(`${name}: ${what}`, () => told(to, name, from.ready?.id as string, what) > before)
        expect([name, form, connection.status]).toEqual([name, form, 'open'])
      }
      return connection
    }
    await asMember(three, async (dial) => {
      for (const to of [one, two]) await send(three, to, dial)
    })
    await three.up()
    addresses = addressesOf()
    await expectServed([one, three])
    await two.end()
    await asMember(two, async (dial) => {
      await send(two, three, dial)
      const connection = await send(two, one, dial)
      expect(cases).toEqual([])
      const init = {
        protocol: protocol('lane'),
        port: portOf(one),
        form: 'oversized',
        deadlineMs: PATIENCE_MS,
      } as const
      expect((await tryLane(connection, init)).afterMs).not.toBeNull()
      await untilClosed(connection, PATIENCE_MS)
      const again = await dial(one).catch(() => undefined)
      if (again !== undefined) await untilClosed(again, PATIENCE_MS)
    })
    await expectServed([one, three])
  }, 120_000)
})

async function registerGuest(name: string): Promise<Branch> {
  const guest = new Branch(name, cluster.path(name))
  await guest.up()
  const { stdout } = await one.run('invite', '--branch', name)
  await guest.json('register', stdout.trim())
  return guest
}

/** Started on a folder that still believes to belong: nobody lets it in, it learns nothing new, nobody takes what it writes. */
async function asStartedAgain(outsider: Branch, unknownFile: string): Promise<void> {
  const before = await digests()
  const written = new FormData()
  written.append('file', new Blob(['from outside']), 'de fora.txt')
  await outsider.fetch('/files', { method: 'POST', body: written }).then((answer) => answer.arrayBuffer())
  // longer than its first tries to reach each member take
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  expect((await outsider.api('/status')).members.connected).toBeLessThanOrEqual(1)
  expect((await outsider.fetch(`/files/${unknownFile}`)).status).toBe(404)
  expect(await digests()).toEqual(before)
}

/** Sends that much without waiting to be heard; less where the other side ends it. */
async function flood(connection: Connection, id: string, bytes: number): Promise<void> {
  const stream = await connection.newStream(id)
  const part = randomBytes(64 * 1024)
  for (let sent = 0; sent < bytes && stream.status === 'open'; sent += part.length) {
    stream.send(part)
    await new Promise(setImmediate)
  }
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject) // after it has opened, an error is an end like any other
    socket.resume()
  })
}

function untilGone(socket: Socket, deadlineMs: number): Promise<void> {
  if (socket.closed) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`still connected after ${deadlineMs} ms`)), deadlineMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
