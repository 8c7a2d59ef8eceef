/** One source as the picker sees it: what it has, what it was asked for, what it delivers. */
import { getBit } from '../content/index.ts'
import type { SourceRate } from './source-rate.ts'

export interface Source<Id> {
  readonly id: Id
  /** for its share of the chunks that only complete sources have */
  readonly seed: number
  /** null = everything */
  bits: Uint8Array | null
  readonly rate: SourceRate
  /** chunk -> when it was asked for, oldest first */
  readonly asked: Map<number, number>
  /** asked for, and asked to be dropped if it still waits there -> since when */
  readonly recalled: Map<number, number>
  /** asked for, then taken back; may still arrive until the source has confirmed */
  readonly taken: Map<number, number>
  lastHeard: number
  silent: boolean
  /** the picker's `#changes` when it was found to have nothing to give */
  dryAt: number
}

export interface Asked<Id> {
  readonly source: Id
  readonly indexes: number[]
}

export function has<Id>(source: Source<Id>, index: number): boolean {
  return source.bits === null || getBit(source.bits, index)
}
