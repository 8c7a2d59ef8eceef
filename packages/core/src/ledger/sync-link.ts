/** Our one-way stream to one connected member: status and pushes. Opened at once, and again when it breaks. */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { createPatience, createRetry, type FrameStream, type Host, type Patience } from '../network/index.ts'
import { encodeSyncFrame, FRAME_MAX_BYTES, inFrames, type Status } from './sync-frames.ts'
import { FRAME_TIMEOUT_MS } from './sync-serve.ts'
import type { SignedBytes } from './types.ts'

/** Waiting pushes; beyond that the queue is dropped, and the peer fetches what it lacks. */
const QUEUE_ENTRIES = 1000
const QUEUE_BYTES = 1024 * 1024
const REOPEN_FIRST_MS = 250
const REOPEN_MAX_MS = 30_000

export interface Link {
  readonly peer: NodeId
  /** as the peer last told it */
  theirs: Status | null
  push(entries: readonly SignedBytes[]): void
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
  let statusDue = true
  let wake: (() => void) | undefined
  const retry = createRetry({ clock, firstMs: REOPEN_FIRST_MS, lastMs: REOPEN_MAX_MS })

  const somethingToTell = () =>
    new Promise<void>((resolve) => {
      if (queue.length > 0 || statusDue || ending.signal.aborted) resolve()
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
      notify()
      await running
    },
  }
}
