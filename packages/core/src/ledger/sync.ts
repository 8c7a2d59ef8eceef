/**
 * Spreading: new entries are pushed, heads are compared, what is missing is fetched. Spec: docs/specs/ledger-sync.md.
 *
 * To every connected member one stream of ours is open, on which we tell our status and push; it is one-way, so that
 * neither side can block the other. What is missing is fetched on a stream of its own. Pushing only hints (its queue may
 * overflow, its stream may break); the comparison is the truth.
 *
 * Who owns what: `Link` all that concerns one connected member; this file the links, the timer and the slots for fetches.
 */
import { type Clock, sleep } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { equalBytes, sha256 } from '../crypto/index.ts'
import { type NodeId, toHex } from '../ids.ts'
import type { FrameStream, Host } from '../network/index.ts'
import { type Random, shuffled } from '../random.ts'
import { introducedBy } from './entry.ts'
import type { EntriesEvent, Ledger } from './ledger.ts'
import { blame, Claims, type FetchResult, fetchFrom } from './sync-fetch.ts'
import { decodeSyncFrame, FRAME_MAX_BYTES, type Status, type SyncFrame } from './sync-frames.ts'
import { createLink, type Link } from './sync-link.ts'
import { type CatchUp, createSyncProgress } from './sync-progress.ts'
import { FRAME_TIMEOUT_MS, serveFetch } from './sync-serve.ts'
import { createThrottle } from './throttle.ts'
import type { Entry, SignedBytes } from './types.ts'

export const HEADS_INTERVAL_MS = 5000
/** A member tells its status at least this often, so that a silent stream can be told from a dead one. */
const STATUS_MAX_INTERVAL_MS = 60_000
const SILENCE_MS = 150_000
/** Fetches at one time. */
const FETCH_SLOTS = 3
/** What a differing status of a peer means is looked at after this time: the push may just be on its way. */
const COMPARE_DELAY_MS = 150
/** A peer that pushed is told where we are, together with what else it pushes in this time. */
const ACK_DELAY_MS = 100
/** Entries learned live are passed on after 100 to 400 ms, to so many peers, unless as many have sent them to us. */
const FORWARD_DELAY_MS = 100
const FORWARD_JITTER_MS = 300
const FORWARD_FANOUT = 3
const FORWARD_ENOUGH = 2
/** Entries of which it is remembered who has them. */
const RECENT_MAX = 4096
/** Told in place of a digest by a node that cannot execute all that it stores: nothing to compare with. */
const NO_STATE = new Uint8Array(32)
/** Own past heads, to tell a peer that is only behind from one that has something new. */
const PAST_MAX = 256

export interface SyncInit {
  ledger: Ledger
  host: Host
  clock: Clock
  random: Random
  isMember: (node: NodeId) => boolean
  /** the state digest, 32 bytes; null while it says nothing, because entries wait for newer rules */
  digest: () => Uint8Array | null
  /** @default 5000 */
  headsIntervalMs?: number
  /** A member has the same entries and another state. Told once per peer and heads. */
  onDiverged?: (peer: NodeId) => void
  /** Catching up goes on, or has ended. */
  onProgress?: (progress: CatchUp) => void
  /** What went wrong with a peer: for the log. */
  onPeerError?: (peer: NodeId, error: unknown) => void
}

export interface PeerHeads {
  readonly peer: NodeId
  /** as it last told; null when it has not */
  readonly status: { readonly heads: string; readonly entries: number; readonly state: string } | null
  readonly inSync: boolean
  /** the same entries, another state */
  readonly diverged: boolean
}

export interface Sync {
  start(): void
  /** Ends all streams. A second call does no harm. */
  stop(): Promise<void>
  /** Connected members that had, when they last told, the same entries and state as this node has now. */
  inSyncWith(): number
  /** Connected members that had, when they last told, the same entries as this node has now, and another state. */
  divergedFrom(): NodeId[]
  /** Fetches that run now. */
  fetching(): number
  /** null while nothing, or little, is on its way */
  catchingUp(): CatchUp | null
  peerHeads(): PeerHeads[]
  /**
   * Compares with one peer and fetches what it has more, dialling it if need be: what a newcomer does first.
   * @throws {UnreachableError} @throws {TimeoutError} @throws {DecodeError}
   */
  fetch(peer: NodeId, options?: { signal?: AbortSignal }): Promise<FetchResult>
}

/** Who is known to have an entry. */
interface Recent {
  readonly entry: Entry
  readonly havers: Set<NodeId>
}

export function createSync(init: SyncInit): Sync {
  const { ledger, host, clock, random } = init
  const interval = init.headsIntervalMs ?? HEADS_INTERVAL_MS
  const links = new Map<NodeId, Link>()
  const claims = new Claims(clock)
  const throttle = createThrottle(clock)
  const progress = createSyncProgress({ clock, count: () => ledger.count(), tell: init.onProgress })
  const recent = new Map<string, Recent>()
  const past = new Set<string>()
  const told = new Map<NodeId, string>()
  const queue: NodeId[] = []
  const running = new Map<NodeId, Promise<void>>()
  const timers = new Set<() => void>()
  const cleanups: (() => void)[] = []
  let forwarding: Recent[] = []
  let pauseMs = 0
  let stopping = new AbortController()
  let isStarted = false

  host.handle('ledger', { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: 0, maxStreamsPerPeer: 4 }, handle)

  function status(): Status {
    const heads = ledger.sync.headsHash()
    past.delete(toHex(heads))
    past.add(toHex(heads))
    for (const oldest of past) {
      if (past.size <= PAST_MAX) break
      past.delete(oldest)
    }
    return { heads, count: ledger.count(), state: init.digest() ?? NO_STATE }
  }

  /** Runs once after `ms`, unless we stop before. */
  function later(ms: number, work: () => void): void {
    const cancel = clock.after(ms, () => {
      timers.delete(cancel)
      work()
    })
    timers.add(cancel)
  }

  // ------------------------------------------------------------------------------------------------------- links

  /** Makes the links match the connected members. */
  function refresh(): void {
    if (!isStarted) return
    const connected = new Set(host.connections().map(({ peer }) => peer))
    for (const peer of connected) if (peer !== ledger.self && init.isMember(peer)) attach(peer)
    for (const peer of links.keys()) if (!connected.has(peer) || !init.isMember(peer)) detach(peer)
  }

  function attach(peer: NodeId): void {
    if (links.has(peer) || ledger.network() === null) return
    links.set(peer, createLink({ peer, host, clock, status, onError: (error) => init.onPeerError?.(peer, error) }))
  }

  function detach(peer: NodeId): void {
    void links.get(peer)?.stop()
    links.delete(peer)
    told.delete(peer)
  }

  function tick(): void {
    refresh()
    for (const link of links.values()) link.tellStatus()
    // jitter, so that 70 nodes do not speak at one moment
    later(Math.min(interval, STATUS_MAX_INTERVAL_MS) * (0.75 + random.below(500) / 1000), tick)
  }

  // ----------------------------------------------------------------------------------------------------- receiving

  async function handle(stream: FrameStream): Promise<void> {
    const { signal } = stopping
    if (!isStarted || ledger.network() === null) return stream.abort()
    const first = await stream.read({ signal, timeoutMs: FRAME_TIMEOUT_MS })
    if (first === null) return
    const frame = decodeSyncFrame(first)
    if (frame.type === 'ask') return serveFetch(ledger, stream, frame.buckets, signal)
    if (init.isMember(stream.peer)) attach(stream.peer)
    links.get(stream.peer)?.hurry()
    await listen(stream, frame, signal)
  }

  async function listen(stream: FrameStream, first: SyncFrame, signal: AbortSignal): Promise<void> {
    let isFirst = true
    for (let frame = first; ; ) {
      if (frame.type === 'status') onStatus(stream.peer, frame, isFirst ? 0 : COMPARE_DELAY_MS)
      else if (frame.type === 'push') await onPush(stream.peer, frame.entries, signal)
      else throw new DecodeError(`a ${frame.type} frame where news are expected`)
      isFirst = false
      const next = await stream.read({ signal, timeoutMs: SILENCE_MS })
      if (next === null) return stream.close()
      frame = decodeSyncFrame(next)
    }
  }

  async function onPush(peer: NodeId, entries: readonly SignedBytes[], signal: AbortSignal): Promise<void> {
    pauseMs = 0
    const result = ledger.ingest(entries, { peer, live: true }) // tells `onEntries` before it returns
    const pause = pauseMs
    blame(result)
    if (result.duplicates > 0) noteHavers(peer, entries)
    later(ACK_DELAY_MS, () => links.get(peer)?.tellStatus())
    if (result.missing.length > 0 || result.refused.some(({ code }) => code === 'unknown-author')) wantFetch(peer)
    // throttled, not dropped: while we do not read, the sender waits
    if (pause > 0) await sleep(clock, pause, signal)
  }

  function onStatus(peer: NodeId, theirs: Status, delayMs: number): void {
    const link = links.get(peer)
    if (link === undefined) return
    link.theirs = theirs
    const compare = () => {
      if (link.theirs !== theirs || links.get(peer) !== link) return
      const ours = status()
      if (equalBytes(ours.heads, theirs.heads)) return agree(peer, ours, theirs)
      // heads that were ours once: the peer is behind, and fetches from us when it hears of it
      if (past.has(toHex(theirs.heads))) return
      wantFetch(peer)
    }
    if (delayMs === 0 || equalBytes(theirs.heads, ledger.sync.headsHash())) compare()
    else later(delayMs, compare)
  }

  function agree(peer: NodeId, ours: Status, theirs: Status): void {
    const own = ledger.sync.unconfirmedOwn()
    if (own !== null) ledger.confirmOwnFeed(own, peer)
    if (!isDiverged(ours, theirs)) return void told.delete(peer)
    if (told.get(peer) === toHex(ours.heads)) return
    told.set(peer, toHex(ours.heads))
    init.onDiverged?.(peer)
  }

  // ------------------------------------------------------------------------------------------------------ fetching

  function wantFetch(peer: NodeId): void {
    if (!isStarted || queue.includes(peer)) return
    queue.push(peer)
    runFetches()
  }

  async function fetchNow(peer: NodeId, signal: AbortSignal, options: { mayDial?: boolean }): Promise<FetchResult> {
    const { left, end } = progress.begin()
    try {
      return await fetchFrom({ ledger, host, clock, claims, ...options, onLeft: left }, peer, signal)
    } finally {
      end()
    }
  }

  function runFetches(): void {
    while (running.size < FETCH_SLOTS) {
      const at = queue.findIndex((peer) => !running.has(peer))
      const [peer] = at < 0 ? [] : queue.splice(at, 1)
      if (peer === undefined) return
      // what we lacked may have come from another peer meanwhile
      const theirs = links.get(peer)?.theirs
      if (links.get(peer) === undefined || (theirs != null && equalBytes(theirs.heads, ledger.sync.headsHash())))
        continue
      const run = fetchNow(peer, stopping.signal, {})
        .then(
          ({ stored }) => {
            links.get(peer)?.fetches.worked()
            if (stored > 0) links.get(peer)?.tellStatus()
          },
          (error: unknown) => {
            // a peer that has gone is fetched from when it is back
            if (isStarted && links.get(peer)?.fetches.isOver(error) === true) init.onPeerError?.(peer, error)
          },
        )
        .finally(() => {
          running.delete(peer)
          if (isStarted) runFetches()
        })
      running.set(peer, run)
    }
  }

  function peerHeads(): PeerHeads[] {
    const ours = { heads: ledger.sync.headsHash(), state: init.digest() ?? NO_STATE }
    return [...links.values()].map(({ peer, theirs }) => ({
      peer,
      status:
        theirs === null ? null : { heads: toHex(theirs.heads), entries: theirs.count, state: toHex(theirs.state) },
      inSync: theirs !== null && hasState(ours) && isEqual(ours, theirs),
      diverged: theirs !== null && isDiverged(ours, theirs),
    }))
  }

  // ---------------------------------------------------------------------------------------------------- forwarding

  function onEntries({ entries, origin, from }: EntriesEvent): void {
    status() // remembers these heads as ours
    if (entries.some((entry) => introducedBy(entry) !== null)) refresh()
    if (origin === 'own') {
      for (const link of links.values()) link.push(entries)
    } else if (origin === 'live' && from !== null) {
      pauseMs = Math.max(pauseMs, throttle(entries))
      const learned = entries.map((entry) => ({ entry, havers: new Set([from, entry.author]) }))
      for (const each of learned) remember(each)
      if (forwarding.length === 0) later(FORWARD_DELAY_MS + random.below(FORWARD_JITTER_MS), forward)
      forwarding.push(...learned)
    }
  }

  function remember(each: Recent): void {
    recent.set(each.entry.id, each)
    for (const oldest of recent.keys()) {
      if (recent.size <= RECENT_MAX) break
      recent.delete(oldest)
    }
  }

  function noteHavers(peer: NodeId, entries: readonly SignedBytes[]): void {
    for (const { bytes } of entries) recent.get(toHex(sha256(bytes)))?.havers.add(peer)
  }

  function forward(): void {
    // the author is always among those who have it
    const learned = forwarding.filter(({ havers }) => havers.size - 1 < FORWARD_ENOUGH)
    forwarding = []
    const perLink = new Map<Link, Entry[]>()
    for (const { entry, havers } of learned) {
      const lacking = [...links.values()].filter(({ peer }) => !havers.has(peer))
      for (const link of shuffled(lacking, random).slice(0, FORWARD_FANOUT)) {
        havers.add(link.peer)
        const list = perLink.get(link)
        if (list === undefined) perLink.set(link, [entry])
        else list.push(entry)
      }
    }
    for (const [link, entries] of perLink) link.push(entries)
  }

  // --------------------------------------------------------------------------------------------------------- life

  return {
    start() {
      if (isStarted) return
      isStarted = true
      stopping = new AbortController()
      cleanups.push(ledger.onEntries(onEntries))
      cleanups.push(
        host.onPeer(({ type, peer }) => {
          if (type === 'disconnected') detach(peer)
          else if (init.isMember(peer)) attach(peer)
        }),
      )
      tick()
    },
    async stop() {
      isStarted = false
      stopping.abort()
      for (const clean of cleanups.splice(0)) clean()
      for (const cancel of timers) cancel()
      timers.clear()
      queue.length = 0
      forwarding = []
      const ending = [...links.values()].map((link) => link.stop())
      links.clear()
      await Promise.all([...ending, ...running.values()])
    },
    inSyncWith: () => peerHeads().filter(({ inSync }) => inSync).length,
    divergedFrom: () =>
      peerHeads()
        .filter(({ diverged }) => diverged)
        .map(({ peer }) => peer),
    fetching: () => running.size,
    catchingUp: () => progress.now(),
    peerHeads,
    fetch: (peer, options = {}) =>
      fetchNow(
        peer,
        options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]),
        { mayDial: true },
      ),
  }
}

type Compared = Pick<Status, 'heads' | 'state'>

function hasState({ state }: Compared): boolean {
  return !equalBytes(state, NO_STATE)
}

function isEqual(a: Compared, b: Compared): boolean {
  return equalBytes(a.heads, b.heads) && equalBytes(a.state, b.state)
}

function isDiverged(a: Compared, b: Compared): boolean {
  return equalBytes(a.heads, b.heads) && hasState(a) && hasState(b) && !equalBytes(a.state, b.state)
}
