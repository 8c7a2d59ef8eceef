import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor } from '../codec/index.ts'
import {
  ASK_MAX,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  GRANT_BYTES,
  KEYS_FRAME_MAX,
} from './keys-format.ts'

const malformed = expect.objectContaining({ code: 'decode' })

test('the largest request and answer fit into a frame', () => {
  const ask = Array.from({ length: ASK_MAX }, (): [Uint8Array, Uint8Array] => [new Uint8Array(16), new Uint8Array(16)])
  const grants = ask.map(() => new Uint8Array(GRANT_BYTES))
  expect(decodeRequest(encodeRequest({ ask }))).toEqual({ ask })
  expect(decodeAnswer(encodeAnswer({ grants: [...grants.slice(1), null] }))).toEqual({
    grants: [...grants.slice(1), null],
  })
  for (const bytes of [encodeRequest({ ask }), encodeAnswer({ grants })])
    expect(bytes.length).toBeLessThan(KEYS_FRAME_MAX)
  expect(() => decodeRequest(encodeRequest({ ask: [...ask, [new Uint8Array(16), new Uint8Array(16)]] }))).toThrow(
    malformed,
  )
})

test('anything else is refused', () => {
  const notice = {
    file: new Uint8Array(16),
    entry: new Uint8Array(32),
    node: new Uint8Array(32),
    sig: new Uint8Array(64),
  }
  expect(decodeRequest(encodeRequest({ notice }))).toEqual({ notice })
  for (const message of [
    { v: 1 },
    { v: 2, ask: [] },
    { v: 1, ask: [], notice },
    { v: 1, ask: [], more: 1 },
    { v: 1, notice: 'x' },
  ]) {
    expect(() => decodeRequest(encodeCbor(message))).toThrow(malformed)
    expect(() => decodeAnswer(encodeCbor(message))).toThrow(malformed)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => decodeRequest(bytes)).toThrow(malformed)
      expect(() => decodeAnswer(bytes)).toThrow(malformed)
    }),
  )
})
