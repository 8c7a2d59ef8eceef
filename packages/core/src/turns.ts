/**
 * Long work cut into turns of the event loop by the time it takes: how much is done in a millisecond is different on every
 * machine and in every network. What has to be whole (a transaction) cannot be cut and is made cheap instead.
 */
import { setImmediate } from 'node:timers/promises'

/** Several such works share a round of the loop with what people ask for and with the collector; all of it stays below 50 ms. */
export const TURN_MS = 8

export interface Turns<T> {
  /** Whether this turn has taken its time. */
  isOver(): boolean
  /** Begins another, after the rest. */
  next(): Promise<T>
}

/**
 * @param rest waited for between two turns, like `nextTurn`
 * @param now milliseconds since some moment
 */
export function createTurns<T>(rest: () => Promise<T>, now: () => number = () => performance.now()): Turns<T> {
  let began = now()
  return {
    isOver: () => now() - began >= TURN_MS,
    async next() {
      const result = await rest()
      began = now()
      return result
    },
  }
}

/** Everybody else has a turn. */
export function nextTurn(): Promise<void> {
  return setImmediate()
}

/** Work that has been cut into steps, in one go. */
export function runInOneGo<R>(steps: Generator<void, R>): R {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in turns. @returns null when a rest has ended it by `false` */
export async function runInTurns<R>(steps: Generator<void, R>, turns: Turns<unknown>): Promise<R | null> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (turns.isOver() && (await turns.next()) === false) return null
  }
}
