/** One question to a router over HTTP: bounded, at once or not at all, and wherever it points to is not followed. */
import { request } from 'node:http'
import { RouterAnswerError } from './errors.ts'

/** Largest answer that is read, bytes: descriptions have 2 to 10 KiB. */
const MAX_ANSWER = 64 * 1024
const MAX_HEADERS = 8 * 1024

export interface RouterAnswer {
  readonly status: number
  readonly text: string
  /** address of this machine, as the router sees it */
  readonly client: string
}

/** @throws {RouterAnswerError} when it is too long or no HTTP; what the socket or the signal says otherwise */
export function askRouter(
  url: URL,
  signal: AbortSignal,
  call?: { readonly action: string; readonly body: string },
): Promise<RouterAnswer> {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: 'close',
      ...(call === undefined
        ? {}
        : {
            'Content-Type': 'text/xml; charset="utf-8"',
            'Content-Length': Buffer.byteLength(call.body),
            SOAPAction: `"${call.action}"`,
          }),
    }
    const { hostname: host, port, pathname, search } = url
    const method = call === undefined ? 'GET' : 'POST'
    const asking = request(
      {
        host,
        port: port === '' ? 80 : port,
        path: pathname + search,
        headers,
        family: 4,
        agent: false,
        signal,
        method,
        maxHeaderSize: MAX_HEADERS,
      },
      (answer) => {
        const client = asking.socket?.localAddress ?? ''
        const parts: Buffer[] = []
        let length = 0
        answer.on('data', (part: Buffer) => {
          length += part.length
          if (length > MAX_ANSWER) asking.destroy(new RouterAnswerError('an answer without end'))
          else parts.push(part)
        })
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8'), client }),
        )
      },
    )
    asking.on('error', reject)
    asking.end(call?.body)
  })
}
