/**
 * yamux, which says nothing on a connection that has ended. @libp2p/yamux 8.0.3 opens a stream in a microtask of its own:
 * what the connection throws there is caught by nobody, and ends the process. It happens on a connection that ended
 * before yamux listened to it, or that is about to; and on one whose carrier has ended without its knowing yet, such as a
 * circuit whose stream to the relay is closing. Who still waits to send is told by the end of the connection.
 */
import type { StreamMuxerFactory } from '@libp2p/interface'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'
import { StreamBrokenError } from './errors.ts'

export function steadyYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  const create = yamux(init)
  return () => {
    const factory = create()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      if (connection.status !== 'open') throw new StreamBrokenError('the connection has ended')
      const muxer = createStreamMuxer(connection)
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
