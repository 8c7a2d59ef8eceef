/**
 * The open sessions with one peer: one that counts, and others until it is known whether they are of the same process.
 * Where they are not, both are asked to prove that they are alive; the one that started later has to go. Spec:
 * docs/specs/presence.md, "Two at once".
 */
import { equalBytes } from '../crypto/index.ts'
import type { Session } from './presence-session.ts'
import { isEarlier } from './runs.ts'

export interface PeerSessionsInit {
  /** its hello counts from now on */
  onAdopted(session: Session): void
  /** two processes with one identity are alive */
  onTwins(): void
  /** Ends the connection that carries it. */
  cut(session: Session): void
}

export class PeerSessions {
  readonly #init: PeerSessionsInit
  readonly #others = new Set<Session>()
  #main: Session | null = null
  #isSettling = false

  constructor(init: PeerSessionsInit) {
    this.#init = init
  }

  get main(): Session | null {
    return this.#main
  }

  get size(): number {
    return this.#others.size + (this.#main === null ? 0 : 1)
  }

  add(session: Session): void {
    if (this.#main === null) this.#main = session
    else this.#others.add(session)
  }

  /** @returns whether none is left */
  remove(session: Session): boolean {
    this.#others.delete(session)
    if (this.#main === session) {
      const next = [...this.#others].find(({ hello }) => hello !== null) ?? [...this.#others][0] ?? null
      this.#main = null
      if (next !== null) this.#adopt(next)
    }
    this.#tellSole()
    return this.size === 0
  }

  endAll(): void {
    const ending = [this.#main, ...this.#others]
    this.#main = null
    this.#others.clear()
    for (const session of ending) session?.end()
  }

  onHello(session: Session): void {
    const main = this.#main
    if (main === session || main === null) this.#adopt(session)
    else if (main.hello === null) this.#swap(session)
    else if (session.hello !== null && equalBytes(main.hello.run, session.hello.run)) {
      // the same process over a new stream: the old one may be dead without our knowing
      this.#swap(session)
      this.#others.delete(main)
      main.end()
    } else if (this.#isSettling) session.end()
    else void this.#settle(main, session)
    this.#tellSole()
  }

  #adopt(session: Session): void {
    this.#others.delete(session)
    this.#main = session
    if (session.hello !== null) this.#init.onAdopted(session)
  }

  #swap(session: Session): void {
    if (this.#main !== null) this.#others.add(this.#main)
    this.#adopt(session)
  }

  /** Nothing else is open under this identity. */
  #tellSole(): void {
    if (this.#others.size === 0 && this.#main !== null && this.#main.hello !== null) this.#main.tellSole()
  }

  async #settle(first: Session, second: Session): Promise<void> {
    this.#isSettling = true
    try {
      const [ofFirst, ofSecond] = await Promise.all([first.proveAgainst(second), second.proveAgainst(first)])
      // either may have ended meanwhile, then `remove` has done what was to be done
      if (this.#main !== first || !this.#others.has(second)) return
      if (ofSecond === null) return this.#init.cut(second)
      if (ofFirst === null) {
        this.#swap(second)
        return this.#init.cut(first)
      }
      this.#init.onTwins()
      const [stays, goes] = isEarlier(ofFirst, ofSecond) ? [first, second] : [second, first]
      if (stays === second) this.#swap(second)
      await Promise.all([
        stays.tellTwice(stays === first ? ofSecond : ofFirst),
        goes.tellTwice(goes === first ? ofSecond : ofFirst),
      ])
      this.#init.cut(goes)
    } finally {
      this.#isSettling = false
    }
  }
}
