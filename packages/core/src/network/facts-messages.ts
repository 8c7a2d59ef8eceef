/** Frames of the `facts` protocol, field by field: docs/specs/facts.md. */
import { type CborValue, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { FACT_TOPICS, type Fact, MAX_FACT_KEY, MAX_FACT_VALUE, type Position } from './fact-store.ts'

/** One batch has at most so many facts. */
export const BATCH_FACTS = 512
/** A batch, or the addresses of 1,000 members. */
export const MAX_FACTS_FRAME = 1024 * 1024
/** Addresses of other members in one batch. */
export const MAX_OTHERS = 2_000
const MAX_HELLO_FRAME = 1024

const uint = shape.uint()
const key = shape.text(MAX_FACT_KEY)
const topic = shape.oneOf(...FACT_TOPICS)
const value = shape.nullable(shape.bytesUpTo(MAX_FACT_VALUE))
const helloShape = shape.object({ v: shape.uint(1), start: uint, counter: uint })
const batchShape = shape.object({
  reset: shape.bool,
  facts: shape.array(shape.tuple(topic, key, uint, uint, value), BATCH_FACTS),
  start: uint,
  counter: uint,
  /** addresses that others have told the provider themselves: hints */
  others: shape.array(shape.tuple(shape.text(64), shape.bytesUpTo(MAX_FACT_VALUE)), MAX_OTHERS),
})

export interface FactsBatch {
  /** what was told before is not true any more */
  readonly reset: boolean
  readonly facts: readonly Fact[]
  /** where the provider's log is now */
  readonly at: Position
  readonly others: readonly (readonly [node: NodeId, value: Uint8Array])[]
}

export function encodeFactsHello({ start, counter }: Position): Uint8Array {
  return encodeCbor({ v: 1, start, counter })
}

/** @throws {DecodeError} */
export function decodeFactsHello(frame: Uint8Array): Position {
  const { start, counter } = helloShape(decodeCbor(frame, MAX_HELLO_FRAME))
  return { start, counter }
}

export function encodeFactsBatch({ reset, facts, at, others }: FactsBatch): Uint8Array {
  const rows = facts.map((fact): CborValue => [fact.topic, fact.key, fact.start, fact.counter, fact.value])
  const told = others.map(([node, bytes]): CborValue => [node, bytes])
  return encodeCbor({ reset, facts: rows, start: at.start, counter: at.counter, others: told })
}

/** The nodes in `others` are as they came: whoever uses them asks first whether they are members. @throws {DecodeError} */
export function decodeFactsBatch(frame: Uint8Array): FactsBatch {
  const { reset, facts, start, counter, others } = batchShape(decodeCbor(frame, MAX_FACTS_FRAME))
  return {
    reset,
    facts: facts.map(([name, factKey, factStart, factCounter, factValue]): Fact => {
      return { topic: name, key: factKey, start: factStart, counter: factCounter, value: factValue }
    }),
    at: { start, counter },
    others: others.map(([node, bytes]) => [node as NodeId, bytes]),
  }
}
