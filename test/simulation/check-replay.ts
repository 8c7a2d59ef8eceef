/** The same entries make the same state, whatever arrived when: at once, and piecewise in another order. */
import { createSharedState, kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { equalBytes } from '../../packages/core/src/crypto/index.ts'
import { createLedger, type Entry, type Ledger } from '../../packages/core/src/ledger/index.ts'
import { nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import { targetCopies } from '../../packages/core/src/replication/index.ts'
import { placementList } from '../../packages/core/src/replication/placement.ts'
import { openBlank } from './disk.ts'
import type { Evidence } from './evidence.ts'
import { Prng } from './prng.ts'

const LARGE_ENOUGH = 20

interface Fresh {
  readonly ledger: Ledger
  digest(): Uint8Array
  close(): void
}

function freshNode({ world }: Evidence): Fresh {
  const db = openBlank()
  const ledger: Ledger = createLedger({
    db,
    local: { getSetting: () => null, setSetting: () => undefined },
    network: world.networkId,
    signer: world.newKey(),
    clock: { now: () => world.timeline.now, after: () => () => undefined },
    random: new Prng(`replay ${world.seed}`),
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    ...nobodyAround,
  })
  const state = createSharedState({ db, entries: ledger, network: () => ledger.network(), rules: world.rules })
  return {
    ledger,
    digest: () => state.digest(),
    close() {
      ledger.close()
      db.close()
    },
  }
}

function compare(evidence: Evidence, fresh: Fresh, name: string): void {
  const { ledger, state } = evidence.witness.up
  if (!equalBytes(fresh.ledger.sync.headsHash(), ledger.sync.headsHash())) {
    evidence.problem(`${name}: ${fresh.ledger.count()} of ${ledger.count()} entries were taken`)
  } else if (!equalBytes(fresh.digest(), state.digest()))
    evidence.problem(`${name}: another state from the same entries`)
}

/**
 * All at once. Signatures that a later one of the feed makes needless are taken away, since every path accepts the same;
 * and a last entry without effect comes after the rest, since its verdict is part of the state.
 */
export function checkBulk(evidence: Evidence): void {
  const fresh = freshNode(evidence)
  const late = lastRefused(evidence)
  fresh.ledger.ingest(withoutNeedlessSignatures(evidence.entries.filter(({ id }) => id !== late?.id)))
  if (late !== undefined) {
    const before = fresh.digest()
    fresh.ledger.ingest([late])
    if (equalBytes(before, fresh.digest()))
      evidence.problem(`digest: the verdict on ${late.kind} is no part of the state`)
  }
  compare(evidence, fresh, 'bulk-equals-live')
  fresh.close()
}

function withoutNeedlessSignatures(entries: readonly Entry[]): Entry[] {
  const followed = new Set(entries.map(({ prev }) => prev))
  return entries.map((entry) => (followed.has(entry.id) ? { ...entry, sig: null } : entry))
}

/** An entry that has no effect and that nothing follows or names. */
function lastRefused({ entries, state }: Evidence): Entry | undefined {
  const named = new Set(entries.flatMap(({ prev, seen }) => [prev, ...seen]))
  return entries.findLast(({ id, kind }) => !named.has(id) && kind !== 'admit' && state.refusalOf(id) !== null)
}

/** Feed by feed in order, the feeds shuffled together at random, in batches of any size. */
export function checkOrder(evidence: Evidence): void {
  // as dear as a node that lives through the run: the large ones have seventy of them
  if (evidence.present.length > LARGE_ENOUGH) return
  const random = new Prng(`order ${evidence.world.seed}`)
  const fresh = freshNode(evidence)
  let left: readonly Entry[] = shuffledFeeds(evidence.entries, random)
  for (let round = 0; round < 12 && left.length > 0; round++) {
    for (let at = 0; at < left.length; ) {
      const size = random.between(1, 60)
      fresh.ledger.ingest(left.slice(at, at + size))
      at += size
    }
    left = left.filter((entry) => !fresh.ledger.sync.knows(entry))
  }
  compare(evidence, fresh, 'order-independent')
  fresh.close()
}

function shuffledFeeds(entries: readonly Entry[], random: Prng): Entry[] {
  const feeds = new Map<string, Entry[]>()
  for (const entry of entries) feeds.set(entry.feed, [...(feeds.get(entry.feed) ?? []), entry])
  const queues = [...feeds.values()]
  const result: Entry[] = []
  while (queues.length > 0) {
    const at = random.below(queues.length)
    const queue = queues[at] ?? []
    const times = random.between(1, 4)
    for (let time = 0; time < times; time++) {
      const next = queue.shift()
      if (next !== undefined) result.push(next)
    }
    if (queue.length === 0) queues.splice(at, 1)
  }
  return result
}

/** All nodes name the same holders, the owner first, enough of them, and members only. */
export function checkPlacement(evidence: Evidence): void {
  const files = evidence.files.filter(({ state }) => state === 'live').slice(0, 4)
  for (const { file } of files) {
    let first: string | undefined
    for (const { name, up } of evidence.present.slice(0, 8)) {
      const members = up.versions.placementMembers()
      const network = up.state.membership().network
      const owner = up.versions.live(file)?.owner ?? null
      if (network === null) continue
      const target = targetCopies(members.length, network)
      const list = placementList({ network: network.id, file, owner, members, target, standsAside: () => false })
      const holders = members.filter(({ weight }) => weight > 0).length
      if (target < Math.floor(members.length / 3) + 1) evidence.problem('placement: fewer copies than a third and one')
      if (list.length < Math.min(target, holders) || new Set(list).size !== list.length)
        evidence.problem(`placement: ${name} names too few holders`)
      if (owner !== null && list[0] !== owner) evidence.problem(`placement: ${name} does not name the owner first`)
      first ??= list.join()
      if (list.join() !== first) evidence.problem(`placement: ${name} names other holders`)
    }
  }
}
