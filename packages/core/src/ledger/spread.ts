/**
 * How a new entry gets about among many: its author pushes it to its connections; everybody else announces its id to
 * theirs, at once and before having it, and pulls it from the first who announced it. So ids flood, every node gets the
 * entry once, and nobody has to remember a tree. Spec: docs/specs/ledger-sync.md, "Announcing"; why: decision 0022.
 *
 * Nothing here is the truth: whatever is lost, refused or forgotten is found by the comparison of heads.
 *
 * Who owns what: `open` are ids that were announced and are not here, `here` the latest that are. The links belong to
 * `sync`, which also calls `later` and stops it.
 */
import type { Clock } from '../clock.ts'
import type { EntryId, NodeId } from '../ids.ts'
import { type Random, shuffled } from '../random.ts'
import { Batch } from './batch.ts'
import { createCredit } from './credit.ts'
import type { Ledger } from './ledger.ts'
import { type ShortId, shortIdOf } from './sync-frames.ts'
import type { Entry, SignedBytes } from './types.ts'

/** Connections to which an own entry is pushed; of more these at random, the rest hears of it from them. */
export const PUSH_LINKS = 128
/** With so many connections or fewer, each of them is told an id. */
export const ANNOUNCE_ALL = 32
/** With more, so many at random: the others have as many connections, and share the work. */
export const ANNOUNCE_SOME = 8
/** Who has announced an entry is given this long, and two trips more, to give it; then the next is asked. */
export const PULL_MS = 1000
/**
 * Who has many connections probably has one to the author: what was announced is given so long to come from there,
 * since the author's copies leave one after the other.
 */
const DIRECT_MS = 50
/** A peer that is not believed is asked only if no other announces the same within this time. */
const DOUBT_MS = 300
/** Announcers of one entry that are remembered, to be asked if the first does not give it. */
const OTHERS_MAX = 4
/** Peers that are asked for one entry, one after the other; after that only comparison finds it. */
const TRIES_MAX = 8
/** Announced ids whose entries have not come, in all and of one peer. */
export const OPEN_MAX = 16_384
export const OPEN_PER_PEER = 1024
/** After this time they are forgotten. */
export const OPEN_MS = 15_000
/** Entries here of which it is remembered who has them. */
export const RECENT_MAX = 4096
/** Given for one frame of pulls; who asks for more at once gets the rest by comparison. */
const GIVE_BYTES = 1024 * 1024

/** What spreading needs of a connection: all of it only hints, and may be lost. */
export interface SpreadLink {
  readonly peer: NodeId
  /** there and back, 0 while unknown */
  readonly rttMs: number
  /** until then we do not read from this peer, which is no fault of its own */
  readonly pausedUntil: number
  push(entries: readonly SignedBytes[]): void
  announce(ids: readonly ShortId[]): void
  pull(ids: readonly ShortId[]): void
}

export interface SpreadInit {
  ledger: Pick<Ledger, 'get' | 'sync'>
  clock: Clock
  random: Random
  links: ReadonlyMap<NodeId, SpreadLink>
  /** runs once after `ms`, unless all is stopped before */
  later(ms: number, work: () => void): void
}

export interface Spread {
  /** Written here. */
  own(entries: readonly Entry[]): void
  /** Stored here. `isNews` when others may lack it as well; `from` null when no peer sent it. */
  learned(entries: readonly Entry[], from: NodeId | null, isNews: boolean): void
  /** A peer announces. */
  heard(peer: NodeId, ids: readonly ShortId[]): void
  /** A peer wants what we have announced. */
  asked(peer: NodeId, ids: readonly ShortId[]): void
  /**
   * A peer has pushed these. `isTaken`: what is not here yet will follow from what came. Else another is asked, since a
   * copy can be spoilt: without its signature.
   */
  sent(peer: NodeId, ids: readonly ShortId[], isTaken: boolean): void
  /** What came and was to be followed by what it needs was given up. */
  again(ids: readonly ShortId[]): void
  /** Its connection is no more. */
  gone(peer: NodeId): void
  /** True while something is on its way that was asked for. */
  isPulling(): boolean
  /** Forgets what never came. To be called now and then. */
  sweep(): void
  clear(): void
}

/** `told`: knows the id. `has`: the entry was sent there, or came from there. */
type Peers = Map<NodeId, 'told' | 'has'>

interface Open {
  readonly peers: Peers
  readonly first: NodeId
  readonly since: number
  /** whose credit paid for passing the id on; null when it has not been passed on */
  payer: NodeId | null
  /** who gets the entry when it comes */
  readonly wantedBy: Set<NodeId>
  /** announcers that have not been asked */
  readonly others: NodeId[]
  asked: NodeId | null
  /** who has been asked, with who is asked now */
  readonly tried: Set<NodeId>
  /** it came, and waits for what must go before it: no use in asking again */
  isAnswered: boolean
}

interface Here {
  readonly id: EntryId
  readonly peers: Peers
}

/** What follows from one frame of announcements. */
interface Told {
  readonly pulls: Batch<ShortId>
  readonly news: Batch<ShortId>
  readonly doubted: ShortId[]
}

export function createSpread(init: SpreadInit): Spread {
  const { ledger, clock, random, links, later } = init
  const open = new Map<ShortId, Open>()
  const here = new Map<ShortId, Here>()
  const openOf = new Map<NodeId, number>()
  const credit = createCredit(clock)
  let pulling = 0

  function remember(short: ShortId, each: Here): void {
    here.set(short, each)
    for (const oldest of here.keys()) {
      if (here.size <= RECENT_MAX) break
      here.delete(oldest)
    }
  }

  function forget(short: ShortId, each: Open): void {
    setAsked(each, null)
    open.delete(short)
    const left = (openOf.get(each.first) ?? 1) - 1
    if (left > 0) openOf.set(each.first, left)
    else openOf.delete(each.first)
  }

  // ---------------------------------------------------------------------------------------------------- announcing

  /** Tells those who, as far as we know, have not heard of it: all, or with many connections a few. */
  function announce(batch: Batch<ShortId>, short: ShortId, peers: Peers): void {
    const unaware = [...links.keys()].filter((peer) => !peers.has(peer))
    const chosen = links.size <= ANNOUNCE_ALL ? unaware : shuffled(unaware, random).slice(0, ANNOUNCE_SOME)
    for (const peer of chosen) {
      peers.set(peer, 'told')
      batch.add(peer, short)
    }
  }

  const tellNews = (link: SpreadLink, ids: readonly ShortId[]) => link.announce(ids)
  // ------------------------------------------------------------------------------------------------------- pulling

  function setAsked(each: Open, peer: NodeId | null): void {
    if (each.asked !== null) pulling -= 1
    each.asked = peer
    if (peer === null) return
    each.tried.add(peer)
    pulling += 1
  }

  function sendPulls(batch: Batch<ShortId>): void {
    batch.each(links, (link, all) => {
      const ids = all.filter((short) => open.get(short)?.asked === link.peer)
      if (ids.length === 0) return
      link.pull(ids)
      later(PULL_MS + 2 * link.rttMs, () => overdue(link.peer, ids))
    })
  }

  function overdue(peer: NodeId, ids: readonly ShortId[]): void {
    const late = ids.filter((short) => open.get(short)?.asked === peer)
    const pause = (links.get(peer)?.pausedUntil ?? 0) - clock.now()
    if (late.length > 0 && pause > 0) later(Math.min(pause, PULL_MS), () => overdue(peer, ids))
    else {
      for (const _ of late) credit.failed(peer)
      askNext(late)
    }
  }

  /**
   * Those who have announced it, first come first; then those whom we have told, who may have it from elsewhere by now,
   * or make haste to get it when they learn that they cannot wait for us.
   */
  function next(each: Open): NodeId | null {
    if (each.tried.size >= TRIES_MAX) return null
    for (let peer = each.others.shift(); peer !== undefined; peer = each.others.shift()) {
      if (links.has(peer)) return peer
    }
    const told = [...each.peers.keys()].filter((peer) => links.has(peer) && !each.tried.has(peer))
    return told[random.below(told.length || 1)] ?? null
  }

  function askNext(ids: readonly ShortId[]): void {
    const batch = new Batch<ShortId>()
    for (const short of ids) {
      const each = open.get(short)
      if (each === undefined || each.isAnswered) continue
      const peer = next(each)
      setAsked(each, peer)
      if (peer !== null) batch.add(peer, short)
    }
    sendPulls(batch)
  }

  /** Believed: passed on, and asked for. Else it has to wait for somebody who is. */
  function believe(short: ShortId, each: Open, peer: NodeId, told: Told): void {
    if (each.payer === null && credit.take(peer)) {
      each.payer = peer
      announce(told.news, short, each.peers)
    }
    if (each.payer === peer && each.asked === null) {
      setAsked(each, peer)
      told.pulls.add(peer, short)
      return
    }
    if (each.others.length < OTHERS_MAX) each.others.push(peer)
    if (each.asked === null) told.doubted.push(short)
  }

  /** An id that is not here. */
  function hear(peer: NodeId, short: ShortId, told: Told): void {
    const known = open.get(short)
    if (known !== undefined) {
      if (known.first === peer || known.asked === peer || known.others.includes(peer)) return
      known.peers.set(peer, 'told')
      if (!known.isAnswered) believe(short, known, peer, told)
      return
    }
    const ofPeer = openOf.get(peer) ?? 0
    if (open.size >= OPEN_MAX || ofPeer >= OPEN_PER_PEER || ledger.sync.hasShort(short)) return
    const each: Open = {
      peers: new Map([[peer, 'told']]),
      first: peer,
      since: clock.now(),
      payer: null,
      wantedBy: new Set(),
      others: [],
      asked: null,
      tried: new Set(),
      isAnswered: false,
    }
    open.set(short, each)
    openOf.set(peer, ofPeer + 1)
    believe(short, each, peer, told)
  }

  // -------------------------------------------------------------------------------------------------------- giving

  function give(peer: NodeId, ids: readonly ShortId[]): void {
    const entries: Entry[] = []
    let bytes = 0
    for (const short of ids) {
      const each = here.get(short)
      if (each === undefined || each.peers.get(peer) === 'has') continue
      const entry = ledger.get(each.id)
      if (entry === undefined) continue
      bytes += entry.bytes.length
      if (bytes > GIVE_BYTES) break
      each.peers.set(peer, 'has')
      entries.push(entry)
    }
    if (entries.length > 0) links.get(peer)?.push(entries)
  }

  return {
    own(entries) {
      const all = [...links.values()]
      const chosen = all.length <= PUSH_LINKS ? all : shuffled(all, random).slice(0, PUSH_LINKS)
      for (const { id } of entries) {
        remember(shortIdOf(id), { id, peers: new Map(chosen.map(({ peer }) => [peer, 'has'])) })
      }
      for (const link of chosen) link.push(entries)
    },

    learned(entries, from, isNews) {
      const gifts = new Batch<Entry>()
      const news = new Batch<ShortId>()
      for (const entry of entries) {
        const short = shortIdOf(entry.id)
        const each = open.get(short)
        if (each === undefined && !isNews) continue
        const peers: Peers = each?.peers ?? new Map()
        peers.set(entry.author, 'has')
        if (from !== null) peers.set(from, 'has')
        if (each !== undefined) {
          forget(short, each)
          if (each.payer !== null) credit.back(each.payer)
          for (const peer of each.wantedBy) {
            if (peers.get(peer) === 'has') continue
            peers.set(peer, 'has')
            gifts.add(peer, entry)
          }
        }
        remember(short, { id: entry.id, peers })
        if (isNews && (each === undefined || each.payer === null)) announce(news, short, peers)
      }
      gifts.each(links, (link, given) => link.push(given))
      news.each(links, tellNews)
    },

    heard(peer, ids) {
      if (!links.has(peer)) return
      const told: Told = { pulls: new Batch(), news: new Batch(), doubted: [] }
      for (const short of ids) {
        const known = here.get(short)
        if (known === undefined) hear(peer, short, told)
        else if (!known.peers.has(peer)) known.peers.set(peer, 'told')
      }
      told.news.each(links, tellNews)
      if (links.size <= ANNOUNCE_ALL) sendPulls(told.pulls)
      else later(DIRECT_MS, () => sendPulls(told.pulls))
      const { doubted } = told
      if (doubted.length === 0) return
      later(DOUBT_MS, () => askNext(doubted.filter((short) => open.get(short)?.asked === null)))
    },

    asked(peer, ids) {
      if (!links.has(peer)) return
      const circular: ShortId[] = []
      for (const short of ids) {
        const each = open.get(short)
        if (each === undefined) continue
        each.wantedBy.add(peer)
        // it waits for us: no use in waiting for it
        const at = each.others.indexOf(peer)
        if (at >= 0) each.others.splice(at, 1)
        if (each.asked === peer) circular.push(short)
      }
      askNext(circular)
      give(peer, ids)
    },

    sent(peer, ids, isTaken) {
      const again: ShortId[] = []
      for (const short of ids) {
        here.get(short)?.peers.set(peer, 'has')
        const each = open.get(short)
        if (each === undefined) continue
        each.peers.set(peer, 'has')
        if (isTaken) {
          each.isAnswered = true
          setAsked(each, null)
        } else if (each.asked === peer) again.push(short)
      }
      askNext(again)
    },

    again(ids) {
      for (const short of ids) {
        const each = open.get(short)
        if (each !== undefined) each.isAnswered = false
      }
      askNext(ids)
    },

    gone(peer) {
      const orphaned: ShortId[] = []
      for (const [short, each] of open) {
        each.wantedBy.delete(peer)
        each.peers.delete(peer)
        if (each.asked === peer) orphaned.push(short)
      }
      // when it is back, what was on its way to it is lost
      for (const each of here.values()) each.peers.delete(peer)
      askNext(orphaned)
    },

    isPulling: () => pulling > 0,

    sweep() {
      const limit = clock.now() - OPEN_MS
      for (const [short, each] of open) {
        // a clock that was set back must not keep them for ever
        if (each.since > limit && each.since <= clock.now()) continue
        forget(short, each)
      }
    },

    clear() {
      open.clear()
      here.clear()
      openOf.clear()
      pulling = 0
    },
  }
}
