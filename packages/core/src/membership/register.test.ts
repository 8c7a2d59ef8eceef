/** Both sides of `register` over real connections on loopback, with real entries. */
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../clock.ts'
import { decodeCbor, encodeCbor } from '../codec/index.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/index.ts'
import { codeOf, MaloteError } from '../errors.ts'
import { type EntryId, feedIncarnation, idBytes, idFrom, type NetworkId, type NodeId } from '../ids.ts'
import { decodeEntry, isCosigned, isSigned, makeEntry } from '../ledger/entry.ts'
import { foldControl, frontier } from '../ledger/order.ts'
import type { Entry } from '../ledger/types.ts'
import type { FrameStream } from '../network/index.ts'
import { startTestHost, type TestHost } from '../network/testing.ts'
import { systemRandom } from '../random.ts'
import { type AppendControl, type Commands, createCommands, foundBody } from './commands.ts'
import type { Cuts } from './draft.ts'
import { parseInvite } from './invite.ts'
import { newRecoveryKey } from './recovery.ts'
import { type AdmitterInit, serveRegister } from './register-admit.ts'
import { type Admitted, createJoiner } from './register-join.ts'
import { JOINER_FRAME_BYTES, MEMBER_FRAME_BYTES, type SignedEntry, signKnock } from './register-messages.ts'
import { createFold, type MembershipFold } from './rules.ts'
import type { MembershipState } from './types.ts'

const started: TestHost[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ host }) => host.stop()))
})

/** Whoever tries again in a test has waited long enough: each look at the clock is a minute later. */
class PatientClock implements Clock {
  offset = 0
  now = () => Date.now() + this.offset
  after = systemClock.after
}

function fold(entries: readonly Entry[]): MembershipState {
  return foldControl<MembershipFold, Entry>({
    entries,
    initial: createFold(),
    apply: (running, entry) => running.apply(entry),
    rank: (running, entry) => running.rank(entry),
  }).state.state()
}

function verifiedFold(network: NetworkId, signed: readonly SignedEntry[]): MembershipState {
  const entries = signed.map((each) => decodeEntry(each, network))
  for (const entry of entries)
    if (!isSigned(entry, network) || !isCosigned(entry, network, null)) throw new ForgedError()
  return fold(entries)
}
class ForgedError extends MaloteError {
  constructor() {
    super('decode', 'forged')
  }
}

/** A machine: host, key, control entries. */
class Machine {
  readonly clock = new PatientClock()
  readonly sealing = systemRandom.bytes(32)
  readonly incarnation = systemRandom.bytes(16)
  readonly test: TestHost
  entries: Entry[] = []
  network: NetworkId | null = null
  admitted: Admitted[] = []
  abandoned = 0

  constructor(test: TestHost) {
    this.test = test
  }

  static async start(): Promise<Machine> {
    const test = await startTestHost({ network: null })
    started.push(test)
    return new Machine(test)
  }

  static async found(name = 'acme'): Promise<Machine> {
    const machine = await Machine.start()
    const recovery = newRecoveryKey().key.publicKey
    const entry = machine.write('found', foundBody({ name, branch: 'hq', sealing: machine.sealing, recovery }))
    machine.network = idFrom<NetworkId>(idBytes(entry.id))
    await machine.serve()
    return machine
  }

  get id(): NodeId {
    return this.test.host.id
  }
  get key(): SigningKey {
    return this.test.key
  }
  get state(): MembershipState {
    return fold(this.entries)
  }
  get address(): string {
    return this.test.host.addresses()[0] ?? ''
  }

  write(kind: string, body: object): Entry {
    const own = this.entries.filter(({ authorKey }) => Buffer.compare(authorKey, this.key.publicKey) === 0)
    const entry = makeEntry(
      {
        network: this.network,
        incarnation: this.incarnation,
        seq: own.length,
        prev: own.at(-1)?.id ?? null,
        ms: this.clock.now(),
        counter: 0,
        kind,
        seen: frontier(this.entries),
        body: body as never,
      },
      this.key,
    )
    this.entries.push(entry)
    return entry
  }

  async serve(change: Partial<AdmitterInit> = {}): Promise<void> {
    const { host, gate } = this.test
    for (const node of this.state.members.keys()) gate.members.add(node)
    serveRegister({
      host,
      clock: this.clock,
      state: () => this.state,
      controlEntries: () => this.entries,
      append: (kind, body) => this.write(kind, body),
      cutsOf: (node) => this.cutsOf(node),
      addresses: () => [{ node: this.id, addresses: host.addresses() }],
      grantsFor: (node) => new TextEncoder().encode(`keys for ${node}`),
      ...change,
    })
    await host.useNetwork(this.network, gate)
  }

  cutsOf(node: NodeId): Cuts {
    const last = new Map(this.entries.filter(({ author }) => author === node).map((entry) => [entry.feed, entry]))
    return [...last.values()].map(({ feed, seq, id }) => [feedIncarnation(feed), seq, idBytes(id)])
  }

  get commands(): Commands {
    const append: AppendControl = (kind, body) => this.write(kind, body)
    return createCommands({
      state: () => this.state,
      append,
      self: this.id,
      signer: this.key,
      clock: this.clock,
      cutsOf: (node) => this.cutsOf(node),
      findEntry: () => undefined,
      lastControlBefore: () => null,
      inviteAddresses: () => [this.address],
    })
  }

  async register(invite: string, options: { via?: string; fold?: typeof verifiedFold } = {}): Promise<Admitted> {
    const { host, gate } = this.test
    const joiner = createJoiner({
      host,
      clock: this.clock,
      random: systemRandom,
      signer: this.key,
      sealing: this.sealing,
      enter: (network) => host.useNetwork(network, gate),
      abandon: async () => {
        this.abandoned += 1
        await host.useNetwork(null, gate)
      },
      fold: options.fold ?? verifiedFold,
      onAdmitted: async (admitted) => {
        this.admitted.push(admitted)
        this.network = admitted.ticket.network
        this.entries = admitted.controlEntries.map((each) => decodeEntry(each, admitted.ticket.network))
        await this.serve()
      },
    })
    return await joiner.register(options.via === undefined ? { invite } : { invite, via: options.via })
  }
}

const outcome = (work: Promise<unknown>) => work.then(() => 'admitted', codeOf)

describe('registering', () => {
  it('admits the holder of an invite and hands it what it needs', async () => {
    const hq = await Machine.found()
    const rio = await Machine.start()
    const { text, invite } = await hq.commands.invite({ branch: 'rio', role: 'admin' })
    const admitted = await rio.register(text)
    expect(admitted.state.members.get(rio.id)).toMatchObject({
      role: 'admin',
      invite: invite.id,
      admit: admitted.admit,
    })
    expect(hq.state.members.get(rio.id)).toEqual(rio.state.members.get(rio.id))
    expect(admitted.controlEntries).toHaveLength(hq.entries.length)
    expect(admitted.addresses).toEqual([{ node: hq.id, addresses: hq.test.host.addresses() }])
    expect(new TextDecoder().decode(admitted.grants)).toBe(`keys for ${rio.id}`)
    expect(admitted.from).toBe(hq.id)
  })

  it('works with any member, by hand-given address, while the issuer is away', async () => {
    const hq = await Machine.found()
    const rio = await Machine.start()
    await rio.register((await hq.commands.invite({ branch: 'rio' })).text)
    const { text } = await hq.commands.invite({ branch: 'bahia' })
    rio.entries = [...hq.entries]
    await hq.test.host.stop()
    const bahia = await Machine.start()
    const { from } = await bahia.register(text, { via: rio.address.slice(0, rio.address.indexOf('/p2p/')) })
    expect(from).toBe(rio.id)
  })

  it('replaces a machine', async () => {
    const hq = await Machine.found()
    const [old, machine] = [await Machine.start(), await Machine.start()]
    await old.register((await hq.commands.invite({ branch: 'rio' })).text)
    const branch = hq.state.members.get(old.id)?.branch
    await machine.register((await hq.commands.invite({ branch: 'rio', replaces: old.id })).text)
    expect(machine.state.members.get(machine.id)?.branch).toBe(branch)
    expect(machine.state.members.get(old.id)).toMatchObject({ state: 'left', replacedBy: machine.id })
  })

  it('gives the same answer again when the first was lost', async () => {
    const hq = await Machine.found()
    const rio = await Machine.start()
    const { text } = await hq.commands.invite({ branch: 'rio' })
    const first = await rio.register(text)
    hq.clock.offset += 60_000
    const again = await rio.register(text)
    expect(again.admit).toBe(first.admit)
    expect(hq.entries.filter(({ kind }) => kind === 'admit')).toHaveLength(1)
  })

  it('tries again when the member has too much to do', async () => {
    const hq = await Machine.found()
    const rio = await Machine.start()
    const { text } = await hq.commands.invite({ branch: 'rio' })
    rio.clock.after = (ms, callback) => {
      if (ms < 3000) hq.clock.offset += ms
      return systemClock.after(ms < 3000 ? 0 : ms, callback)
    }
    const spoilt = await raw(rio, hq)
    await spoilt.close()
    expect(await outcome(rio.register(text))).toBe('admitted')
  })
})

describe('an invite that does not let in', () => {
  it('used, revoked, expired: says so and leaves nothing behind', async () => {
    const hq = await Machine.found()
    const [rio, bahia] = [await Machine.start(), await Machine.start()]
    const used = await hq.commands.invite({ branch: 'rio' })
    await rio.register(used.text)
    const revoked = await hq.commands.invite({ branch: 'bahia' })
    hq.commands.revoke(revoked.invite.id)
    const expired = await hq.commands.invite({ branch: 'bahia', expiresInMs: 60_000 })
    const before = [...hq.entries]
    const attempt = async (text: string) => {
      hq.clock.offset += 120_000
      return await outcome(bahia.register(text))
    }
    expect(await attempt(used.text)).toBe('invite-used')
    expect(await attempt(revoked.text)).toBe('invite-revoked')
    // by the member's clock: the newcomer's says that it still holds
    expect(await attempt(expired.text)).toBe('invite-expired')
    bahia.clock.offset += 600_000
    expect(await attempt(expired.text)).toBe('invite-expired')
    expect(hq.entries).toEqual(before)
    expect([bahia.admitted, bahia.network]).toEqual([[], null])
    expect(bahia.abandoned).toBe(3)
  })

  it('of another network', async () => {
    const [hq, other, rio] = [await Machine.found(), await Machine.found('other'), await Machine.start()]
    const { text } = await hq.commands.invite({ branch: 'rio' })
    expect(await outcome(rio.register(text, { via: other.address }))).toBe('wrong-network')
    expect(rio.abandoned).toBe(1)
  })

  it('that no member knows', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const { text } = await hq.commands.invite({ branch: 'rio' })
    hq.entries.pop()
    expect(await outcome(rio.register(text))).toBe('invite-invalid')
  })

  it('with nobody there', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const { text } = await hq.commands.invite({ branch: 'rio' })
    await hq.test.host.stop()
    expect(await outcome(rio.register(text))).toBe('unreachable')
  })

  it('by a machine that was a member before', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    await rio.register((await hq.commands.invite({ branch: 'rio' })).text)
    hq.commands.expel(rio.id)
    const { text } = await hq.commands.invite({ branch: 'rio' })
    hq.clock.offset += 60_000
    hq.test.gate.members.delete(rio.id)
    expect(await outcome(rio.register(text))).toBe('conflict')
  })
})

describe('a member that lies', () => {
  it('cannot pass off another network, forged entries, or itself', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const liar = await Machine.start()
    const { text } = await hq.commands.invite({ branch: 'rio' })
    liar.network = hq.network
    const attempt = async (entries: Entry[]) => {
      liar.entries = entries
      liar.clock.offset += 60_000
      await liar.serve({
        state: () => ({ ...hq.state, members: new Map([[liar.id, hq.state.members.get(hq.id) as never]]) }),
      })
      return await outcome(rio.register(text, { via: liar.address }))
    }
    // the genuine entries do not make it a member
    expect(await attempt(hq.entries)).toBe('wrong-network')
    expect(await attempt([])).toBe('wrong-network')
    const forged = hq.entries.map((entry) => ({ ...entry, sig: new Uint8Array(64) }))
    expect(await attempt(forged)).toBe('wrong-network')
    expect(rio.admitted).toEqual([])
  })

  it('learns nothing usable from a newcomer', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const { text } = await hq.commands.invite({ branch: 'rio' })
    const frames: Uint8Array[] = []
    const { host } = hq.test
    host.handle('register', { maxFrameBytes: MEMBER_FRAME_BYTES, timeoutMs: 5000, strangers: true }, async (stream) => {
      const hello = await stream.read()
      if (hello !== null) frames.push(hello)
      await stream.write(encodeCbor({ t: 'challenge', nonce: new Uint8Array(32) }))
      const knock = await stream.read()
      if (knock !== null) frames.push(knock)
      await stream.write(encodeCbor({ t: 'error', code: 'surprise <b>' }))
    })
    expect(await outcome(rio.register(text))).toBe('protocol')
    const { seed } = await parseInvite(text, Date.now())
    const sent = Buffer.concat(frames)
    expect(frames).toHaveLength(2)
    expect(sent.includes(Buffer.from(seed))).toBe(false)
    // a positive control: it does show whom it signs with
    expect(sent.includes(Buffer.from(idBytes((await parseInvite(text, Date.now())).invite)))).toBe(true)
  })
})

/** A stream as a stranger that does as it pleases would open it. */
async function raw(from: Machine, to: Machine): Promise<FrameStream> {
  if (to.network !== null) await from.test.host.useNetwork(to.network, from.test.gate)
  const peer = await from.test.host.dial([to.address])
  return await from.test.host.open(peer, 'register', { maxFrameBytes: MEMBER_FRAME_BYTES })
}

describe('a stranger', () => {
  const exchange = async (stream: FrameStream, message: object) => {
    await stream.write(encodeCbor(message as never))
    const frame = await stream.read()
    return frame === null ? null : (decodeCbor(frame, MEMBER_FRAME_BYTES) as Record<string, unknown>)
  }

  it('sees no entry before it has shown the invite’s key', async () => {
    const [hq, squatter] = [await Machine.found(), await Machine.start()]
    const { invite } = await hq.commands.invite({ branch: 'rio' })
    const stream = await raw(squatter, hq)
    const challenge = await exchange(stream, { v: 1, invite: idBytes(invite.id) })
    expect(Object.keys(challenge ?? {}).sort()).toEqual(['nonce', 't'])
    expect(await exchange(stream, { knock: new Uint8Array(64) })).toEqual({ t: 'error', code: 'invite-invalid' })
    expect(await stream.read()).toBeNull()
  })

  it('cannot show the key for a challenge or machine that is not its own', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const { text, invite } = await hq.commands.invite({ branch: 'rio' })
    const { seed, network } = await parseInvite(text, Date.now())
    const replayed = signKnock(signingKeyFromSeed(seed), network, new Uint8Array(32), rio.key.publicKey)
    const stream = await raw(rio, hq)
    await exchange(stream, { v: 1, invite: idBytes(invite.id) })
    expect(await exchange(stream, { knock: replayed })).toEqual({ t: 'error', code: 'invite-invalid' })
  })

  it('is told in one word why not', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    const unknown = { v: 1, invite: idBytes('ee'.repeat(32) as EntryId) }
    expect(await exchange(await raw(rio, hq), unknown)).toEqual({ t: 'error', code: 'invite-invalid' })
    expect(await (await raw(rio, hq)).read().then((frame) => frame && decodeCbor(frame, 1000))).toEqual({
      t: 'error',
      code: 'rate-limited',
    })
    hq.clock.offset += 60_000
    expect(await exchange(await raw(rio, hq), { ...unknown, v: 2 })).toEqual({ t: 'error', code: 'unsupported' })
  })

  it('is cut off for a frame that is too large or means nothing', async () => {
    const [hq, rio] = [await Machine.found(), await Machine.start()]
    for (const frame of [new Uint8Array(JOINER_FRAME_BYTES + 1), new Uint8Array(8), encodeCbor({ v: 1 })]) {
      hq.clock.offset += 60_000
      const stream = await raw(rio, hq)
      await stream.write(frame)
      await expect(stream.read()).rejects.toThrow()
    }
    expect(hq.entries).toHaveLength(1)
  })
})
