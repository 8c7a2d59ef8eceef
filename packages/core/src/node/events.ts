/** What has happened, told after it is durable; the newest are kept so that a reader can come back and miss nothing. */
import type { Clock } from '../clock.ts'
import type { EventMap, EventName, NodeEvent, NodeEvents } from './types.ts'

const KEPT = 10_000

export interface EventHub extends NodeEvents {
  emit<K extends EventName>(type: K, data: EventMap[K]): void
  /** how many of this type there were since the start */
  count(type: EventName): number
  /** This branch may not know the file's name any more: it goes from what is kept, too. */
  forgetName(fileId: string): void
}

/** The event without the name of a file; it keeps its place, since ids have no gaps. */
function withoutName(event: NodeEvent): NodeEvent {
  const { id, time } = event
  if (event.type === 'file:published' || event.type === 'file:updated')
    return { id, time, type: 'file:hidden', data: { fileId: event.data.fileId } }
  if (event.type === 'transfer:progress' || event.type === 'transfer:ended')
    return { ...event, data: { ...event.data, name: null } }
  return event
}

/** @param onProblem a listener threw: our fault or the SDK user's, never a reason to stop */
export function createEventHub(clock: Clock, onProblem: (error: unknown) => void): EventHub {
  const listeners = new Map<EventName, Set<(data: never) => void>>()
  const kept: NodeEvent[] = []
  const waiting = new Set<() => void>()
  const counts = new Map<EventName, number>()
  // ids go on rising over a restart, so that a reader's last id stays meaningful
  let nextId = clock.now() * 1000

  return {
    emit(type, data) {
      const event = { id: nextId++, time: new Date(clock.now()).toISOString(), type, data } as NodeEvent
      counts.set(type, (counts.get(type) ?? 0) + 1)
      kept.push(event)
      if (kept.length > KEPT) kept.splice(0, kept.length - KEPT)
      for (const listener of [...(listeners.get(type) ?? [])]) {
        try {
          listener(data as never)
        } catch (error) {
          onProblem(error)
        }
      }
      for (const wake of [...waiting]) wake()
    },
    count: (type) => counts.get(type) ?? 0,
    forgetName(fileId) {
      for (const [at, event] of kept.entries()) {
        if ('fileId' in event.data && event.data.fileId === fileId) kept[at] = withoutName(event)
      }
    },
    on(type, listener) {
      const set = listeners.get(type) ?? new Set()
      listeners.set(type, set)
      set.add(listener as (data: never) => void)
      return () => void set.delete(listener as (data: never) => void)
    },
    async *since(lastId, { signal }) {
      // an id that is not out yet is of a run before the clock was set back: whoever has it knows nothing of this run
      let cursor = lastId === undefined ? nextId - 1 : lastId < nextId ? lastId : 0
      while (!signal.aborted) {
        const next = kept[Math.max(0, cursor + 1 - (kept[0]?.id ?? 0))] // ids have no gaps
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            const wake = () => {
              waiting.delete(wake)
              signal.removeEventListener('abort', wake)
              resolve()
            }
            waiting.add(wake)
            signal.addEventListener('abort', wake, { once: true })
          })
          continue
        }
        cursor = next.id
        yield next
      }
    },
  }
}
