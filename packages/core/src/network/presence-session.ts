/**
 * One open `presence` stream to one member: hello both ways, then beats and echoes until somebody says bye or falls
 * silent. Both ends run the same code; whoever opened it makes no difference.
 */
import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { equalBytes } from '../crypto/index.ts'
import type { NodeId } from '../ids.ts'
import { TimeoutError } from './errors.ts'
import { decodePresence, encodePresence, type PresenceMessage } from './presence-messages.ts'
import type { OwnRun, RunProof } from './runs.ts'
import { offsetOf } from './skew.ts'
import type { FrameStream } from './types.ts'

/** Beats that are waited for; later ones than this are not worth a number. */
const MAX_OUTSTANDING = 8
/** A process that is alive proves it within this time, milliseconds. */
const PROOF_MS = 5_000
/** A wall clock that went so much faster or slower than time itself while an answer was awaited was set, milliseconds. */
const JUMP_MS = 1000
/** Proofs that are given in one session: each costs a signature. */
const MAX_PROOFS = 16
/** The last words of a session that is refused need not arrive, milliseconds. */
const LAST_WORD_MS = 500

export interface Hello {
  readonly addresses: string[]
  readonly version: string
  readonly run: Uint8Array
  readonly since: number
}

export interface SessionInit {
  stream: FrameStream
  clock: Clock
  heartbeatMs: number
  hello(): { addresses: string[]; version: string }
  run: OwnRun
  /** told `twice`: another process with our identity is alive, and started before us */
  onRefused(peer: NodeId): void
  onHello(session: Session): void
  /** whether the peer has made this proof against that run */
  isProof(proof: RunProof, against: Uint8Array): boolean
  onBeat(peer: NodeId, rttMs: number, offsetMs: number): void
  onHeard(peer: NodeId): void
}

/** How a session ended: by the other side's farewell or refusal, by its silence, or by the stream alone. */
export type SessionEnd = 'bye' | 'refused' | 'silent' | 'broken'

export class Session {
  readonly peer: NodeId
  readonly #init: SessionInit
  /** beats that were not answered yet, by both clocks */
  readonly #sent = new Map<number, { readonly ms: number; readonly elapsed: number }>()
  #next = 0
  #hello: Hello | null = null
  #proofs = 0
  #asked: { against: Uint8Array; resolve: (proof: RunProof | null) => void } | undefined
  #cancelBeat: () => void = () => {}
  #fault: DecodeError | undefined

  constructor(init: SessionInit) {
    this.#init = init
    this.peer = init.stream.peer
  }

  /** What the other side has said that is no message of this protocol; undefined when it kept to it. */
  get fault(): DecodeError | undefined {
    return this.#fault
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
        const end = this.#on(decodePresence(frame))
        if (end !== undefined) return end
      }
    } catch (error) {
      if (error instanceof DecodeError) this.#fault = error
      return error instanceof TimeoutError ? 'silent' : 'broken'
    } finally {
      this.#cancelBeat()
      this.#asked?.resolve(null)
      stream.abort()
    }
  }

  /** Says (again) where this node is. */
  async announce(signal?: AbortSignal): Promise<void> {
    const { addresses, version } = this.#init.hello()
    const { run, since } = this.#init.run
    await this.#write({ t: 'hello', v: 1, addresses, version, ms: this.#init.clock.now(), run, since }, signal)
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

  /** What the other side has said of itself; null before it has. */
  get hello(): Hello | null {
    return this.#hello
  }

  get stream(): FrameStream {
    return this.#init.stream
  }

  /** Asks for a sign of life that only this process can give, and only now. Null when none comes. */
  proveAgainst(other: Session): Promise<RunProof | null> {
    const against = other.hello?.run
    if (against === undefined || this.#asked !== undefined) return Promise.resolve(null)
    const { promise, resolve } = Promise.withResolvers<RunProof | null>()
    const cancel = this.#init.clock.after(PROOF_MS, () => resolve(null))
    this.#asked = { against, resolve }
    this.#write({ t: 'prove', run: against }).catch(() => resolve(null))
    return promise.finally(() => {
      cancel()
      this.#asked = undefined
    })
  }

  /** There is another process with your identity: this is its proof. */
  async tellTwice({ run, since, sig }: RunProof): Promise<void> {
    try {
      const frame = encodePresence({ t: 'twice', run, since, sig })
      await this.#init.stream.write(frame, { timeoutMs: LAST_WORD_MS })
    } catch {
      // whoever cannot be told comes back and is told then
    }
  }

  /** Nobody else is here under your identity. */
  tellSole(): void {
    const run = this.#hello?.run
    if (run !== undefined) this.#write({ t: 'sole', run }).catch(() => this.end())
  }

  #on(message: PresenceMessage): 'bye' | 'refused' | undefined {
    const now = this.#init.clock.now()
    switch (message.t) {
      case 'bye':
        return 'bye'
      case 'hello':
        return this.#onHello(message)
      case 'prove':
        this.#onProve(message.run)
        return undefined
      case 'proof':
        this.#onProof(message)
        return undefined
      case 'sole':
        this.#init.run.onSole(this.peer, message.run)
        return undefined
      case 'twice':
        return this.#onTwice(message)
      case 'beat':
        this.#write({ t: 'echo', n: message.n, ms: now }).catch(() => this.end())
        return undefined
      case 'echo': {
        const sent = this.#sent.get(message.n)
        this.#sent.delete(message.n)
        if (sent === undefined) return undefined
        const rttMs = Math.round(this.#elapsed() - sent.elapsed)
        // our own clock was set meanwhile: between two times of different clocks there is no half
        if (Math.abs(now - sent.ms - rttMs) > JUMP_MS) return undefined
        this.#init.onBeat(this.peer, rttMs, offsetOf(sent.ms, now, message.ms))
        return undefined
      }
      default:
        return message satisfies never
    }
  }

  #onHello({ addresses, version, run, since }: Hello): undefined {
    // a process does not change its run: the stream would have two authors
    if (this.#hello !== null && !equalBytes(this.#hello.run, run)) throw new DecodeError('another run in one session')
    this.#hello = { addresses, version, run, since }
    this.#init.onHello(this)
  }

  #onProve(against: Uint8Array): void {
    if (++this.#proofs > MAX_PROOFS) return
    const { run, since, sig } = this.#init.run.prove(against)
    this.#write({ t: 'proof', run, since, sig }).catch(() => this.end())
  }

  #onProof(proof: RunProof): void {
    const asked = this.#asked
    if (asked === undefined || this.#hello === null) return
    const isItsOwn = equalBytes(proof.run, this.#hello.run) && proof.since === this.#hello.since
    if (!isItsOwn || !this.#init.isProof(proof, asked.against)) throw new DecodeError('no proof of this run')
    asked.resolve(proof)
  }

  #onTwice(proof: RunProof): 'refused' | undefined {
    const twin = this.#init.run.onTwice(this.peer, proof)
    if (twin === null) throw new DecodeError('no proof of another process with our identity')
    if (!twin.weAreLater) return undefined
    this.#init.onRefused(this.peer)
    return 'refused'
  }

  #beat(): void {
    const ms = this.#init.clock.now()
    const n = this.#next++
    if (this.#sent.size >= MAX_OUTSTANDING) this.#sent.clear()
    this.#sent.set(n, { ms, elapsed: this.#elapsed() })
    this.#write({ t: 'beat', n, ms }).catch(() => this.end())
    this.#cancelBeat = this.#init.clock.after(this.#init.heartbeatMs, () => this.#beat())
  }

  #elapsed(): number {
    const { clock } = this.#init
    return clock.monotonic?.() ?? clock.now()
  }

  async #write(message: PresenceMessage, signal?: AbortSignal): Promise<void> {
    await this.#init.stream.write(encodePresence(message), { signal, timeoutMs: 3 * this.#init.heartbeatMs })
  }
}
