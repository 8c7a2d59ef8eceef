import { type TSchema, Type } from 'typebox'
import { PreconditionFailedError, RequestInvalidError, WaitTimeoutError } from '../errors.ts'
import { defined, fileParams, nodeRef } from '../params.ts'
import { matchesTag } from '../range.ts'
import { type Call, defineRoute } from '../route.ts'
import { closed, FileSchema, ref, SeenBySchema, TransferSchema, VersionSchema } from '../schemas.ts'
import { list, MAX_FIELDS, receiveUpload, single, type UploadFields } from '../upload.ts'

const text = (description: string) => Type.String({ maxLength: 1024, description })
const filePart = Type.String({
  format: 'binary',
  contentMediaType: 'application/octet-stream',
  description: 'the bytes',
})
const ifMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'only if the present version is this one, e.g. `"3"`' })),
})
/** The page fills the fields of a form with examples: one that is empty is not sent unless somebody writes something. */
const field = (description: string) => Type.Optional(Type.String({ maxLength: 1024, description, examples: [''] }))
const fields = <T extends TSchema>(items: T, description: string) =>
  Type.Optional(Type.Array(items, { description: `${description}; repeatable`, examples: [[]] }))
const details = {
  name: field('instead of the file name of the part'),
  type: field('media type; guessed from the name when absent'),
  campaign: field('campaign'),
  tag: fields(Type.String({ maxLength: 1024 }), 'tags'),
}
const level = Type.Union([Type.Literal('durable'), Type.Literal('replicated')])

export const fileRoutes = [
  defineRoute({
    method: 'POST',
    path: '/files',
    operationId: 'uploadFile',
    summary: 'Share a file',
    description:
      'Fields in any order. The bytes are sealed as they come; nothing is published before the closing boundary. Answers when the file is stored here; distribution goes on in the background.',
    tag: 'files',
    multipart: true,
    body: Type.Object(
      {
        file: filePart,
        denied: fields(nodeRef, 'branches that must not read it'),
        only: fields(nodeRef, 'the only branches that may read it'),
        ...details,
      },
      { required: ['file'] },
    ),
    status: 201,
    answer: ref(FileSchema),
    async handler({ node, request, reply, signal }) {
      const file = await receiveUpload({
        request,
        signal,
        allowed: { name: 1, type: 1, campaign: 1, tag: 256, denied: MAX_FIELDS, only: MAX_FIELDS },
        begin: (options) => node.files.beginUpload(options),
        publish: (pending, fields) => {
          const denied = list(fields, 'denied')
          const only = list(fields, 'only')
          if (denied !== undefined && only !== undefined) {
            throw new RequestInvalidError('a file has either "denied" or "only", not both')
          }
          const name = single(fields, 'name') ?? fields.filename
          if (name === undefined) throw new RequestInvalidError('the file has no name: give the field "name"')
          return pending.publish({ ...commonDetails(fields), name, ...defined({ denied, only }) }, { signal })
        },
      })
      reply.header('location', `/api/v1/files/${file.id}`).header('etag', `"${file.version}"`)
      return file
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/files',
    operationId: 'listFiles',
    summary: 'Files that this branch may see, of all branches',
    tag: 'files',
    query: closed({
      q: Type.Optional(text('words of the name, campaign or tags')),
      campaign: Type.Optional(text('exact campaign')),
      owner: Type.Optional(nodeRef),
      tag: Type.Optional(text('exact tag')),
      deleted: Type.Optional(Type.Boolean({ description: 'the trash instead' })),
      cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before' })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'default 100' })),
    }),
    answer: Type.Object({ items: Type.Array(ref(FileSchema)), next: Type.Union([Type.String(), Type.Null()]) }),
    handler: ({ node, query }) => node.files.list(query),
  }),
  defineRoute({
    method: 'GET',
    path: '/files/:id',
    operationId: 'getFile',
    summary: 'One file, and who can see it',
    tag: 'files',
    params: fileParams,
    answer: Type.Intersect([ref(FileSchema), Type.Object({ seenBy: ref(SeenBySchema) })]),
    handler({ node, params, reply }) {
      const file = node.files.get(params.id)
      reply.header('etag', `"${file.version}"`)
      return { ...file, seenBy: node.files.seenBy(file.id) }
    },
  }),
  defineRoute({
    method: 'PUT',
    path: '/files/:id',
    operationId: 'updateFile',
    summary: 'Give a file new content',
    description: 'Owner only. Name, type, tags and campaign stay as they are unless given.',
    tag: 'files',
    params: fileParams,
    headers: ifMatch,
    multipart: true,
    body: Type.Object({ file: filePart, ...details }, { required: ['file'] }),
    answer: ref(FileSchema),
    async handler(call) {
      const { node, params, request, reply, signal } = call
      const version = expectedVersion(call)
      const file = await receiveUpload({
        request,
        signal,
        allowed: { name: 1, type: 1, campaign: 1, tag: 256 },
        begin: (options) => node.files.beginUpdate(params.id, options),
        // No file name of the part: a new version saved under another name keeps the name that it has.
        publish: (pending, fields) =>
          pending.publish(
            { ...commonDetails(fields), ...defined({ name: single(fields, 'name'), ifMatch: version }) },
            { signal },
          ),
      })
      reply.header('etag', `"${file.version}"`)
      return file
    },
  }),
  defineRoute({
    method: 'DELETE',
    path: '/files/:id',
    operationId: 'deleteFile',
    summary: 'Delete a file',
    description:
      'Owner only. Hides it everywhere at once and keeps it for the retention; `purge` removes the bytes from every holder.',
    tag: 'files',
    params: fileParams,
    headers: ifMatch,
    query: closed({ purge: Type.Optional(Type.Boolean()) }),
    status: 204,
    async handler(call) {
      const { node, params, query, signal } = call
      await node.files.remove(params.id, { signal, ...query, ...defined({ ifMatch: expectedVersion(call) }) })
      return undefined
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/files/:id/versions',
    operationId: 'listVersions',
    summary: 'Versions of a file',
    tag: 'files',
    params: fileParams,
    answer: Type.Object({ items: Type.Array(ref(VersionSchema)) }),
    handler: ({ node, params }) => ({ items: node.files.versions(params.id) }),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/fetch',
    operationId: 'fetchFile',
    summary: 'Make a local copy now',
    tag: 'files',
    params: fileParams,
    body: closed({ version: Type.Optional(Type.Integer({ minimum: 1 })) }),
    bodyOptional: true,
    status: 202,
    answer: ref(TransferSchema),
    handler: ({ node, params, body, signal }) => node.files.fetch(params.id, { signal, ...body }),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/restore',
    operationId: 'restoreFile',
    summary: 'Take a file out of the trash, or make an older version the present one',
    description: 'Owner only.',
    tag: 'files',
    params: fileParams,
    body: closed({ version: Type.Optional(Type.Integer({ minimum: 1 })) }),
    bodyOptional: true,
    answer: ref(FileSchema),
    handler: ({ node, params, body, signal }) => node.files.restore(params.id, { signal, ...body }),
  }),
  defineRoute({
    method: 'GET',
    path: '/files/:id/wait',
    operationId: 'waitForFile',
    summary: 'Wait until a file is held by enough members',
    tag: 'files',
    params: fileParams,
    query: closed({
      level,
      timeout: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 86_400, description: 'seconds, then `504 timeout`; default: none' }),
      ),
    }),
    answer: ref(FileSchema),
    async handler({ node, params, query, signal }) {
      const { timeout } = query
      if (timeout === undefined) return node.files.waitFor(params.id, query.level, { signal })
      const deadline = AbortSignal.timeout(timeout * 1000)
      try {
        return await node.files.waitFor(params.id, query.level, { signal: AbortSignal.any([signal, deadline]) })
      } catch (error) {
        if (deadline.aborted && !signal.aborted) throw new WaitTimeoutError(timeout)
        throw error
      }
    },
  }),
]

function commonDetails(fields: UploadFields) {
  return defined({
    type: single(fields, 'type') ?? fields.type,
    campaign: single(fields, 'campaign'),
    tags: list(fields, 'tag'),
  })
}

/**
 * `If-Match` of RFC 9110, 13.1.1, on version numbers. Checked now, so that no body is read in vain, and by the facade at the write.
 * @throws {PreconditionFailedError}
 */
function expectedVersion(call: Call<{ id: string }, unknown, unknown>): number | undefined {
  const header = call.request.headers['if-match']
  if (header === undefined || header.trim() === '*') return undefined
  const { version } = call.node.files.get(call.params.id)
  if (!matchesTag(header, `"${version}"`, 'strong')) throw new PreconditionFailedError(`"${version}"`)
  return version
}
