/** One virtual time for all, in which nothing happens but events; each node reads it through a clock of its own. */
import type { Clock } from '../../packages/core/src/clock.ts'

interface Event {
  readonly at: number
  readonly order: number
  run: (() => void) | null
}

export class Timeline {
  now = Date.UTC(2031, 2, 3, 8)
  #heap: Event[] = []
  #order = 0
  /** events run */
  steps = 0

  /** @returns the way to cancel it */
  after(ms: number, run: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, ms), order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  /** Runs what is due within the next `ms`, one event after the other, each with all that follows from it at once. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms
    await settled()
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop()
      if (next.run === null) continue
      this.now = Math.max(this.now, next.at)
      this.steps += 1
      next.run()
      await settled()
    }
    this.now = Math.max(this.now, end)
  }

  /** Time goes by in which nobody was there: nothing runs meanwhile. */
  skip(ms: number): void {
    this.now += ms
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as Event
      if (before(parent, event)) break
      heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && before(right, heap[child] as Event)) child += 1
      if (before(last, heap[child] as Event)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Everything that promises still had to do is done when a macrotask runs: nothing in a run waits for anything real. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A node's clock: off by so much, and silent once the node is gone. */
export class NodeClock implements Clock {
  readonly #timeline: Timeline
  readonly #offset: () => number
  #stopped = false

  constructor(timeline: Timeline, offset: () => number) {
    this.#timeline = timeline
    this.#offset = offset
  }

  now(): number {
    return Math.floor(this.#timeline.now + this.#offset())
  }

  after(ms: number, callback: () => void): () => void {
    return this.#timeline.after(ms, () => {
      if (!this.#stopped) callback()
    })
  }

  /** Power cut: no timer fires any more. */
  stop(): void {
    this.#stopped = true
  }
}
