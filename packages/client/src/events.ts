import type { IncomingMessage } from 'node:http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { ConnectionLostError } from './errors.ts'

/** What has happened at the node; `type` and `data` are those of the node's events. */
export interface ClientEvent {
  /** pass as `lastEventId` to go on after it */
  id: number
  /** ISO 8601 */
  time: string
  type: string
  data: Record<string, unknown>
}

/** An event is a few kilobytes; a server that sends no line break is not ours. */
const MAX_EVENT_CHARACTERS = 1024 * 1024

/** Ends when the server ends it, or without an error when the signal does. */
export async function* eventsOf(response: IncomingMessage, signal?: AbortSignal): AsyncGenerator<ClientEvent> {
  const ready: EventSourceMessage[] = []
  let failure: unknown
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: (event) => ready.push(event),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') failure = error
    },
  })
  response.setEncoding('utf8')
  try {
    for await (const text of response as AsyncIterable<string>) {
      parser.feed(text)
      for (const message of ready.splice(0)) yield JSON.parse(message.data) as ClientEvent
      if (failure !== undefined) throw failure
    }
  } catch (error) {
    if (signal?.aborted) return
    throw new ConnectionLostError(error)
  } finally {
    response.destroy()
  }
}
