import { Readable } from 'node:stream'
import type { ContentReader } from '@malote/core'
import { release } from '@malote/core/release'
import { Type } from 'typebox'
import { attachment, safeMediaType } from '../disposition.ts'
import { PreconditionFailedError, RangeUnsatisfiableError } from '../errors.ts'
import { fileParams } from '../params.ts'
import { type ContentRange, entityTag, matchesTag, parseRange, rangeStillFits } from '../range.ts'
import { type Call, defineRoute, type OtherAnswer } from '../route.ts'
import { closed } from '../schemas.ts'

const query = closed({ version: Type.Optional(Type.Integer({ minimum: 1 })) })
const headers = Type.Object({
  range: Type.Optional(Type.String({ description: 'one range of bytes' })),
  'if-range': Type.Optional(Type.String()),
  'if-match': Type.Optional(Type.String()),
  'if-none-match': Type.Optional(Type.String()),
})
const contentHeaders = {
  ETag: { type: 'string', description: 'changes with the content' },
  'Content-Disposition': { type: 'string', description: 'always an attachment, with the name' },
  'Accept-Ranges': { type: 'string', description: '`bytes`' },
}
const rangeHeaders = { ...contentHeaders, 'Content-Range': { type: 'string', description: 'which bytes of how many' } }
const bytes = { '*/*': { schema: { type: 'string', format: 'binary' } } }

const answers = (content: OtherAnswer['content']): Record<string, OtherAnswer> => {
  const body = content === undefined ? {} : { content }
  return {
    200: { description: 'The whole content', headers: contentHeaders, ...body },
    206: { description: 'The range', headers: rangeHeaders, ...body },
    304: { description: 'Not modified' },
  }
}

type ContentCall = Call<{ id: string }, { version?: number }, undefined>

export const contentRoutes = [
  defineRoute({
    method: 'GET',
    path: '/files/:id/content',
    operationId: 'getContent',
    summary: 'The plain bytes of a file',
    description: 'Streams while the rest is still on its way; chunks of the range go first.',
    tag: 'files',
    params: fileParams,
    query,
    headers,
    otherAnswers: answers(bytes),
    handler: sendContent,
  }),
  defineRoute({
    method: 'HEAD',
    path: '/files/:id/content',
    operationId: 'headContent',
    summary: 'Size, type and entity tag of the content',
    tag: 'files',
    params: fileParams,
    query,
    headers,
    otherAnswers: answers(undefined),
    handler: sendContent,
  }),
  defineRoute({
    method: 'GET',
    path: '/files/:id/preview',
    operationId: 'getPreview',
    summary: 'A small picture of the present version',
    description:
      'Of pictures (JPEG, PNG, WebP, GIF), made by the branch that shared them: at most 320 pixels wide and high. `hasPreview` of the file says whether there is one.',
    tag: 'files',
    params: fileParams,
    otherAnswers: {
      200: { description: 'A small picture', content: { 'image/*': { schema: { type: 'string', format: 'binary' } } } },
      204: { description: 'The file has no preview' },
    },
    async handler({ node, params, signal, reply }) {
      const preview = await node.files.preview(params.id, { signal })
      if (preview === null) return reply.code(204).send()
      // Made by another branch: shown as a picture or not at all.
      const type = safeMediaType(preview.type)
      return reply
        .header('content-type', /^image\/(?:jpeg|png|webp|gif|avif)$/.test(type) ? type : 'application/octet-stream')
        .header('content-disposition', attachment('preview'))
        .header('cache-control', 'private, no-cache')
        .send(Buffer.from(preview.bytes))
    },
  }),
]

async function sendContent({ node, params, query, request, reply, signal }: ContentCall) {
  const content = await node.files.content(params.id, { signal, ...query })
  const etag = entityTag(content.etag)
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers
  // RFC 9110, 13.2.2: If-Match first, then If-None-Match, then the range.
  if (ifMatch !== undefined && !matchesTag(ifMatch, etag, 'strong')) throw new PreconditionFailedError(etag)
  reply.header('etag', etag).header('cache-control', 'private, no-cache').header('vary', 'authorization, cookie')
  if (ifNoneMatch !== undefined && matchesTag(ifNoneMatch, etag, 'weak')) return reply.code(304).send()

  const ifRange = request.headers['if-range']
  // a range is of GET alone (14.2)
  const mayAsk = request.method === 'GET' && rangeStillFits(typeof ifRange === 'string' ? ifRange : undefined, etag)
  const asked = mayAsk ? parseRange(request.headers.range, content.size) : null
  if (asked === 'unsatisfiable') throw new RangeUnsatisfiableError(content.size)
  const range = asked ?? { start: 0, end: content.size }

  // The first bytes before the status: whoever has no source to read from gets a problem document, not half an answer.
  const body = request.method === 'HEAD' || range.end === range.start ? null : await begin(content, range, signal)
  if (asked !== null) {
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end - 1}/${content.size}`)
  }
  reply
    .header('accept-ranges', 'bytes')
    .header('content-length', String(range.end - range.start))
    .header('content-type', safeMediaType(content.type))
    .header('content-disposition', attachment(content.name))
  return reply.send(body ?? undefined)
}

/** One chunk ahead of the reader, no more: a slow one costs one chunk of memory. */
async function begin(content: ContentReader, range: ContentRange, signal: AbortSignal): Promise<Readable> {
  const iterator = content.read(range, { signal })[Symbol.asyncIterator]()
  // who leaves before anything was taken from `rest` has not begun it, and would not end what it is to read from
  signal.addEventListener('abort', () => void iterator.return?.().catch(() => undefined), { once: true })
  const first = await iterator.next()
  async function* rest() {
    try {
      for (let result = first; !result.done; result = await iterator.next()) yield result.value
    } finally {
      await iterator.return?.()
    }
  }
  // each chunk by itself: joined with the next it would have been copied
  const body = Readable.from(rest(), { objectMode: true, highWaterMark: 1 })
  body.pipe = (to) => pipeAndRelease(body, to)
  return body
}

/** Left to the collector, a chunk's memory takes longer than opening it did: given back when the socket has taken it. */
function pipeAndRelease<T extends NodeJS.WritableStream>(from: Readable, to: T): T {
  from.on('data', (chunk: Uint8Array) => {
    if (to.write(chunk, () => release(chunk))) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.once('end', () => to.end())
  return to
}
