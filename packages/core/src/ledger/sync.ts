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
import { type EntryId, idFrom, type NodeId } from '../ids.ts'
import type { FrameStream, Host } from '../network/index.ts'
import type { Random } from '../random.ts'
import { createEarly, EARLY_MS } from './early.ts'
import { decodeEntry, introducedBy } from './entry.ts'
import type { IngestResult } from './ingest.ts'
import type { EntriesEvent, Ledger } from './ledger.ts'
import { createSpread } from './spread.ts'
import { createComparison, type PeerHeads } from './sync-compare.ts'
import { blame, Claims, type FetchResult, fetchFrom } from './sync-fetch.ts'
import { decodeSyncFrame, FRAME_MAX_BYTES, type SyncFrame, shortIdOf } from './sync-frames.ts'
import { createLink, type Link } from './sync-link.ts'
import { type CatchUp, createSyncProgress } from './sync-progress.ts'
import { FRAME_TIMEOUT_MS, serveFetch } from './sync-serve.ts'
import { createThrottle } from './throttle.ts'
import type { SignedBytes } from './types.ts'

export const HEADS_INTERVAL_MS = 5000
/** A member tells its status at least this often, so that a silent stream can be told from a dead one. */
const STATUS_MAX_INTERVAL_MS = 60_000
const SILENCE_MS = 150_000
/** Fetches at one time. */
const FETCH_SLOTS = 3
/** A peer that pushed is told where we are, together with what else it pushes in this time. */
const ACK_DELAY_MS = 100
/** Entries of one fetch that are news to others as well. Who has missed more has missed what they have. */
const FETCHED_NEWS = 64
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
  /** This node knows again what others know: see `isCurrent`. */
  onCurrent?: () => void
  /** Catching up goes on, or has ended. */
  onProgress?: (progress: CatchUp) => void
  /** What went wrong with a peer: for the log. */
  onPeerError?: (peer: NodeId, error: unknown) => void
}

export interface Sync {
  start(): void
  /** Ends all streams. A second call does no harm. */
  stop(): Promise<void>
  /** Connected members that had, when they last told, the same entries and state as this node has now. */
  inSyncWith(): number
  /**
   * Since this node was last without others it has once had all that one of them had: what it decides by itself it does not
   * decide on what was true before it was away.
   */
  isCurrent(): boolean
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

export function createSync(init: SyncInit): Sync {
  const { ledger, host, clock, random } = init
  const interval = init.headsIntervalMs ?? HEADS_INTERVAL_MS
  const links = new Map<NodeId, Link>()
  const claims = new Claims(clock)
  const throttle = createThrottle(clock)
  const progress = createSyncProgress({ clock, count: () => ledger.count(), tell: init.onProgress })
  const early = createEarly()
  /** entries that the fetches which run now have brought */
  const fetched = new Map<NodeId, number>()
  const queue: NodeId[] = []
  const running = new Map<NodeId, Promise<void>>()
  const timers = new Set<() => void>()
  const cleanups: (() => void)[] = []
  /** what `early` may have been waiting for */
  const arrived: EntryId[] = []
  let pauseMs = 0
  let stopping = new AbortController()
  let isStarted = false
  let isCurrent = false

  const spread = createSpread({ ledger, clock, random, links, later })
  const compared = createComparison({
    ledger,
    clock,
    links,
    later,
    digest: init.digest,
    intervalMs: interval,
    isPulling: spread.isPulling,
    fetch: wantFetch,
    onEqual: becomeCurrent,
    onDiverged: init.onDiverged,
  })

  host.handle('ledger', { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: 0, maxStreamsPerPeer: 4 }, handle)

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
    const connections = host.connections()
    const connected = new Set(connections.map(({ peer }) => peer))
    for (const peer of connected) if (peer !== ledger.self && init.isMember(peer)) attach(peer)
    for (const peer of links.keys()) if (!connected.has(peer) || !init.isMember(peer)) detach(peer)
    for (const { peer, rttMs } of connections) {
      const link = links.get(peer)
      if (link !== undefined && rttMs !== null) link.rttMs = rttMs
    }
  }

  function attach(peer: NodeId): void {
    if (links.has(peer) || ledger.network() === null) return
    links.set(
      peer,
      createLink({ peer, host, clock, status: compared.status, onError: (error) => init.onPeerError?.(peer, error) }),
    )
  }

  function detach(peer: NodeId): void {
    void links.get(peer)?.stop()
    links.delete(peer)
    compared.gone(peer)
    spread.gone(peer)
    if (links.size === 0) isCurrent = false
  }

  function becomeCurrent(): void {
    if (isCurrent) return
    isCurrent = true
    init.onCurrent?.()
  }

  function tick(): void {
    refresh()
    spread.sweep()
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
      if (frame.type === 'status') compared.onStatus(stream.peer, frame, isFirst)
      else if (frame.type === 'push') await onPush(stream.peer, frame.entries, signal)
      // who catches up gets what is new with the rest
      else if (frame.type === 'announce') {
        if (progress.now() === null) spread.heard(stream.peer, frame.ids)
      } else if (frame.type === 'pull') spread.asked(stream.peer, frame.ids)
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
    blame(result)
    const ids = entries.map(({ bytes }) => idFrom<EntryId>(sha256(bytes)))
    spread.sent(peer, ids.map(shortIdOf), result.waiting === 0 && result.refused.length === 0)
    const isUnknown = result.refused.some(({ code }) => code === 'unknown-author')
    if (isUnknown || (result.missing.length > 0 && !awaitPredecessors(peer, entries, result))) wantFetch(peer)
    ingestFollowers()
    later(ACK_DELAY_MS, () => links.get(peer)?.tellStatus())
    const pause = pauseMs
    if (pause === 0) return
    // throttled, not dropped: while we do not read, the sender waits
    const link = links.get(peer)
    if (link !== undefined) link.pausedUntil = clock.now() + pause
    await sleep(clock, pause, signal)
  }

  /** One feed's entries may take different ways: what must go before these is awaited. @returns false without room */
  function awaitPredecessors(peer: NodeId, entries: readonly SignedBytes[], { missing }: IngestResult): boolean {
    const network = ledger.network()
    if (network === null) return false
    const ahead = entries
      .map((entry) => decodeEntry(entry, network))
      .filter(({ feed, seq, id }) => missing.includes(feed) && !ledger.sync.knows({ feed, seq, id }))
    if (!ahead.every((entry) => early.add(entry, peer))) return false
    later(EARLY_MS, () => {
      const given = early.drop(peer)
      if (given.length === 0) return
      spread.again(given.map(shortIdOf))
      wantFetch(peer)
    })
    return true
  }

  /** What was waiting for the entries that have come, and for what follows from that. */
  function ingestFollowers(): void {
    for (let id = arrived.pop(); id !== undefined; id = arrived.pop()) {
      const next = early.after(id)
      if (next !== undefined) ledger.ingest([next.entry], { peer: next.peer, live: true })
    }
  }

  // ------------------------------------------------------------------------------------------------------ fetching

  function wantFetch(peer: NodeId): void {
    if (!isStarted || queue.includes(peer)) return
    queue.push(peer)
    runFetches()
  }

  async function fetchNow(peer: NodeId, signal: AbortSignal, options: { mayDial?: boolean }): Promise<FetchResult> {
    const { left, end } = progress.begin()
    fetched.set(peer, 0)
    try {
      return await fetchFrom({ ledger, host, clock, claims, ...options, onLeft: left }, peer, signal)
    } finally {
      fetched.delete(peer)
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
            const link = links.get(peer)
            if (link === undefined) return
            link.fetches.worked()
            if (stored > 0) link.tellStatus()
            becomeCurrent()
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

  // ---------------------------------------------------------------------------------------------------- spreading

  function onEntries({ entries, origin, from }: EntriesEvent): void {
    compared.status() // remembers these heads as ours
    if (entries.some((entry) => introducedBy(entry) !== null)) refresh()
    if (origin === 'own') {
      spread.own(entries)
      return
    }
    if (origin === 'live') pauseMs = Math.max(pauseMs, throttle(entries))
    if (early.size() > 0) {
      for (const { id } of entries) arrived.push(id)
      if (origin === 'catch-up') later(0, ingestFollowers)
    }
    spread.learned(entries, from, origin === 'live' || isFetchedNews(from, entries.length))
  }

  /** What a link lost is fetched, and is news on the far side of it; what a node missed while it was off is not. */
  function isFetchedNews(from: NodeId | null, count: number): boolean {
    const before = from === null ? undefined : fetched.get(from)
    if (from === null || before === undefined) return false
    fetched.set(from, before + count)
    return before + count <= FETCHED_NEWS
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
      isCurrent = false
      stopping.abort()
      for (const clean of cleanups.splice(0)) clean()
      for (const cancel of timers) cancel()
      timers.clear()
      queue.length = 0
      spread.clear()
      const ending = [...links.values()].map((link) => link.stop())
      links.clear()
      await Promise.all([...ending, ...running.values()])
    },
    inSyncWith: () => compared.peerHeads().filter(({ inSync }) => inSync).length,
    isCurrent: () => isCurrent,
    divergedFrom: () =>
      compared
        .peerHeads()
        .filter(({ diverged }) => diverged)
        .map(({ peer }) => peer),
    fetching: () => running.size,
    catchingUp: () => progress.now(),
    peerHeads: compared.peerHeads,
    fetch: (peer, options = {}) =>
      fetchNow(
        peer,
        options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]),
        { mayDial: true },
      ),
  }
}
