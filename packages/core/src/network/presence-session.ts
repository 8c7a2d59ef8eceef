/**
 * One open `presence` stream to one member: hello both ways, then beats and echoes until somebody says bye or falls
 * silent. Both ends run the same code; whoever opened it makes no difference.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { TimeoutError } from './errors.ts'
import { decodePresence, encodePresence, type PresenceMessage } from './presence-messages.ts'
import { offsetOf } from './skew.ts'
import type { FrameStream } from './types.ts'

/** Beats that are waited for; later ones than this are not worth a number. */
const MAX_OUTSTANDING = 8

export interface SessionInit {
  stream: FrameStream
  clock: Clock
  heartbeatMs: number
  hello(): { addresses: string[]; version: string }
  onHello(peer: NodeId, addresses: string[], version: string): void
  onBeat(peer: NodeId, rttMs: number, offsetMs: number): void
  onHeard(peer: NodeId): void
}

/** How a session ended: by the other side's word, by its silence, or by the stream alone. */
export type SessionEnd = 'bye' | 'silent' | 'broken'

export class Session {
  readonly peer: NodeId
  readonly #init: SessionInit
  readonly #sent = new Map<number, number>()
  #next = 0
  #cancelBeat: () => void = () => {}

  constructor(init: SessionInit) {
    this.#init = init
    this.peer = init.stream.peer
  }

  /** Runs until it ends; never rejects. */
  async run(signal: AbortSignal): Promise<SessionEnd> {
    const { stream, heartbeatMs } = this.#init
    try {
      await this.announce(signal)
      this.#beat()
      for (;;) {
        const frame = await stream.read({ signal, timeoutMs: 3 * heartbeatMs })
        if (frame === null) return 'broken'
        this.#init.onHeard(this.peer)
        if (this.#on(decodePresence(frame)) === 'bye') return 'bye'
      }
    } catch (error) {
      return error instanceof TimeoutError ? 'silent' : 'broken'
    } finally {
      this.#cancelBeat()
      stream.abort()
    }
  }

  /** Says (again) where this node is. */
  async announce(signal?: AbortSignal): Promise<void> {
    const { addresses, version } = this.#init.hello()
    await this.#write({ t: 'hello', v: 1, addresses, version, ms: this.#init.clock.now() }, signal)
  }

  async bye(timeoutMs: number): Promise<void> {
    try {
      await this.#init.stream.write(encodePresence({ t: 'bye' }), { timeoutMs })
      await this.#init.stream.close()
    } catch {
      // whoever cannot be told will notice
    }
  }

  end(): void {
    this.#init.stream.abort()
  }

  #on(message: PresenceMessage): 'bye' | undefined {
    const now = this.#init.clock.now()
    switch (message.t) {
      case 'bye':
        return 'bye'
      case 'hello':
        this.#init.onHello(this.peer, message.addresses, message.version)
        return undefined
      case 'beat':
        this.#write({ t: 'echo', n: message.n, ms: now }).catch(() => this.end())
        return undefined
      case 'echo': {
        const sentAt = this.#sent.get(message.n)
        this.#sent.delete(message.n)
        if (sentAt !== undefined) this.#init.onBeat(this.peer, now - sentAt, offsetOf(sentAt, now, message.ms))
        return undefined
      }
      default:
        return message satisfies never
    }
  }

  #beat(): void {
    const now = this.#init.clock.now()
    const n = this.#next++
    if (this.#sent.size >= MAX_OUTSTANDING) this.#sent.clear()
    this.#sent.set(n, now)
    this.#write({ t: 'beat', n, ms: now }).catch(() => this.end())
    this.#cancelBeat = this.#init.clock.after(this.#init.heartbeatMs, () => this.#beat())
  }

  async #write(message: PresenceMessage, signal?: AbortSignal): Promise<void> {
    await this.#init.stream.write(encodePresence(message), { signal, timeoutMs: 3 * this.#init.heartbeatMs })
  }
}
