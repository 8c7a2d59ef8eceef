/** Tokens: each lets one peer ask once over TCP, or over UDP from one port. Pure but for timers and chance. */
import { randomBytes } from 'node:crypto'
import { MAX_TOKENS, TOKEN_MS, TOKENS_OF_PEER } from './limits.ts'
import { TOKEN_BYTES } from './messages.ts'

/** A repeated question over UDP is answered so often. */
const ANSWERS_OVER_UDP = 4

interface Token {
  readonly peer: string
  readonly timer: NodeJS.Timeout
  /** who asked over UDP, and how often it was answered */
  asker: string | null
  answers: number
}

export class Tokens {
  readonly #open = new Map<string, Token>()

  get size(): number {
    return this.#open.size
  }

  /** @returns null when there are too many */
  issue(peer: string): Uint8Array | null {
    let ofPeer = 0
    for (const token of this.#open.values()) if (token.peer === peer) ofPeer += 1
    if (ofPeer >= TOKENS_OF_PEER || this.#open.size >= MAX_TOKENS) return null
    const bytes = randomBytes(TOKEN_BYTES)
    const id = bytes.toString('hex')
    const timer = setTimeout(() => this.#open.delete(id), TOKEN_MS)
    timer.unref()
    this.#open.set(id, { peer, timer, asker: null, answers: 0 })
    return new Uint8Array(bytes)
  }

  /** @returns whose it is, once; null: nobody's */
  askOverTcp(bytes: Uint8Array): string | null {
    const id = Buffer.from(bytes).toString('hex')
    const token = this.#open.get(id)
    if (token === undefined || token.asker !== null) return null
    clearTimeout(token.timer)
    this.#open.delete(id)
    return token.peer
  }

  /** @param asker IP and port */
  askOverUdp(bytes: Uint8Array, asker: string): string | null {
    const token = this.#open.get(Buffer.from(bytes).toString('hex'))
    if (token === undefined || token.answers >= ANSWERS_OVER_UDP || (token.asker ?? asker) !== asker) return null
    token.asker = asker
    token.answers += 1
    return token.peer
  }

  clear(): void {
    for (const { timer } of this.#open.values()) clearTimeout(timer)
    this.#open.clear()
  }
}
