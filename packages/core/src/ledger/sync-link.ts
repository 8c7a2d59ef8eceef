/** Our one-way stream to one connected member: status and pushes. Opened at once, and again when it breaks. */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { createPatience, createRetry, type FrameStream, type Host, type Patience } from '../network/index.ts'
import { OPEN_MAX, type SpreadLink } from './spread.ts'
import { encodeSyncFrame, FRAME_IDS, FRAME_MAX_BYTES, inFrames, type ShortId, type Status } from './sync-frames.ts'
import { FRAME_TIMEOUT_MS } from './sync-serve.ts'
import type { SignedBytes } from './types.ts'

/** Waiting pushes; beyond that the queue is dropped, and the peer fetches what it lacks. */
const QUEUE_ENTRIES = 1000
const QUEUE_BYTES = 1024 * 1024
const REOPEN_FIRST_MS = 250
const REOPEN_MAX_MS = 30_000

/** The first announcement goes out at once; what follows within this time goes together. */
export const ANNOUNCE_GAP_MS = 50

export interface Link extends SpreadLink {
  /** as the peer last told it */
  theirs: Status | null
  /** a status that differs from ours is being thought about */
  isComparing: boolean
  /** when it was last found equal, or fetched from, or behind */
  comparedAt: number
  /** entries that we had when it told */
  hadThen: number
  rttMs: number
  pausedUntil: number
  /** Tells our status, as it then is, after what is to be pushed. */
  tellStatus(): void
  /** The peer has spoken to us: a stream that could not be opened is tried again. */
  hurry(): void
  /** with fetches from this peer */
  readonly fetches: Patience
  stop(): Promise<void>
}

export interface LinkInit {
  peer: NodeId
  host: Host
  clock: Clock
  status: () => Status
  onError: (error: unknown) => void
}

export function createLink(init: LinkInit): Link {
  const { peer, host, clock } = init
  const ending = new AbortController()
  const wait = { signal: ending.signal, timeoutMs: FRAME_TIMEOUT_MS }
  let queue: SignedBytes[] = []
  let queuedBytes = 0
  const pulls: ShortId[] = []
  const announced = new Set<ShortId>()
  let announcedAt = Number.NEGATIVE_INFINITY
  let cancelGap: (() => void) | undefined
  let statusDue = true
  let wake: (() => void) | undefined
  const retry = createRetry({ clock, firstMs: REOPEN_FIRST_MS, lastMs: REOPEN_MAX_MS })

  /** A clock that was set back counts as time gone by. */
  const gapLeft = () => {
    const since = clock.now() - announcedAt
    return since < 0 ? 0 : Math.max(0, ANNOUNCE_GAP_MS - since)
  }

  const somethingToTell = () =>
    new Promise<void>((resolve) => {
      const isDue = queue.length > 0 || pulls.length > 0 || statusDue || (announced.size > 0 && gapLeft() === 0)
      if (isDue || ending.signal.aborted) resolve()
      else wake = resolve
    })

  const notify = () => {
    wake?.()
    wake = undefined
  }

  async function tell(stream: FrameStream): Promise<void> {
    statusDue = true
    while (!ending.signal.aborted) {
      await somethingToTell()
      // who has not heard of an entry does not remember that it is asked for it
      const isEarly = announced.size > 0 && pulls.some((id) => announced.has(id))
      if (announced.size > 0 && (isEarly || gapLeft() === 0)) {
        const ids = [...announced]
        announced.clear()
        announcedAt = clock.now()
        for (const part of parts(ids)) await stream.write(encodeSyncFrame({ type: 'announce', ids: part }), wait)
      }
      for (const ids of parts(pulls.splice(0))) await stream.write(encodeSyncFrame({ type: 'pull', ids }), wait)
      const entries = queue
      queue = []
      queuedBytes = 0
      for (const part of inFrames(entries)) await stream.write(encodeSyncFrame({ type: 'push', entries: part }), wait)
      if (statusDue && queue.length === 0) {
        statusDue = false
        await stream.write(encodeSyncFrame({ type: 'status', ...init.status() }), wait)
      }
    }
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      let stream: FrameStream | undefined
      try {
        stream = await host.open(peer, 'ledger', { ...wait, maxFrameBytes: FRAME_MAX_BYTES, connectedOnly: true })
        const openedAt = clock.now()
        await tell(stream).finally(() => {
          if (clock.now() - openedAt > REOPEN_MAX_MS) retry.worked()
        })
        stream.abort() // at once: a peer that does not read must not hold up our stop
      } catch (error) {
        stream?.abort()
        if (ending.signal.aborted) return
        if (retry.failed(error)) init.onError(error)
        // its connection may be about to be reported as closed, which ends this link
        await retry.pause(ending.signal)
      }
    }
  }

  const running = run()
  return {
    peer,
    theirs: null,
    isComparing: false,
    comparedAt: Number.NEGATIVE_INFINITY,
    hadThen: 0,
    rttMs: 0,
    pausedUntil: 0,
    pull(ids) {
      // more are not asked for at one time
      if (pulls.length + ids.length <= OPEN_MAX) pulls.push(...ids)
      notify()
    },
    announce(ids) {
      for (const id of ids) announced.add(id)
      if (announced.size > FRAME_IDS) {
        announced.clear()
        statusDue = true
      }
      const left = gapLeft()
      if (left === 0 || statusDue) notify()
      else {
        cancelGap ??= clock.after(left, () => {
          cancelGap = undefined
          notify()
        })
      }
    },
    push(entries) {
      for (const { bytes, sig, cosig } of entries) {
        queue.push({ bytes, sig, cosig })
        queuedBytes += bytes.length
      }
      if (queue.length > QUEUE_ENTRIES || queuedBytes > QUEUE_BYTES) {
        queue = []
        queuedBytes = 0
        statusDue = true
      }
      notify()
    },
    tellStatus() {
      statusDue = true
      notify()
    },
    hurry: retry.hurry,
    fetches: createPatience(clock),
    async stop() {
      ending.abort()
      cancelGap?.()
      notify()
      await running
    },
  }
}

function* parts(ids: readonly ShortId[]): Generator<ShortId[]> {
  for (let at = 0; at < ids.length; at += FRAME_IDS) yield ids.slice(at, at + FRAME_IDS)
}
