/**
 * What a source says of its chunks without sending one. Some of it brings nothing and is due all the same (`busy`, news
 * that cross what was asked); without a bound a source could talk for ever, be taken for alive, and never send a chunk.
 */
import type { Clock } from '../clock.ts'
import { getBit, setBit } from '../content/index.ts'
import type { NodeId } from '../ids.ts'
import { SourceBrokenError } from './errors.ts'
import type { ControlReply } from './protocol.ts'
import type { SourcePicker } from './source-picker.ts'

/** Messages of no use that are forgiven at once, and per second. An honest source says `busy` every three seconds. */
export const IDLE_TALK_BURST = 64
export const IDLE_TALK_PER_SECOND = 2

export class IdleTalk {
  readonly #clock: Pick<Clock, 'now'>
  readonly #count: number
  #left = IDLE_TALK_BURST
  #at: number
  /** chunks that it has said to be gone */
  #gone: Uint8Array | null = null

  /** @param count chunks of the version */
  constructor(clock: Pick<Clock, 'now'>, count: number) {
    this.#clock = clock
    this.#count = count
    this.#at = clock.now()
  }

  /** Another message of no use. @throws {SourceBrokenError} when it is one too many */
  ofNoUse(peer: NodeId): void {
    const now = this.#clock.now()
    const regained = (Math.max(0, now - this.#at) / 1000) * IDLE_TALK_PER_SECOND
    this.#left = Math.min(IDLE_TALK_BURST, this.#left + regained) - 1
    this.#at = now
    if (this.#left < 0) throw new SourceBrokenError(peer, 'talks without end and brings nothing')
  }

  /** A chunk may be lost; one that is lost again and again is never there. @returns whether it is the first time */
  isNewsThatGone(index: number): boolean {
    if (index >= this.#count) return false
    this.#gone ??= new Uint8Array(Math.ceil(this.#count / 8))
    if (getBit(this.#gone, index)) return false
    setBit(this.#gone, index)
    return true
  }
}

/** One that is not the answer to something else. */
export type News = Extract<ControlReply, { t: 'have' | 'gone' | 'cancelled' | 'busy' }>

/** @returns how many chunks the source owes no longer @throws {SourceBrokenError} */
export function takeNews(
  picker: SourcePicker<NodeId>,
  { peer, talk }: { readonly peer: NodeId; readonly talk: IdleTalk },
  news: News,
  now: number,
): number {
  let settled = 0
  let isOfUse = false
  switch (news.t) {
    case 'have':
      isOfUse = picker.have(peer, news.indexes, now)
      break
    case 'gone':
      for (const index of news.indexes) {
        if (!picker.gone(peer, index, now)) continue
        settled += 1
        if (talk.isNewsThatGone(index)) isOfUse = true
      }
      break
    case 'cancelled':
      settled = picker.confirmed(peer, news.indexes, now).length
      isOfUse = settled > 0
      break
    case 'busy':
      picker.heard(peer, now)
  }
  if (!isOfUse) talk.ofNoUse(peer)
  return settled
}
