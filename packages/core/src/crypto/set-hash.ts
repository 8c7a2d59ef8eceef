/**
 * An incremental hash of a set (LtHash16 with 1,024 lanes; Lewi et al., "Securing Update Propagation with Homomorphic
 * Hashing", IACR 2019/227): adding and removing are additions modulo 2^16 per lane, so the order of operations does
 * not matter and finding two sets with one hash is as hard as a short-integer-solution problem. XOR would not do.
 */
import { hash } from 'node:crypto'
import { sha256 } from './hash.ts'

const LANES = 1024

export class SetHash {
  readonly #lanes: Uint16Array

  /** @param state as given by `save`; empty set when absent */
  constructor(state?: Uint8Array) {
    this.#lanes = new Uint16Array(LANES)
    if (state !== undefined) new Uint8Array(this.#lanes.buffer).set(state)
  }

  add(element: Uint8Array): void {
    const lanes = this.#lanes
    const other = expand(element)
    for (let i = 0; i < LANES; i++) lanes[i] = (lanes[i] as number) + (other[i] as number)
  }

  remove(element: Uint8Array): void {
    const lanes = this.#lanes
    const other = expand(element)
    for (let i = 0; i < LANES; i++) lanes[i] = (lanes[i] as number) - (other[i] as number)
  }

  /** 2 KiB, for storing. */
  save(): Uint8Array {
    return new Uint8Array(this.#lanes.buffer.slice(0))
  }

  /** 32 bytes. */
  digest(): Uint8Array {
    return sha256(new Uint8Array(this.#lanes.buffer))
  }
}

/** Lanes are little-endian on every platform that Node runs on. */
function expand(element: Uint8Array): Uint16Array {
  const stream = hash('shake128', element, { outputEncoding: 'buffer', outputLength: LANES * 2 })
  return new Uint16Array(stream.buffer.slice(stream.byteOffset, stream.byteOffset + LANES * 2))
}
