/**
 * yamux, which says nothing on a connection that has ended. @libp2p/yamux 8.0.3 opens a stream in a microtask of its own:
 * what the connection throws there is caught by nobody, and ends the process. It happens on a connection that ended
 * before yamux listened to it, or that is about to; and on one whose carrier has ended without its knowing yet, such as a
 * circuit whose stream to the relay is closing. Who still waits to send is told by the end of the connection.
 *
 * And which sends in small frames: 8.0.3 makes them as long as the window, and hands on what came when a frame is whole. On
 * a slow path a mebibyte takes longer than silence is borne, and nothing else passes meanwhile.
 *
 * And which keeps little. 8.0.3 sends on a full connection whenever the other side opens its window, which costs that side
 * 12 bytes and this one as much as it has to send; here what is to be sent stays with its stream until the connection has
 * room, and whose turn it was last comes last. And it gathers a frame of any length that its header names; here none that
 * is longer than a stream may keep.
 */
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'
import { StreamBrokenError } from './errors.ts'

/** Of a message of noise without its tag (Noise, 3). */
export const MAX_MESSAGE_BYTES = 65_535 - 16
const HEADER_BYTES = 12
/** What fits into one message of noise, with the header. */
export const MESSAGE_PAYLOAD_BYTES = MAX_MESSAGE_BYTES - HEADER_BYTES
/** At 16 KiB a second, below which nothing is hoped for, one every 8 s; what a frame costs is not felt at this size. */
export const MAX_FRAME_BYTES = 2 * MESSAGE_PAYLOAD_BYTES
/** A frame of a circuit, encrypted, is one frame to the relay: two messages with their lengths and tags, and its header. */
const CARRIED_FRAME_BYTES = MAX_FRAME_BYTES - 2 * (2 + 16) - HEADER_BYTES
/** What a stream keeps unread where nothing else is said; libp2p's own. */
const READ_BUFFER_BYTES = 4 * 1024 * 1024

export function steadyYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  const create = yamux(init)
  return () => {
    const factory = create()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      if (connection.status !== 'open') throw new StreamBrokenError('the connection has ended')
      const muxer = createStreamMuxer(connection)
      let last: object | undefined
      boundIncoming(muxer, init.streamOptions?.maxReadBufferLength ?? READ_BUFFER_BYTES)
      // yamux tells its streams in the order in which it keeps them, and the first may take all the room
      connection.addEventListener('drain', () => {
        const at = last === undefined ? -1 : muxer.streams.indexOf(last as (typeof muxer.streams)[number])
        if (at >= 0) muxer.streams.push(...muxer.streams.splice(at, 1))
      })
      const newStream: unknown = Reflect.get(muxer, '_newStream')
      if (typeof newStream === 'function') {
        Reflect.set(muxer, '_newStream', (...args: unknown[]): unknown => {
          const stream: unknown = newStream.apply(muxer, args)
          if (typeof stream === 'object' && stream !== null) {
            boundFrames(stream)
            holdBack(stream, connection, () => {
              last = stream
            })
          }
          return stream
        })
      }
      const send: unknown = Reflect.get(muxer, 'send')
      if (typeof send === 'function') {
        // false: there is no room for more
        Reflect.set(muxer, 'send', (data: unknown): boolean => {
          if (connection.status !== 'open') return false
          try {
            return send.call(muxer, data)
          } catch (error) {
            // later: whoever is sending finds the stream as it was
            queueMicrotask(() => connection.abort(new StreamBrokenError('the carrier has ended', error)))
            return false
          }
        })
      }
      return muxer
    }
    return factory
  }
}

/** It sets this to its window again and again. What is to be sent goes in equal parts: a rest costs as much as a frame. */
function boundFrames(stream: object): void {
  let most = Number(Reflect.get(stream, 'maxMessageSize'))
  Object.defineProperty(stream, 'maxMessageSize', {
    get: () => {
      const waiting = Number(Reflect.get(stream, 'writeBufferLength'))
      if (!(waiting > MAX_FRAME_BYTES)) return Math.min(most, MAX_FRAME_BYTES)
      return Math.min(most, Math.ceil(waiting / Math.ceil(waiting / CARRIED_FRAME_BYTES)))
    },
    set: (bytes: number) => {
      most = bytes
    },
  })
}

/** Nothing is sent on a full connection, and nobody is told to go on. */
function holdBack(stream: object, connection: MessageStream, onSent: () => void): void {
  const [send, tell] = ['sendData', 'safeDispatchEvent'].map((name) => Reflect.get(stream, name) as unknown)
  if (typeof send !== 'function' || typeof tell !== 'function') return
  Reflect.set(stream, 'sendData', (data: unknown): unknown => {
    if (connection.writableNeedsDrain) return { sentBytes: 0, canSendMore: false }
    onSent()
    return send.call(stream, data)
  })
  Reflect.set(stream, 'safeDispatchEvent', (type: unknown, ...rest: unknown[]): unknown =>
    type === 'drain' && connection.writableNeedsDrain ? true : tell.call(stream, type, ...rest),
  )
}

/** @param most of a frame that is not whole yet */
function boundIncoming(muxer: object, most: number): void {
  const [take, decoder] = ['onData', 'decoder'].map((name) => Reflect.get(muxer, name) as unknown)
  if (typeof take !== 'function' || typeof decoder !== 'object' || decoder === null) return
  Reflect.set(muxer, 'onData', (data: unknown): void => {
    take.call(muxer, data)
    const kept: unknown = Reflect.get(decoder, 'buffer')
    const bytes = typeof kept === 'object' && kept !== null ? Number(Reflect.get(kept, 'byteLength')) : 0
    // whoever calls this ends the connection
    if (bytes > most + HEADER_BYTES) throw new StreamBrokenError('a frame longer than a stream may keep')
  })
}
