/** Server-sent events (WHATWG HTML, 9.2) out of the node's event buffer. */
import { Readable } from 'node:stream'
import type { NodeEvent } from '@malote/core'

/** Proxies and clients take a silent connection for a dead one. Milliseconds. */
export const HEARTBEAT_MS = 15_000

export interface EventStreamInit {
  events: AsyncIterable<NodeEvent>
  signal: AbortSignal
  /** only these types; all when absent */
  types?: ReadonlySet<string>
  /** @default HEARTBEAT_MS */
  heartbeatMs?: number
}

/** Ends without an error when the signal ends it. A reader that does not read holds back nothing but this stream. */
export function eventStream(init: EventStreamInit): Readable {
  return Readable.from(frames(init), { objectMode: false, highWaterMark: 64 * 1024 })
}

async function* frames({ events, signal, types, heartbeatMs = HEARTBEAT_MS }: EventStreamInit): AsyncGenerator<Buffer> {
  // sends the headers at once, and tells browsers to come back soon
  yield Buffer.from('retry: 1000\n: here\n\n')
  const iterator = events[Symbol.asyncIterator]()
  let next = iterator.next()
  // a rejection while we wait for the reader must not count as unhandled
  next.catch(() => undefined)
  try {
    while (!signal.aborted) {
      const result = await orHeartbeat(next, heartbeatMs)
      if (result === 'heartbeat') {
        yield Buffer.from(': still here\n\n')
        continue
      }
      if (result.done) return
      next = iterator.next()
      next.catch(() => undefined)
      if (types === undefined || types.has(result.value.type)) yield frame(result.value)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await iterator.return?.()
  }
}

/** JSON has no raw line break, so one `data:` line is enough. */
export function frame(event: NodeEvent): Buffer {
  return Buffer.from(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}

async function orHeartbeat<T>(next: Promise<T>, ms: number): Promise<T | 'heartbeat'> {
  let timer: NodeJS.Timeout | undefined
  const beat = new Promise<'heartbeat'>((resolve) => {
    timer = setTimeout(() => resolve('heartbeat'), ms)
    timer.unref()
  })
  try {
    return await Promise.race([next, beat])
  } finally {
    clearTimeout(timer)
  }
}
