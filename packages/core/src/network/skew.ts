/** How far this node's clock is off, by what its peers say. Pure. */

export interface ClockSample {
  /** peer's clock minus ours, half a round trip allowed for, milliseconds */
  readonly offsetMs: number
}

/** The one meaning of a skew everywhere: how far our clock is ahead (+) or behind (-), by how many peers. */
export interface Skew {
  readonly ms: number
  readonly witnesses: number
}

/** Below this many witnesses one that lies could be the median: we count as off only if we are off all of them. */
const ENOUGH_WITNESSES = 3

/** Against the median of the peers; of fewer than three against the one whose clock is nearest to ours. Null without a witness. */
export function medianSkew(samples: readonly ClockSample[]): Skew | null {
  const ahead = samples.map(({ offsetMs }) => -offsetMs)
  const witnesses = ahead.length
  if (witnesses < ENOUGH_WITNESSES) {
    const [nearest] = ahead.sort((a, b) => Math.abs(a) - Math.abs(b))
    return nearest === undefined ? null : { ms: Math.round(nearest), witnesses }
  }
  ahead.sort((a, b) => a - b)
  const middle = Math.floor(witnesses / 2)
  const upper = ahead[middle] ?? 0
  const lower = ahead[Math.floor((witnesses - 1) / 2)] ?? upper
  return { ms: Math.round((lower + upper) / 2), witnesses }
}

/** The peer read its clock at some moment between our sending and our hearing. */
export function offsetOf(sentAt: number, heardAt: number, peerMs: number): number {
  return Math.round(peerMs - (sentAt + heardAt) / 2)
}
