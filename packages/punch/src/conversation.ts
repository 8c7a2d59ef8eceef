/**
 * Runs one way over one stream: feeds `machine.ts` with what happens, and does what it says. Owns whatever is under way
 * for it (waits, sockets that hold mappings); all of it ends with the conversation, but what it has opened.
 */
import { type Candidate, type Endpoint, eligible, type Whereabouts } from './endpoints.ts'
import type { Frames } from './frames.ts'
import { CONVERSATION_MS, MESSAGE_MS, OPEN_MS, UDP_TURN_MS } from './limits.ts'
import { type Action, begin, type Heard, type Input, type Lesson, type PunchedWay, type Role, step } from './machine.ts'
import { decodeMessage, encodeMessage, type Message, type Way } from './messages.ts'
import type { Opened } from './opened.ts'
import type { Statement } from './statements.ts'

/** What was learned for our `connect`. */
export interface Learned {
  readonly own: Whereabouts
  readonly statement: Statement | null
  /** the port that the statement is about, where it is one of ours */
  readonly localPort: number
  /** Lets go of what holds it: the conversation is over. */
  release(outcome: 'direct' | 'failed'): void
}

/** What a conversation does to the world. Each ends with its signal, and leaves nothing behind then. */
export interface Hands {
  /** What is learned stays true until it is released. */
  learn(lesson: Lesson, towards: Endpoint | null, signal: AbortSignal): Promise<Learned | null>
  /** Whose word counts, and what of it. */
  check(message: Message & { type: 'connect' }): Promise<Whereabouts>
  /** What was opened under this signal before it is aborted stays. */
  dial(candidates: readonly Candidate[], signal: AbortSignal): Promise<Opened>
  punch(way: PunchedWay, to: Endpoint, learned: Learned, role: Role, signal: AbortSignal): Promise<Opened>
}

export interface ConversationInit {
  readonly role: Role
  /** of the initiator; the responder hears it */
  readonly way: Way | null
  readonly frames: Frames
  readonly hands: Hands
  readonly signal: AbortSignal
  /** The way is known; false: there is one already. */
  onWay?(way: Way): boolean
}

export interface Ending {
  readonly outcome: 'direct' | 'failed'
  readonly reason: string
  /** null also where the other side has opened it */
  readonly opened: Opened | null
}

export async function converse(init: ConversationInit): Promise<Ending> {
  const conversation = new Conversation(init)
  return await conversation.run()
}

class Conversation {
  readonly #init: ConversationInit
  readonly #ended = Promise.withResolvers<Ending>()
  readonly #all = new AbortController()
  readonly #timers = new Set<NodeJS.Timeout>()
  #state
  readonly #held: Learned[] = []
  #released: Ending['outcome'] | null = null
  #learned: Learned | null = null
  #opened: Opened | null = null
  #patience: NodeJS.Timeout | undefined

  constructor(init: ConversationInit) {
    this.#init = init
    this.#state = begin(init.role, null).state
  }

  async run(): Promise<Ending> {
    const { role, way, frames, signal } = this.#init
    const onAbort = () => this.#put({ type: 'over', reason: 'it was called off' })
    signal.addEventListener('abort', onAbort, { once: true })
    this.#after(CONVERSATION_MS, () => this.#put({ type: 'over', reason: 'it took too long' }))
    this.#watch()
    const { state, actions } = begin(role, way)
    this.#state = state
    for (const action of actions) this.#perform(action)
    if (signal.aborted) onAbort()
    void this.#listen()
    let outcome: Ending['outcome'] = 'failed'
    try {
      const ending = await this.#ended.promise
      outcome = ending.outcome
      return ending
    } finally {
      this.#released = outcome
      for (const learned of this.#held.splice(0)) learned.release(outcome)
      signal.removeEventListener('abort', onAbort)
      clearTimeout(this.#patience)
      for (const timer of this.#timers) clearTimeout(timer)
      // a stream that was ended in order says so to the other side, whatever came of it
      void frames.close(AbortSignal.timeout(MESSAGE_MS))
      this.#all.abort(new Error('the conversation is over'))
    }
  }

  async #listen(): Promise<void> {
    const { frames, hands, onWay } = this.#init
    const { signal } = this.#all
    try {
      for (;;) {
        const frame = await frames.read(signal)
        const at = performance.now()
        if (frame === null) break
        const message = decodeMessage(frame)
        if (message.type === 'connect' && this.#state.phase === 'idle' && onWay?.(message.way) === false) {
          this.#put({ type: 'over', reason: 'there is one already' })
          return
        }
        this.#put({ type: 'heard', message: await heard(message, hands), at })
      }
      this.#put({ type: 'closed' })
    } catch (error) {
      if (signal.aborted) return
      frames.abort(error instanceof Error ? error : new Error(String(error)))
      this.#put({ type: 'over', reason: reasonOf(error) })
    }
  }

  #put(input: Input): void {
    const { state, actions } = step(this.#state, input)
    const isNew = state.phase !== this.#state.phase
    this.#state = state
    if (isNew) this.#watch()
    for (const action of actions) this.#perform(action)
  }

  /** Where the other side is to speak, it has a time to do so. */
  #watch(): void {
    clearTimeout(this.#patience)
    const { phase } = this.#state
    if (phase !== 'waiting' && phase !== 'idle') return
    this.#patience = setTimeout(() => this.#put({ type: 'over', reason: 'the other side is silent' }), MESSAGE_MS)
  }

  #perform(action: Action): void {
    switch (action.type) {
      case 'learn':
        void this.#learn(action.lesson, action.towards)
        break
      case 'connect':
        this.#say({
          type: 'connect',
          way: action.way,
          waited: action.waited,
          statement: this.#learned?.statement ?? null,
          candidates: action.own.candidates,
        })
        break
      case 'say':
        if (action.afterMs === 0) this.#say({ type: action.message })
        else this.#after(action.afterMs, () => this.#say({ type: action.message }))
        break
      case 'dial':
        void this.#open((signal) => this.#init.hands.dial(eligible(action.own, action.theirs), signal))
        break
      case 'punch':
        this.#after(action.afterMs, () => this.#punch(action.way, action.to))
        break
      case 'end':
        this.#ended.resolve({ outcome: action.outcome, reason: action.reason, opened: this.#opened })
    }
  }

  #say(message: Message): void {
    try {
      this.#init.frames.write(encodeMessage(message))
    } catch (error) {
      this.#put({ type: 'over', reason: reasonOf(error) })
    }
  }

  async #learn(lesson: Lesson, towards: Endpoint | null): Promise<void> {
    const { signal } = this.#all
    try {
      const learned = await this.#init.hands.learn(lesson, towards, signal)
      if (learned !== null && this.#released !== null) learned.release(this.#released)
      else if (learned !== null) this.#held.push(learned)
      this.#learned = learned
    } catch {
      this.#learned = null // whoever was asked did not know
    }
    this.#put({ type: 'learned', own: this.#learned?.own ?? null, at: performance.now() })
  }

  #punch(way: PunchedWay, to: Endpoint): void {
    const { hands, role } = this.#init
    const learned = this.#learned
    if (learned === null) this.#put({ type: 'unopened' })
    else void this.#open((signal) => hands.punch(way, to, learned, role, signal))
  }

  async #open(open: (signal: AbortSignal) => Promise<Opened>): Promise<void> {
    const late = new AbortController()
    const ms = this.#state.way === 'udp' ? UDP_TURN_MS : OPEN_MS
    const timer = setTimeout(() => late.abort(new Error('it took too long')), ms)
    try {
      const opened = await open(AbortSignal.any([this.#all.signal, late.signal]))
      if (this.#state.phase === 'ended') {
        opened.abort(new Error('too late'))
        return
      }
      this.#opened = opened
      this.#put({ type: 'opened' })
    } catch {
      this.#put({ type: 'unopened' })
    } finally {
      clearTimeout(timer)
    }
  }

  #after(ms: number, callback: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      callback()
    }, ms)
    this.#timers.add(timer)
  }
}

async function heard(message: Message, hands: Hands): Promise<Heard> {
  if (message.type !== 'connect') return message
  const { type, way, waited } = message
  return { type, way, waited, theirs: await hands.check(message) }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
