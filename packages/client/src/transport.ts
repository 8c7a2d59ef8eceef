/**
 * HTTP over `node:http`. Not `fetch`: that gives up after five minutes without headers (waits may be longer), reports
 * no progress, and cannot tell an early answer to a streamed body from a broken connection.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { PlainCall } from './api.ts'
import { ConnectionLostError, NotRunningError, ProblemError, problemFrom } from './errors.ts'

export interface SendInit {
  url: URL
  method: string
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Writes the body; stops when the answer has come. Absent: no body. */
  write?: (call: ClientRequest, answered: () => boolean) => Promise<void>
}

/** A problem document is small; what is larger is not one. */
const MAX_PROBLEM_BYTES = 64 * 1024

/** Several pages of a thousand items with long names. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

// Not imported: an import reads every name that `node:http` exports, and one of those loads all of `fetch`, which takes
// longer than the rest of a command.
const { Agent, request } = process.getBuiltinModule('node:http')
const agent = new Agent({ keepAlive: true })

/**
 * Resolves with the answer's headers, whatever the status; its body streams.
 * @throws {NotRunningError} nobody listens
 * @throws {ConnectionLostError}
 */
export async function send({ url, method, headers = {}, signal, write }: SendInit): Promise<IncomingMessage> {
  signal?.throwIfAborted()
  const call = request(url, { method, headers, agent, ...(signal === undefined ? {} : { signal }) })
  let response: IncomingMessage | undefined
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', (message) => {
      response = message
      resolve(message)
    })
    call.on('error', (error) => reject(explain(error, url, signal)))
    call.once('close', () => reject(new ConnectionLostError(undefined)))
  })
  // the failure may come while the body is still being written; it is taken below
  answer.catch(() => undefined)
  if (write === undefined) {
    call.end()
    return answer
  }
  try {
    await write(call, () => response !== undefined)
    if (response === undefined) call.end()
    // Answered before the end of the body: the connection serves no other call, and would keep the process alive.
    else response.once('close', () => call.destroy())
  } catch (error) {
    // ours (the file changed, the caller's stream broke): an unfinished body publishes nothing
    call.destroy()
    throw error
  }
  return answer
}

/** Writes with back-pressure. @returns false when there is no use in going on */
export async function writePiece(call: ClientRequest, piece: Uint8Array | string): Promise<boolean> {
  if (call.destroyed) return false
  if (call.write(piece)) return true
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const event of ENDS) call.removeListener(event, done)
      resolve()
    }
    for (const event of ENDS) call.once(event, done)
  })
  return !call.destroyed
}

const ENDS = ['drain', 'response', 'error', 'close'] as const

/** @throws {ProblemError} unless the status is a success */
export async function succeed(response: IncomingMessage): Promise<IncomingMessage> {
  const { statusCode = 0 } = response
  if (statusCode < 400) return response
  throw problemFrom(statusCode, await textOf(response, MAX_PROBLEM_BYTES))
}

export async function textOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  return (await bytesOf(response, maxBytes)).toString('utf8')
}

/** The body, as far as the bound reaches. @throws {ConnectionLostError} when the connection breaks before its end */
export async function bytesOf(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      size += piece.length
      if (size > maxBytes) break
      pieces.push(piece)
    }
  } catch (error) {
    throw new ConnectionLostError(error)
  } finally {
    response.destroy()
  }
  return Buffer.concat(pieces)
}

/** The same transport for the typed routes. */
export async function carryByNode({ body, ...call }: PlainCall): Promise<{ status: number; text: string }> {
  const bytes = body === undefined ? undefined : Buffer.from(body)
  const response = await send({
    ...call,
    ...(bytes === undefined
      ? {}
      : {
          headers: { ...call.headers, 'content-length': String(bytes.length) },
          write: async (request) => void (await writePiece(request, bytes)),
        }),
  })
  return { status: response.statusCode ?? 500, text: await textOf(response, MAX_ANSWER_BYTES) }
}

function explain(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof ProblemError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND') {
    return new NotRunningError(
      `nothing answers at ${url.origin}`,
      { reason: 'nothing-answers', url: url.origin },
      error,
    )
  }
  return new ConnectionLostError(error)
}
