/**
 * Which feed we write to. Going on with one that another copy of this folder goes on with as well would fork it, so a
 * feed is continued only for a reason; else the next write opens a new one. Spec: docs/specs/entry.md, "Feeds"; why it
 * is enough: docs/decisions/0014-feeds-forks-and-twins.md.
 */
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { equalBytes } from '../crypto/index.ts'
import { type EntryId, type FeedId, feedIdFrom, feedIncarnation, idBytes, idFrom, type NodeId, toHex } from '../ids.ts'
import type { Random } from '../random.ts'
import { CLOCK_TOLERANCE_MS, isLater } from './clock.ts'
import { type CloseWitness, NONCE_BYTES } from './close-witness.ts'
import type { HeadIndex, Tip } from './heads.ts'
import type { Head } from './types.ts'

/** Settings of this node only; both calls are durable when they return. */
export interface LocalSettings {
  getSetting(name: string): Uint8Array | null
  /** null removes it */
  setSetting(name: string, value: Uint8Array | null): void
}

/** Setting: the mark of an orderly close. */
export const ORDERLY_CLOSE = 'ledger/orderly-close'
const MARK = ORDERLY_CLOSE
/**
 * Setting of a node that may have lost entries of its own: no feed of before is continued, whoever confirms it. Empty
 * until a new feed is begun, then its incarnation, until that feed has an entry.
 */
export const BEGIN_ANEW = 'ledger/begin-anew'
const FOLDER = 'ledger/folder'
const MARK_MAX_BYTES = 256
const markShape = shape.tuple(shape.bytes(NONCE_BYTES), shape.bytes(16), shape.uint(), shape.bytes(32))

/** Who can tell whether our feed was continued elsewhere. */
export interface FeedWitnesses {
  /** the other current members */
  members(): readonly NodeId[]
  /** it has said that no other process with our identity is alive */
  isSole(node: NodeId): boolean
}

export interface OwnFeedInit {
  publicKey: Uint8Array
  heads: HeadIndex
  local: LocalSettings
  closeWitness: CloseWitness
  witnesses: FeedWitnesses
  clock: Clock
  random: Random
}

/** Why the feed is what it is, for the operator. */
export type FeedReason =
  | 'none' // there was none before, or nothing to go on with
  | 'orderly-close'
  | 'confirmed'
  | 'opened' // begun in this run
  | 'moved' // the folder is a copy
  | 'rebuilt' // entries of ours may be lost here
  | 'regained' // entries of ours came back: the folder is an old copy
  | 'unconfirmed' // waits for a majority

export interface OwnFeedState {
  /** where the next write goes on; null when it opens a new feed */
  readonly feed: FeedId | null
  readonly reason: FeedReason
  /** members that end the waiting feed where we do, of those who count */
  readonly confirmedBy: number
  readonly members: number
  /** entries of ours that came from others since the start */
  readonly regained: number
  /** the time of our newest entry, while others hold it as ahead of time */
  readonly aheadUntil: number | null
}

export interface OwnFeed {
  /** Where the next entry goes; opens a new feed when the last one may not be continued. */
  place(): { incarnation: Uint8Array; feed: FeedId; seq: number; prev: EntryId | null }
  /** Goes on with a feed that this very run has begun. */
  open(feed: FeedId): void
  /** The newest of our feeds, when it waits for a majority to confirm that it ends where ours ends. */
  unconfirmed(): Head | null
  /** A peer ends our feed at this entry. */
  confirm(head: Head, peer: NodeId): void
  /**
   * An entry of ours was not written by this process: this folder is older than what we wrote, or is made anew, so its
   * feed is not continued. @param isFromPeer it is told as lost and given back
   */
  regained(feed: FeedId, isFromPeer: boolean): void
  state(): OwnFeedState
  /** Leaves the mark of an orderly close. */
  close(): void
}

export function createOwnFeed(init: OwnFeedInit): OwnFeed {
  const { heads, local, clock, closeWitness, witnesses } = init
  const prefix = `${toHex(init.publicKey)}/`
  let current: FeedId | null = null
  let candidate: Head | null = null
  let reason: FeedReason = 'none'
  let regained = 0
  const confirmedBy = new Set<NodeId>()
  choose()

  /** From here on a power cut or a copy finds no mark. */
  function choose(): void {
    const mark = readMark()
    const nonce = closeWitness.take()
    if (local.getSetting(MARK) !== null) local.setSetting(MARK, null)
    const tip = newest()
    const isMoved = noteFolder()
    if (tip === null) return
    if (!mayContinue()) {
      reason = 'rebuilt'
    } else if (isMoved) {
      reason = 'moved'
    } else if (mark !== null && nonce !== null && equalBytes(mark.nonce, nonce) && sameHead(mark.head, tip)) {
      current = tip.feed
      reason = 'orderly-close'
    } else {
      candidate = tip
      reason = 'unconfirmed'
    }
  }

  /** @returns true when the folder is not where it was at the last start, or nothing can tell */
  function noteFolder(): boolean {
    const folder = closeWitness.folder()
    const last = local.getSetting(FOLDER)
    const isSame = folder !== null && last !== null && equalBytes(folder, last)
    if (!isSame && folder !== null) local.setSetting(FOLDER, folder)
    return !isSame
  }

  function mayContinue(): boolean {
    const anew = local.getSetting(BEGIN_ANEW)
    if (anew === null) return true
    if (anew.length !== 16 || heads.highest(feedIdFrom(init.publicKey, anew)) < 0) return false
    local.setSetting(BEGIN_ANEW, null)
    return true
  }

  function newest(): Tip | null {
    let found: Tip | null = null
    for (const tip of heads.all()) {
      if (tip.feed.startsWith(prefix) && (found === null || isLater(tip, found))) found = tip
    }
    return found
  }

  function readMark(): { nonce: Uint8Array; head: Head } | null {
    const bytes = local.getSetting(MARK)
    if (bytes === null) return null
    try {
      const [nonce, incarnation, seq, id] = markShape(decodeCbor(bytes, MARK_MAX_BYTES))
      return { nonce, head: { feed: feedIdFrom(init.publicKey, incarnation), seq, id: idFrom<EntryId>(id) } }
    } catch {
      return null // a mark that cannot be read is no mark
    }
  }

  /** The end of our feed if it has exactly one, in a time that others accept. */
  function end(feed: FeedId): Tip | null | 'unusable' {
    const tips = heads.of(feed)
    const [tip] = tips
    if (tip === undefined) return null
    return tips.length === 1 && tip.ms <= clock.now() + CLOCK_TOLERANCE_MS ? tip : 'unusable'
  }

  function count(): { confirming: number; members: number } {
    const members = witnesses.members()
    const confirming = members.filter((node) => confirmedBy.has(node) && witnesses.isSole(node)).length
    return { confirming, members: members.length }
  }

  /** Any two majorities have a member in common, so what a majority has seen cannot be missed by another. */
  function takeConfirmed(): void {
    if (candidate === null) return
    const { confirming, members } = count()
    const tip = end(candidate.feed)
    if (2 * confirming <= members || members === 0) return
    if (tip === null || tip === 'unusable' || tip.id !== candidate.id) return
    current = candidate.feed
    candidate = null
    reason = 'confirmed'
  }

  return {
    place() {
      takeConfirmed()
      const tip = current === null ? 'unusable' : end(current)
      if (current === null || tip === 'unusable') {
        current = feedIdFrom(init.publicKey, init.random.bytes(16))
        candidate = null
        reason = 'opened'
        if (local.getSetting(BEGIN_ANEW) !== null) local.setSetting(BEGIN_ANEW, feedIncarnation(current))
        return { incarnation: feedIncarnation(current), feed: current, seq: 0, prev: null }
      }
      const at = tip === null ? { seq: 0, prev: null } : { seq: tip.seq + 1, prev: tip.id }
      return { incarnation: feedIncarnation(current), feed: current, ...at }
    },
    open(feed) {
      current = feed
      candidate = null
      reason = 'opened'
    },
    unconfirmed: () => candidate,
    confirm(head, peer) {
      if (candidate === null || !sameHead(head, candidate)) return
      confirmedBy.add(peer)
      takeConfirmed()
    },
    regained(feed, isFromPeer) {
      if (isFromPeer) regained += 1
      candidate = null
      // a feed begun in this run is nobody else's, unless entries of just that one come
      if (reason === 'opened' && current !== feed) return
      current = null
      reason = 'regained'
    },
    state() {
      takeConfirmed()
      const { confirming, members } = count()
      const ms = newest()?.ms ?? 0
      const aheadUntil = ms > clock.now() + CLOCK_TOLERANCE_MS ? ms : null
      return { feed: current, reason, confirmedBy: confirming, members, regained, aheadUntil }
    },
    close() {
      takeConfirmed()
      const tip = current === null ? null : end(current)
      if (tip === null || tip === 'unusable') return
      const nonce = init.random.bytes(NONCE_BYTES)
      if (!closeWitness.leave(nonce)) return
      local.setSetting(MARK, encodeCbor([nonce, feedIncarnation(tip.feed), tip.seq, idBytes(tip.id)]))
    },
  }
}

function sameHead(a: Head, b: Head): boolean {
  return a.feed === b.feed && a.seq === b.seq && a.id === b.id
}
