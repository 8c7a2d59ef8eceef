/** How far this node's clock is off, by what its peers say. Pure. */

export interface ClockSample {
  /** peer's clock minus ours, half a round trip allowed for, milliseconds */
  readonly offsetMs: number
}

/** Median of the peers' offsets: add it to our clock to get theirs. Null without a witness. */
export function medianSkew(samples: readonly ClockSample[]): { ms: number; witnesses: number } | null {
  const sorted = samples.map(({ offsetMs }) => offsetMs).sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  if (upper === undefined || lower === undefined) return null
  return { ms: Math.round((lower + upper) / 2), witnesses: sorted.length }
}

/** The peer read its clock at some moment between our sending and our hearing. */
export function offsetOf(sentAt: number, heardAt: number, peerMs: number): number {
  return Math.round(peerMs - (sentAt + heardAt) / 2)
}
