/**
 * yamux, which says nothing on a connection that has ended. @libp2p/yamux 8.0.3 opens a stream in a microtask of its own:
 * what the connection throws there is caught by nobody, and ends the process. It happens on a connection that ended
 * before yamux listened to it, or that is about to; and on one whose carrier has ended without its knowing yet, such as a
 * circuit whose stream to the relay is closing. Who still waits to send is told by the end of the connection.
 *
 * And which sends in small frames: 8.0.3 makes them as long as the window, and hands on what came when a frame is whole. On
 * a slow path a mebibyte takes longer than silence is borne, and nothing else passes meanwhile.
 */
import type { StreamMuxerFactory } from '@libp2p/interface'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'
import { StreamBrokenError } from './errors.ts'

/** At 16 KiB a second, below which nothing is hoped for, one every 8 s; what a frame costs is not felt at this size. */
export const MAX_FRAME_BYTES = 128 * 1024

export function steadyYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  const create = yamux(init)
  return () => {
    const factory = create()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      if (connection.status !== 'open') throw new StreamBrokenError('the connection has ended')
      const muxer = createStreamMuxer(connection)
      const newStream: unknown = Reflect.get(muxer, '_newStream')
      if (typeof newStream === 'function') {
        Reflect.set(muxer, '_newStream', (...args: unknown[]): unknown => {
          const stream: unknown = newStream.apply(muxer, args)
          if (typeof stream === 'object' && stream !== null) boundFrames(stream)
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

/** It sets this to its window again and again. */
function boundFrames(stream: object): void {
  let most = Number(Reflect.get(stream, 'maxMessageSize'))
  Object.defineProperty(stream, 'maxMessageSize', {
    get: () => Math.min(most, MAX_FRAME_BYTES),
    set: (bytes: number) => {
      most = bytes
    },
  })
}
