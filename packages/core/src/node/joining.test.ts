import { describe, expect, it } from 'vitest'
import { generateSigningKey } from '../crypto/index.ts'
import { type NetworkId, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { makeEntry } from '../ledger/entry.ts'
import type { Entry, Ledger } from '../ledger/index.ts'
import { foundBody, RULES_VERSION } from '../membership/index.ts'
import { compareWithOthers, controlWithVouchers, foldControlEntries } from './joining.ts'

const founder = generateSigningKey()
const incarnation = new Uint8Array(16).fill(1)

/** A founder's feed: found, an appointment that nobody can make out, then something of no weight that vouches for it. */
function feed() {
  const body = foundBody({
    name: 'acme',
    branch: 'hq',
    sealing: new Uint8Array(32).fill(2),
    recovery: generateSigningKey().publicKey,
  })
  const place = (seq: number, prev: Entry | null) => ({
    incarnation,
    seq,
    prev: prev?.id ?? null,
    ms: 1000 + seq,
    counter: 0,
  })
  const found = makeEntry({ ...place(0, null), network: null, kind: 'found', seen: [], body }, founder)
  const network = found.id as string as NetworkId
  const invite = {
    key: new Uint8Array(32).fill(3),
    branch: 'rio',
    role: 'member' as const,
    expires: 9000,
  }
  const vouched = makeEntry({ ...place(1, found), network, kind: 'invite', seen: [found.id], body: invite }, founder)
  const between = makeEntry({ ...place(2, vouched), network, kind: 'capacity', seen: [], body: { weight: 3 } }, founder)
  const last = makeEntry({ ...place(3, between), network, kind: 'capacity', seen: [], body: { weight: 4 } }, founder)
  const unsigned = (entry: Entry): Entry => ({ ...entry, sig: null })
  const entries = [found, unsigned(vouched), { ...between, sig: new Uint8Array(64) }, last]
  return { network, entries, invite: vouched.id }
}

const ledgerOf = (entries: readonly Entry[]) =>
  ({
    control: () => entries.filter(({ kind }) => kind !== 'capacity'),
    after: (of: string, seq: number, limit: number) =>
      entries.filter((entry) => entry.feed === of && entry.seq > seq).slice(0, limit),
  }) as unknown as Ledger

describe('control entries without a signature of their own', () => {
  it('are handed over with those that vouch for them, and count', () => {
    const { network, entries, invite } = feed()
    const handed = controlWithVouchers(ledgerOf(entries), network)
    expect(handed).toHaveLength(4)
    expect(foldControlEntries(network, handed, RULES_VERSION).invites.has(invite)).toBe(true)
  })

  it('do not count when nobody vouches, nor by an entry of another feed', () => {
    const { network, entries, invite } = feed()
    expect(foldControlEntries(network, entries.slice(0, 3), RULES_VERSION).invites.has(invite)).toBe(false)
    const other = generateSigningKey()
    const [, vouched] = entries
    const stranger = makeEntry(
      {
        network,
        incarnation,
        seq: 2,
        prev: vouched?.id ?? null,
        ms: 2000,
        counter: 0,
        kind: 'capacity',
        seen: [],
        body: { weight: 1 },
      },
      other,
    )
    expect(foldControlEntries(network, [...entries.slice(0, 2), stranger], RULES_VERSION).invites.has(invite)).toBe(
      false,
    )
  })
})

describe('comparing with others', () => {
  const ids = Array.from({ length: 8 }, () => nodeIdFromPublicKey(generateSigningKey().publicKey))
  const random = { bytes: (size: number) => new Uint8Array(size), below: () => 0 }
  const run = async (named: NodeId[], silent: readonly NodeId[]) => {
    const asked: NodeId[] = []
    const answered = await compareWithOthers({
      named,
      others: ids,
      random,
      signal: new AbortController().signal,
      compare: async (peer) => {
        asked.push(peer)
        if (silent.includes(peer)) throw new Error('nobody there')
      },
      onFailure: () => {},
    })
    return { asked, answered }
  }

  it('asks those that the invite names first, and goes on until enough have answered', async () => {
    const named = ids.slice(5, 7)
    const { asked, answered } = await run(named, [])
    expect(asked.slice(0, 2)).toEqual(named)
    expect(answered.length).toBeGreaterThanOrEqual(3)
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('goes on past those that are silent, to the last', async () => {
    expect((await run([], ids.slice(0, 7))).answered).toEqual(ids.slice(7))
    expect((await run([], ids)).answered).toEqual([])
  })
})
