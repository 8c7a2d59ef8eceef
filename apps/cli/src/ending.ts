/**
 * A process that was told to end does end. All that `up` has started it also stops, each part within its own deadline; if
 * one of them does not, or leaves something open, that is a fault, which is told, and the process is ended all the same:
 * the data folder is made for it, and who waits to start the next one does not wait in vain.
 */

/** Stopping everything; the slowest part is what is still to be told to others (ms). */
export const STOP_MS = 30_000
/** From then on nothing should be open any more (ms). */
const OPEN_MS = 5_000

/** Begins to count when the end begins. @returns to be called when all has been stopped */
export function endInTime(
  note: (what: string) => void,
  exit: (code: number) => void = (code) => process.exit(code),
): () => void {
  const late = (ms: number, what: string) =>
    setTimeout(() => {
      note(`${what}: ${process.getActiveResourcesInfo().join(', ')}`)
      exit(1)
      // as long as anything is open it comes all the same; where nothing is, the process has ended
    }, ms).unref()
  const stopping = late(STOP_MS, 'stopping takes too long')
  return () => {
    clearTimeout(stopping)
    late(OPEN_MS, 'something is still open after all was stopped')
  }
}
