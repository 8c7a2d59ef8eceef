/**
 * Who is gone for longer than the grace, as far as this node can know: its own absence says nothing about the others.
 * One that was off for a week has seen nobody for a week, and must not take that for a week in which nobody was there.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Presence } from '../network/index.ts'

/** After it is in touch with others again a node waits so long for the rest of them before it calls one gone (ms). */
export const MEETING_MS = 2 * 60_000

export interface AbsenceInit {
  readonly clock: Clock
  readonly presence: Pick<Presence, 'get' | 'isConnected' | 'list' | 'onChange'>
  readonly graceMs: number
  /** ms; when a member was admitted, as it was written then: for those that were never seen here */
  readonly admittedAt: (node: NodeId) => number
  readonly self: NodeId
}

export interface Absence {
  /** it was not seen for longer than the grace, and this node was there to see it */
  isAway(node: NodeId): boolean
  stop(): void
}

export function createAbsence({ clock, presence, graceMs, admittedAt, self }: AbsenceInit): Absence {
  const isInTouch = () => presence.list().some(({ connected }) => connected)
  let inTouchSince: number | null = isInTouch() ? clock.now() : null
  const stop = presence.onChange(({ type }) => {
    if (type === 'connected') inTouchSince ??= clock.now()
    else if (type === 'disconnected' && !isInTouch()) inTouchSince = null
  })
  return {
    stop,
    isAway(node) {
      // asked for each holder of each file: the rest is for the few that are off
      if (node === self || inTouchSince === null || presence.isConnected(node)) return false
      const now = clock.now()
      if (now - inTouchSince < Math.min(graceMs, MEETING_MS)) return false
      // a newcomer never saw who was gone before it came; without this it would wait for it for ever
      const since = presence.get(node).lastSeen ?? Math.max(admittedAt(node), admittedAt(self))
      return now - since > graceMs
    },
  }
}
