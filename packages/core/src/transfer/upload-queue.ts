/**
 * Whose turn it is to be sent a chunk. Pure bookkeeping: the provider reads and writes.
 *
 * Peers take turns chunk by chunk, so each gets the same part of the uplink whatever it asks for; of every five turns
 * a peer whose person waits gets four. Within one peer's requests the chunk that was sent least often goes first, so
 * that in a swarm different chunks leave the uploader before any leaves twice.
 */

/** Turns of urgent peers for each turn of the others. */
const URGENT_TURNS = 4
/** A request that was passed over so often is served next in any case. */
const MAX_PASSED = 32

export type Request =
  | { readonly t: 'get'; readonly index: number; passed: number }
  | { readonly t: 'challenge'; readonly index: number; readonly nonce: Uint8Array; passed: number }

export interface Queue {
  readonly urgent: boolean
  readonly requests: Request[]
  /** how often each chunk of this version was sent, saturating; shared by all peers that ask for it */
  readonly sent: Uint8Array
}

/** Removes and returns what this peer is served next. */
export function takeRequest(queue: Queue): Request | undefined {
  const { requests, sent } = queue
  let best = 0
  let fewest = Number.POSITIVE_INFINITY
  for (let at = 0; at < requests.length; at++) {
    const request = requests[at]
    if (request === undefined) continue
    if (request.passed >= MAX_PASSED) {
      best = at
      break
    }
    const times = request.t === 'challenge' ? -1 : (sent[request.index] ?? 0)
    if (times >= fewest) continue
    fewest = times
    best = at
  }
  for (let at = 0; at < best; at++) {
    const request = requests[at]
    if (request !== undefined) request.passed += 1
  }
  const [taken] = requests.splice(best, 1)
  if (taken?.t === 'get') sent[taken.index] = Math.min(255, (sent[taken.index] ?? 0) + 1)
  return taken
}

/** Peers that wait for their turn, urgent ones apart. */
export class Turns<Peer extends { readonly urgent: boolean }> {
  readonly #urgent = new Set<Peer>()
  readonly #others = new Set<Peer>()
  #turn = 0

  get isEmpty(): boolean {
    return this.#urgent.size + this.#others.size === 0
  }

  /** To the end of the line; one that waits already keeps its place. */
  add(peer: Peer): void {
    ;(peer.urgent ? this.#urgent : this.#others).add(peer)
  }

  delete(peer: Peer): void {
    this.#urgent.delete(peer)
    this.#others.delete(peer)
  }

  next(): Peer | undefined {
    const turnOfOthers = this.#turn % (URGENT_TURNS + 1) === URGENT_TURNS
    const [first, second] = turnOfOthers ? [this.#others, this.#urgent] : [this.#urgent, this.#others]
    for (const line of [first, second]) {
      for (const peer of line) {
        line.delete(peer)
        this.#turn += 1
        return peer
      }
    }
    return undefined
  }
}
