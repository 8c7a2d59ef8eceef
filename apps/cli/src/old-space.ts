/**
 * How much may come before V8 marks the whole heap. It reckons that by the heap alone, some 20 MiB here, so that 8 MiB of
 * buffers are enough, and those that pass through a node come a hundred times as much a second. Why: decision 0009.
 */
import { setFlagsFromString } from 'node:v8'

const MiB = 1024 * 1024
/** May come on top of what is in use. */
const SPARE_BYTES = 40 * MiB
/** A heap of this size has room of its own: V8 decides. */
const LARGE_BYTES = 64 * MiB
/** The flag is set anew when it would be so much another, in percent. */
const STEP = 25

/** By how many percent the heap may grow until it is marked; 0: as V8 thinks. */
export function growthPercent(usedBytes: number): number {
  if (usedBytes >= LARGE_BYTES) return 0
  return Math.ceil((100 * SPARE_BYTES) / Math.max(usedBytes, 1) / STEP) * STEP
}

/** @returns to be told how large the heap is: decides when it is marked next */
export function spaceOld(): (usedBytes: number) => void {
  let percent = 0
  return (usedBytes) => {
    const next = growthPercent(usedBytes)
    if (next === percent) return
    percent = next
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
}
