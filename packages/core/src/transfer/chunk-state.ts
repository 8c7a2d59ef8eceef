/**
 * Which chunks of one version are missing, asked for, arrived (being verified) or here. Pure.
 *
 *     missing -> asked -> arrived -> here
 *        ^---------+---------+         taken back, vanished, or not the chunk it was named
 */

export const CHUNK_STATES = ['missing', 'asked', 'arrived', 'here'] as const
export type ChunkState = (typeof CHUNK_STATES)[number]

const MISSING = 0
const ASKED = 1
const ARRIVED = 2
const HERE = 3

export class ChunkStates {
  readonly count: number
  readonly #states: Uint8Array
  readonly #askers: Uint8Array
  #here = 0
  #missing: number

  /** @param isHere chunks that need not be fetched */
  constructor(count: number, isHere: (index: number) => boolean) {
    this.count = count
    this.#states = new Uint8Array(count)
    this.#askers = new Uint8Array(count)
    for (let index = 0; index < count; index++) {
      if (!isHere(index)) continue
      this.#states[index] = HERE
      this.#here += 1
    }
    this.#missing = count - this.#here
  }

  get here(): number {
    return this.#here
  }

  /** Not asked for by anyone. */
  get missing(): number {
    return this.#missing
  }

  /** Not yet here. */
  get left(): number {
    return this.count - this.#here
  }

  get isDone(): boolean {
    return this.#here === this.count
  }

  of(index: number): ChunkState {
    return CHUNK_STATES[this.#states[index] ?? HERE] ?? 'here'
  }

  isMissing(index: number): boolean {
    return this.#states[index] === MISSING
  }

  isAsked(index: number): boolean {
    return this.#states[index] === ASKED
  }

  /** How many sources it is asked of now. */
  askers(index: number): number {
    return this.#askers[index] ?? 0
  }

  /** missing, asked -> asked */
  ask(index: number): void {
    const state = this.#states[index]
    if (state !== MISSING && state !== ASKED)
      throw new RangeError(`chunk ${index} is ${this.of(index)}, not to be asked`)
    if (state === MISSING) this.#missing -= 1
    this.#states[index] = ASKED
    this.#askers[index] = this.askers(index) + 1
  }

  /** asked -> asked, missing. @returns true when nobody is asked any more */
  unask(index: number): boolean {
    const askers = this.askers(index)
    if (askers === 0) return false
    this.#askers[index] = askers - 1
    if (askers > 1 || this.#states[index] !== ASKED) return false
    this.#states[index] = MISSING
    this.#missing += 1
    return true
  }

  /** missing, asked -> arrived. @returns false when it is arrived or here already */
  arrive(index: number): boolean {
    const state = this.#states[index]
    if (state !== MISSING && state !== ASKED) return false
    if (state === MISSING) this.#missing -= 1
    this.#states[index] = ARRIVED
    return true
  }

  /** missing, asked, arrived -> here. @returns false when it was here */
  land(index: number): boolean {
    const state = this.#states[index]
    if (state === HERE || state === undefined) return false
    if (state === MISSING) this.#missing -= 1
    this.#states[index] = HERE
    this.#here += 1
    return true
  }

  /** arrived -> asked, missing. @returns true when nobody else is asked for it */
  fail(index: number): boolean {
    if (this.#states[index] !== ARRIVED) return false
    if (this.askers(index) > 0) {
      this.#states[index] = ASKED
      return false
    }
    this.#states[index] = MISSING
    this.#missing += 1
    return true
  }
}
