/**
 * Whose turn it is to be sent a chunk. Pure bookkeeping: the provider reads and writes.
 *
 * Peers take turns chunk by chunk, so each gets the same part of the uplink whatever it asks for; of every five turns
 * a peer whose person waits gets four. Within one peer's requests the chunk that was sent least often goes first, so
 * that in a swarm different chunks leave the uploader before any leaves twice.
 */

/** Turns of urgent peers for each turn of the others. */
const URGENT_TURNS = 4
/** Peers in line that are compared; more would cost more than it brings. */
const MAX_COMPARED = 64
/** A request, or a peer, that was passed over so often is served next in any case. */
const MAX_PASSED = 32

export type Request =
  | { readonly t: 'get'; readonly index: number; passed: number }
  | { readonly t: 'challenge'; readonly index: number; readonly nonce: Uint8Array; passed: number }

export interface Queue {
  readonly urgent: boolean
  /** turns in which another was preferred */
  passed: number
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
export class Turns<Peer extends Queue> {
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

  /**
   * @param others who of those that nobody waits for may be served: all, only who asks for what has not left yet, or none
   */
  next(others: 'all' | 'fresh' | 'none'): Peer | undefined {
    const isTurnOfOthers = this.#turn % (URGENT_TURNS + 1) === URGENT_TURNS || this.#urgent.size === 0
    const other = isTurnOfOthers && others !== 'none' ? freshest(this.#others, others === 'fresh') : undefined
    const peer = other ?? firstOf(this.#urgent)
    if (peer === undefined) return undefined
    this.delete(peer)
    this.#turn += 1
    return peer
  }
}

function firstOf<Peer>(line: ReadonlySet<Peer>): Peer | undefined {
  for (const peer of line) return peer
  return undefined
}

/**
 * The first that asks for what was sent least often. What has left once is passed on by whom it went to, so that sending
 * it again is the worst that can be done with an uplink while others ask for what has not left yet.
 */
function freshest<Peer extends Queue>(line: ReadonlySet<Peer>, onlyFresh: boolean): Peer | undefined {
  let best: Peer | undefined
  let fewest = Number.POSITIVE_INFINITY
  let seen = 0
  const passed: Peer[] = []
  for (const peer of line) {
    if (seen++ >= MAX_COMPARED) break
    const times = peer.passed >= MAX_PASSED ? -1 : leastSent(peer)
    if (times < fewest && (times <= 0 || !onlyFresh)) {
      if (best !== undefined) passed.push(best)
      fewest = times
      best = peer
      if (times <= 0) break
    }
  }
  for (const peer of passed) peer.passed += 1
  if (best !== undefined) best.passed = 0
  return best
}

function leastSent({ requests, sent }: Queue): number {
  if (requests.length === 0) return -1 // what it asked for was cancelled: out of the line with it
  let least = Number.POSITIVE_INFINITY
  for (const request of requests) {
    const times = request.t === 'challenge' ? -1 : (sent[request.index] ?? 0)
    if (times < least) least = times
  }
  return least
}
