/**
 * Multipart bodies as streams: the file part is sealed as it comes, the fields may stand before or behind it, and
 * `publish` is called only after the closing boundary. Whatever fails, the pending upload is dropped.
 */
import type { Readable } from 'node:stream'
import { MaloteError } from '@malote/core'
import type { FastifyRequest } from 'fastify'
import { RequestInvalidError, UploadAbortedError } from './errors.ts'

/** What `files.beginUpload` and `files.beginUpdate` have in common. */
interface Pending {
  write(content: Readable, options: { signal: AbortSignal }): Promise<{ size: number }>
  abort(): Promise<void>
}

export interface UploadFields {
  /** file name of the part */
  filename: string | undefined
  /** media type of the part; undefined when the client did not know it */
  type: string | undefined
  /** every field of the form, in order of arrival */
  values: Map<string, string[]>
}

export interface ReceiveInit<P extends Pending, R> {
  request: FastifyRequest
  signal: AbortSignal
  /** field name -> how often it may stand there */
  allowed: Readonly<Record<string, number>>
  /** @param options about how large the content is, when the client says so */
  begin: (options: { sizeHint?: number }) => Promise<P>
  publish: (pending: P, fields: UploadFields) => Promise<R>
}

/** Many denied branches are many fields. */
export const MAX_FIELDS = 4096
/** More than any name: whether a name is too long is for the node to say, with its own code. */
const MAX_FIELD_BYTES = 32 * 1024
/** A client that sends nothing for so long has gone. Milliseconds. */
export const UPLOAD_IDLE_MS = 300_000
/** Sent by clients that do not know the type (curl, Python), the second by the parser for none at all. */
const UNKNOWN_TYPES = new Set(['application/octet-stream', 'text/plain'])

/**
 * @throws {RequestInvalidError} fields unknown, repeated or too long; no file part, or several
 * @throws {UploadAbortedError} the body ended before its closing boundary
 */
export async function receiveUpload<P extends Pending, R>(init: ReceiveInit<P, R>): Promise<R> {
  const { request, signal, begin, publish } = init
  if (!request.isMultipart()) {
    throw new RequestInvalidError('this route wants multipart/form-data with one part named "file"')
  }
  const pending = await begin(sizeHintOf(request))
  try {
    const fields = await withIdleDeadline(request, () => readParts(init, pending))
    signal.throwIfAborted()
    return await publish(pending, fields)
  } catch (error) {
    await pending.abort()
    throw error
  }
}

/** The whole body's length: the fields and boundaries around the file are small beside a file for which it matters. */
function sizeHintOf(request: FastifyRequest): { sizeHint?: number } {
  const length = Number(request.headers['content-length'] ?? Number.NaN)
  return Number.isSafeInteger(length) ? { sizeHint: length } : {}
}

async function readParts<P extends Pending, R>(init: ReceiveInit<P, R>, pending: P): Promise<UploadFields> {
  const { request, signal, allowed } = init
  const fields: UploadFields = { filename: undefined, type: undefined, values: new Map() }
  let hasFile = false
  const parts = request.parts({
    // A file without a file name is a file all the same, and a field never has one.
    isPartAFile: (field: string | undefined, _type: string | undefined, filename: string | undefined) =>
      field === 'file' || filename !== undefined,
    limits: {
      fields: MAX_FIELDS,
      parts: MAX_FIELDS + 2,
      files: 2,
      fieldNameSize: 100,
      fieldSize: MAX_FIELD_BYTES,
      fileSize: Number.POSITIVE_INFINITY,
      headerPairs: 32,
    },
  } as Parameters<FastifyRequest['parts']>[0])
  try {
    for await (const part of parts) {
      signal.throwIfAborted()
      if (part.type === 'field') {
        takeField(fields.values, part, allowed)
        continue
      }
      if (part.fieldname !== 'file') {
        throw new RequestInvalidError(`the file's part must be named "file", not ${JSON.stringify(part.fieldname)}`)
      }
      if (hasFile) throw new RequestInvalidError('one request carries one file')
      hasFile = true
      fields.filename = part.filename || undefined
      fields.type = UNKNOWN_TYPES.has(part.mimetype) ? undefined : part.mimetype
      await pending.write(part.file, { signal })
    }
  } catch (error) {
    throw asExpected(error, signal)
  }
  if (!hasFile) throw new RequestInvalidError('the part "file" is missing')
  return fields
}

function takeField(
  values: Map<string, string[]>,
  part: { fieldname: string; value: unknown; fieldnameTruncated: boolean; valueTruncated: boolean },
  allowed: Readonly<Record<string, number>>,
): void {
  const { fieldname, value } = part
  const most = Object.hasOwn(allowed, fieldname) ? allowed[fieldname] : undefined
  if (most === undefined || part.fieldnameTruncated) {
    throw new RequestInvalidError(`unknown field ${JSON.stringify(fieldname)}`, { allowed: Object.keys(allowed) })
  }
  if (typeof value !== 'string' || part.valueTruncated) {
    throw new RequestInvalidError(`the field ${fieldname} must be text of at most ${MAX_FIELD_BYTES} bytes`)
  }
  const list = values.get(fieldname) ?? []
  if (list.length >= most) throw new RequestInvalidError(`the field ${fieldname} may stand there once`)
  list.push(value)
  values.set(fieldname, list)
}

/** The parser speaks of malformed and broken bodies in plain errors. */
function asExpected(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof MaloteError) return error
  if (signal.aborted) return signal.reason
  if (error instanceof Error && 'statusCode' in error && 'code' in error && error.code !== 'FST_MP_PREMATURE_CLOSE') {
    return error
  }
  if (error instanceof Error && /multipart|terminated early|premature|aborted|ECONNRESET/i.test(error.message)) {
    return new UploadAbortedError(error)
  }
  return error
}

/** Ends the connection when no byte moves for too long; the deadline is for the body, not for what follows it. */
async function withIdleDeadline<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> {
  const { socket } = request.raw
  const giveUp = () => socket.destroy()
  socket.setTimeout(UPLOAD_IDLE_MS, giveUp)
  try {
    return await work()
  } finally {
    socket.removeListener('timeout', giveUp)
    socket.setTimeout(0)
  }
}

export function single(fields: UploadFields, name: string): string | undefined {
  return fields.values.get(name)?.[0]
}

export function list(fields: UploadFields, name: string): string[] | undefined {
  return fields.values.get(name)
}
