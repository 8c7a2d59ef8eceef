import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, encodeCbor } from '../codec/index.ts'
import { MAX_CHUNKS } from '../content/index.ts'
import {
  chunkHeader,
  decodeReply,
  decodeRequest,
  encodeControl,
  encodeRequest,
  MAX_GET,
  MAX_REQUEST_BYTES,
  pageHeader,
  type TransferRequest,
} from './protocol.ts'
import { type Queue, Turns, takeRequest } from './upload-queue.ts'

const bytes = (length: number) => new Uint8Array(length).fill(7)

describe('transfer messages', () => {
  it('round trip', () => {
    const requests: TransferRequest[] = [
      { t: 'open', root: bytes(32), urgent: true },
      { t: 'open', root: bytes(32), urgent: false, proof: bytes(1024) },
      { t: 'manifest', page: 16 },
      { t: 'get', indexes: Array.from({ length: MAX_GET }, (_, index) => MAX_CHUNKS - 1 - index) },
      { t: 'cancel', indexes: [] },
      { t: 'challenge', index: 0, nonce: bytes(32) },
    ]
    for (const request of requests) {
      const frame = encodeRequest(request)
      expect(frame.length).toBeLessThanOrEqual(MAX_REQUEST_BYTES)
      expect(decodeRequest(frame)).toEqual(request)
    }
    expect(decodeReply(encodeControl({ t: 'ok', count: 9, bits: bytes(2) }))).toEqual({
      t: 'ok',
      count: 9,
      bits: bytes(2),
    })
    expect(decodeReply(encodeControl({ t: 'no', code: 'refused' }))).toEqual({ t: 'no', code: 'refused' })
    expect(decodeReply(Buffer.concat([chunkHeader(5), bytes(3)]))).toMatchObject({ t: 'chunk', index: 5 })
    expect(decodeReply(Buffer.concat([pageHeader(1), bytes(3)]))).toMatchObject({ t: 'page', page: 1 })
  })

  it.each([
    ['an index beyond any version', { t: 'get', indexes: [MAX_CHUNKS] }],
    ['too many indexes', { t: 'get', indexes: Array.from({ length: MAX_GET + 1 }, () => 0) }],
    ['a long proof', { t: 'open', root: bytes(32), urgent: true, proof: bytes(1025) }],
    ['an unknown field', { t: 'manifest', page: 0, more: 1 }],
    ['an unknown kind', { t: 'toString' }],
    ['a short nonce', { t: 'challenge', index: 0, nonce: bytes(31) }],
    ['no map', [1]],
  ])('refuses %s', (_, value) => {
    expect(() => decodeRequest(encodeCbor(value))).toThrow(DecodeError)
  })

  it('throws nothing but DecodeError, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        for (const decode of [decodeRequest, decodeReply]) {
          try {
            decode(frame)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
    )
  })
})

describe('upload queue', () => {
  const queueOf = (sent: Uint8Array, indexes: number[]): Queue => ({
    urgent: false,
    passed: 0,
    sent,
    requests: indexes.map((index) => ({ t: 'get', index, passed: 0 })),
  })

  it('sends what was sent least often first, and leaves nothing waiting for ever', () => {
    const sent = new Uint8Array(1000)
    const first = queueOf(sent, [0, 1, 2])
    expect([takeRequest(first)?.index, takeRequest(first)?.index]).toEqual([0, 1])
    const second = queueOf(sent, [0, 1, 2])
    expect(takeRequest(second)?.index).toBe(2)
    const waiting = queueOf(sent, [0])
    let turns = 0
    for (let index = 100; ; index++) {
      waiting.requests.push({ t: 'get', index, passed: 0 })
      turns += 1
      if (takeRequest(waiting)?.index === 0) break
    }
    expect(turns).toBeLessThan(40)
    expect(takeRequest({ urgent: true, passed: 0, sent, requests: [] })).toBeUndefined()
  })

  it('gives urgent peers four of five turns, and everybody one in the end', () => {
    const turns = new Turns<Queue & { name: string }>()
    const peers = [
      { ...queueOf(new Uint8Array(1), []), name: 'a', urgent: true },
      { ...queueOf(new Uint8Array(1), []), name: 'b', urgent: true },
      { ...queueOf(new Uint8Array(1), []), name: 'c' },
    ]
    for (const peer of peers) turns.add(peer)
    const served: string[] = []
    for (let turn = 0; turn < 10; turn++) {
      const peer = turns.next('all')
      if (peer === undefined) break
      served.push(peer.name)
      turns.add(peer)
    }
    expect(served.join('')).toBe('ababcababc')
    expect(turns.next('none')?.urgent).toBe(true)
    for (const peer of peers) turns.delete(peer)
    turns.add(peers[2] as Queue & { name: string })
    expect(turns.next('none')).toBeUndefined()
    expect(turns.next('all')?.name).toBe('c')
    expect([turns.isEmpty, turns.next('all')]).toEqual([true, undefined])
  })

  it('serves first who asks for what has not left yet, and the others all the same in the end', () => {
    const turns = new Turns<Queue & { name: string }>()
    const sent = new Uint8Array(200)
    sent[0] = 1
    const again = { ...queueOf(sent, [0]), name: 'again' }
    const fresh = { ...queueOf(sent, [1]), name: 'fresh' }
    turns.add(again)
    turns.add(fresh)
    expect(turns.next('fresh')?.name).toBe('fresh')
    expect(turns.next('fresh')).toBeUndefined()
    let passed = 0
    for (let index = 2; ; index++) {
      turns.add({ ...queueOf(sent, [index]), name: 'fresh' })
      if (turns.next('all')?.name === 'again') break
      passed += 1
    }
    expect(passed).toBeLessThan(40)
  })
})
