import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { API_PREFIX, type Api, ask, createClient, type FileView } from './api.ts'
import { type ClientEvent, eventsOf } from './events.ts'
import { bytesOf, carryByNode, send, succeed, textOf } from './transport.ts'
import { multipartOf, type StreamSource, type TransferProgress, type UploadFields } from './upload.ts'

/** Which node a client speaks to. */
export interface MaloteClientInit {
  /** `http://127.0.0.1:7373` */
  url: string
  /** the content of `<data>/api-token`; new at each start of the node */
  token: string
  /** ends every call of `api` */
  signal?: AbortSignal
}

/** Of a call that sends a file. */
export interface UploadOptions {
  /** after each piece that was sent */
  onProgress?: (progress: TransferProgress) => void
  signal?: AbortSignal
}

/** An answer whose bytes come as they are read. */
export interface Download {
  /** the plain bytes; an error when the connection breaks before the end */
  stream: Readable
  headers: IncomingHttpHeaders
  /** 200, or 206 when the range was honoured */
  status: number
  /** bytes that the stream will give */
  length: number
  etag: string | null
}

/** A small picture of a file. */
export interface Preview {
  /** media type: a picture, or `application/octet-stream` where the sharing branch has put something else there */
  type: string
  bytes: Uint8Array
}

/** What a node gives is at most half of it. */
const MAX_PREVIEW_BYTES = 512 * 1024
/** A file's view is a few kilobytes, with thousands of denied nodes some hundred. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/**
 * The client of one running node.
 * @example
 * const client = await connectTo(dataDir)
 * const { items } = await client.ask(client.api.GET('/files'))
 * const file = await client.upload('poster.png', { campaign: 'spring' })
 */
export class MaloteClient {
  /** without a slash at its end */
  readonly url: string
  /** every route, typed; throws `ProblemError` */
  readonly api: Api
  /** The data of an answer of `api`. */
  readonly ask = ask
  readonly #token: string

  /** Asks nothing of the node; `connectTo` finds one, and has it prove itself first. */
  constructor(init: MaloteClientInit) {
    const { url, token, signal } = init
    this.url = url.replace(/\/+$/, '')
    this.#token = token
    this.api = createClient({ url: this.url, token, signal, carry: carryByNode })
  }

  /**
   * Shares a file. Memory stays flat.
   * @param source a path, which is read without following a link, or a stream
   * @throws {ProblemError} @throws {FileUnreadableError} @throws {FileChangedError}
   */
  upload(source: string | StreamSource, fields: UploadFields = {}, options: UploadOptions = {}): Promise<FileView> {
    // As a field the name needs no escaping, which parsers undo in different ways.
    const name = fields.name ?? (typeof source === 'string' ? basename(source) : source.name)
    return this.#sendFile('POST', '/files', source, { ...fields, name }, options)
  }

  /**
   * Gives a file new content. Owner only.
   * @param ref id, unique prefix of 6 characters or more, or exact name
   * @param fields name, type, tags and campaign stay as they are unless given
   * @param options.ifMatch number of the version that the caller has seen
   * @throws {ProblemError} `not-owner`, `precondition-failed`, … @throws {FileUnreadableError} @throws {FileChangedError}
   */
  update(
    ref: string,
    source: string | StreamSource,
    fields: Omit<UploadFields, 'denied' | 'only'> = {},
    options: UploadOptions & { ifMatch?: number } = {},
  ): Promise<FileView> {
    const headers: Record<string, string> = options.ifMatch === undefined ? {} : { 'if-match': `"${options.ifMatch}"` }
    return this.#sendFile('PUT', `/files/${encodeURIComponent(ref)}`, source, fields, options, headers)
  }

  /**
   * The plain bytes of a file, as they come.
   * @param options.range first byte, and the byte behind the last (to the end when absent); with `ifRange` only while the content has this entity tag
   * @throws {ProblemError} `not-found`, `no-source`, `range-invalid`, …
   */
  async download(
    ref: string,
    options: {
      version?: number
      range?: { start: number; end?: number }
      ifRange?: string
      signal?: AbortSignal
    } = {},
  ): Promise<Download> {
    const { version, range, ifRange, signal } = options
    const query = version === undefined ? '' : `?version=${version}`
    const headers: Record<string, string> = {}
    if (range !== undefined) headers.range = `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`
    if (ifRange !== undefined) headers['if-range'] = ifRange
    const stream = await this.#send('GET', `/files/${encodeURIComponent(ref)}/content${query}`, { headers, signal })
    return {
      stream,
      headers: stream.headers,
      status: stream.statusCode ?? 0,
      length: Number(stream.headers['content-length'] ?? 0),
      etag: stream.headers.etag ?? null,
    }
  }

  /** A small picture of the file; null where it has none (`hasPreview`). @throws {ProblemError} @throws {ConnectionLostError} */
  async preview(ref: string, { signal }: { signal?: AbortSignal } = {}): Promise<Preview | null> {
    const response = await this.#send('GET', `/files/${encodeURIComponent(ref)}/preview`, { signal })
    const bytes = await bytesOf(response, MAX_PREVIEW_BYTES)
    if (response.statusCode === 204) return null
    return { type: response.headers['content-type'] ?? 'application/octet-stream', bytes }
  }

  /**
   * What happens from now on, or after `lastEventId`. Ends with the signal, or when the node stops.
   * @param options.types only these (the list: docs/sdk.md); all by default
   * @throws {ProblemError} @throws {ConnectionLostError}
   */
  async *events(
    options: { lastEventId?: number; types?: readonly string[]; signal?: AbortSignal } = {},
  ): AsyncGenerator<ClientEvent> {
    const { lastEventId, types, signal } = options
    const query = types === undefined ? '' : `?types=${encodeURIComponent(types.join(','))}`
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (lastEventId !== undefined) headers['last-event-id'] = String(lastEventId)
    let response: IncomingMessage
    try {
      response = await this.#send('GET', `/events${query}`, { headers, signal })
    } catch (error) {
      if (signal?.aborted) return
      throw error
    }
    yield* eventsOf(response, signal)
  }

  async #sendFile(
    method: string,
    path: string,
    source: string | StreamSource,
    fields: UploadFields,
    { onProgress, signal }: UploadOptions,
    headers: Record<string, string> = {},
  ): Promise<FileView> {
    const body = await multipartOf(source, fields, onProgress)
    try {
      const response = await this.#send(method, path, {
        headers: { ...headers, ...body.headers },
        signal,
        write: body.write,
      })
      return JSON.parse(await textOf(response, MAX_ANSWER_BYTES)) as FileView
    } finally {
      await body.close()
    }
  }

  async #send(
    method: string,
    path: string,
    init: Pick<Parameters<typeof send>[0], 'headers' | 'signal' | 'write'>,
  ): Promise<IncomingMessage> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#token}` }
    return succeed(await send({ ...init, url: new URL(this.url + API_PREFIX + path), method, headers }))
  }
}
