/**
 * Bounds the space for young objects. V8 doubles it whenever much of it outlives a collection, up to 128 MiB here, and does
 * not give it back while the process works: connections that live a few seconds are enough, which anybody can open. Why:
 * decision 0009.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const MiB = 1024 * 1024
/** From this size on, both halves counted, it grows no more. */
const YOUNG_BYTES = 32 * MiB
/** What V8 does by itself. */
const DOUBLES = 2
const STAYS = 1

/** How many times as large it may become by its next growth. */
export function growthFor(youngBytes: number): number {
  return youngBytes >= YOUNG_BYTES ? STAYS : DOUBLES
}

/** @returns looks how large it is, in some microseconds, and decides about its next growth */
export function boundYoungSpace(): () => void {
  let growth = DOUBLES
  return () => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    const next = growthFor(young?.space_size ?? 0)
    if (next === growth) return
    growth = next
    setFlagsFromString(`--semi-space-growth-factor=${growth}`)
  }
}
