/** One transfer's right to ask for chunks: room in the process-wide receive budget, and under the download cap. */
import type { Clock } from '../clock.ts'
import type { Budget } from './budget.ts'
import type { TransferLimits } from './limits.ts'

export interface ChunkCreditInit {
  readonly budget: Budget
  readonly down: TransferLimits['down']
  readonly clock: Clock
  /** sealed bytes of a chunk: what one credit stands for */
  readonly chunkBytes: number
  readonly urgent: boolean
  /** it may be worth asking again */
  readonly onFree: () => void
}

export class ChunkCredit {
  readonly #init: ChunkCreditInit
  readonly #holder: ReturnType<Budget['holder']>
  #urgent: boolean
  #cancelWait: (() => void) | undefined

  constructor(init: ChunkCreditInit) {
    this.#init = init
    this.#urgent = init.urgent
    this.#holder = init.budget.holder({ urgent: init.urgent, onFree: init.onFree })
  }

  setUrgent(urgent: boolean): void {
    this.#urgent = urgent
    this.#holder.setUrgent(urgent)
  }

  /** For one chunk. @returns false when there is none now; `onFree` is called when there may be */
  take(): boolean {
    const { chunkBytes, down, clock, onFree } = this.#init
    if (!this.#holder.tryReserve(chunkBytes)) return false
    const wait = down.tryTake(chunkBytes, this.#urgent)
    if (wait === 0) return true
    this.#holder.release(chunkBytes)
    this.#cancelWait ??= clock.after(wait, () => {
      this.#cancelWait = undefined
      onFree()
    })
    return false
  }

  giveBack(chunks = 1): void {
    if (chunks > 0) this.#holder.release(chunks * this.#init.chunkBytes)
  }

  /** No `onFree` any more. */
  stop(): void {
    this.#cancelWait?.()
  }

  /** Gives everything back. */
  close(): void {
    this.#holder.close()
  }
}
