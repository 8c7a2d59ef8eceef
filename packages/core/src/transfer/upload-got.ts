/** What was handed to the network may still fill our link for seconds: chunks are on the way until the client says `got`. */
import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'

/** A member that does not tell what has come is taken to have it after this (ms). */
const GOT_MS = 3_000

export interface Receiver {
  readonly ending: AbortController
  readonly sentChunks: number
  /** that it has told us to have */
  gotChunks: number
  /** those that wait for that */
  readonly awaited: { readonly chunks: number; readonly end: () => void }[]
}

/** Calls back once so many chunks have come. @returns false where they have already: nothing is called then */
export function awaitGot(clock: Clock, receiver: Receiver, chunks: number, onGot: () => void): boolean {
  if (receiver.gotChunks >= chunks || receiver.ending.signal.aborted) return false
  const end = () => {
    cancel()
    onGot()
  }
  const wait = { chunks, end }
  const cancel = clock.after(GOT_MS, () => {
    receiver.awaited.splice(receiver.awaited.indexOf(wait), 1)
    end()
  })
  receiver.awaited.push(wait)
  return true
}

/** @throws {DecodeError} */
export function noteGot(receiver: Receiver, chunks: number): void {
  if (chunks > receiver.sentChunks) throw new DecodeError('got what was not sent')
  receiver.gotChunks = Math.max(receiver.gotChunks, chunks)
  const come = receiver.awaited.filter((wait) => wait.chunks <= receiver.gotChunks)
  receiver.awaited.splice(0, come.length)
  for (const wait of come) wait.end()
}
