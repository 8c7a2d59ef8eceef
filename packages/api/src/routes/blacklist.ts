import { Type } from 'typebox'
import { RequestInvalidError } from '../errors.ts'
import { defined, fileRef, nodeRef } from '../params.ts'
import { defineRoute } from '../route.ts'
import { closed, FileSchema, ref } from '../schemas.ts'

const Item = Type.Object({ fileId: Type.String(), node: Type.String({ description: 'PeerId' }) })
const reseal = Type.Optional(
  Type.Boolean({ description: 'also seal the present version anew, so that copies with the old key are dropped' }),
)
const params = closed({ fileId: fileRef })
const nodes = Type.Union([nodeRef, Type.Array(nodeRef, { minItems: 1, maxItems: 10_000 })], {
  description: 'one node, or several at once: one change of the file, whoever is named',
})
const several = (given: string | string[]) => (typeof given === 'string' ? [given] : given)

export const blacklistRoutes = [
  defineRoute({
    method: 'POST',
    path: '/files/blacklist',
    operationId: 'denyNode',
    summary: 'Deny a file to a branch, or to several',
    description:
      'Owner only. A node stands for its branch. Whoever could read the file until now may have kept a copy.',
    tag: 'blacklist',
    body: closed({ fileId: fileRef, node: nodes, reseal }),
    example: { fileId: 'cartaz.png', node: 'Recife' },
    status: 201,
    answer: Type.Object({
      fileId: Type.String(),
      node: Type.String({ description: 'PeerId, of the first that was named' }),
      file: ref(FileSchema),
    }),
    async handler({ node, body, signal }) {
      const refs = several(body.node)
      const file = await node.files.deny(body.fileId, refs, { signal, ...defined({ reseal: body.reseal }) })
      return { fileId: file.id, node: node.members.get(refs[0] ?? '').id, file }
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/files/blacklist',
    operationId: 'listBlacklist',
    summary: 'Who is denied which of the files that this node may see',
    tag: 'blacklist',
    query: closed({ file: Type.Optional(fileRef) }),
    answer: Type.Object({ items: Type.Array(Item) }),
    handler: ({ node, query }) => ({ items: node.files.blacklist(query.file) }),
  }),
  defineRoute({
    method: 'PUT',
    path: '/files/blacklist/:fileId',
    operationId: 'setBlacklist',
    summary: 'Replace the blacklist of a file',
    description:
      'Owner only. Everyone but these may read it then, newcomers too, also where it was shared with some only. An empty list is everyone.',
    tag: 'blacklist',
    params,
    body: closed({ nodes: Type.Array(nodeRef, { maxItems: 10_000 }), reseal }),
    example: { nodes: ['Recife', 'Natal'] },
    answer: Type.Object({ items: Type.Array(Item), file: ref(FileSchema) }),
    async handler({ node, params, body, signal }) {
      const options = { signal, ...defined({ reseal: body.reseal }) }
      const file = await node.files.setBlacklist(params.fileId, body.nodes, options)
      return { items: node.files.blacklist(file.id), file }
    },
  }),
  defineRoute({
    method: 'DELETE',
    path: '/files/blacklist/:fileId',
    operationId: 'allowNode',
    summary: 'Take nodes, or all, off the blacklist of a file',
    description:
      'Owner only. Exactly one of `node` (repeatable) and `all=true`. A file that was shared with some only is shared with these too; with `all`, with everyone.',
    tag: 'blacklist',
    params,
    query: closed({ node: Type.Optional(nodes), all: Type.Optional(Type.Boolean()), reseal }),
    status: 204,
    async handler({ node, params, query, signal }) {
      const all = query.all === true
      if (all === (query.node !== undefined)) {
        throw new RequestInvalidError('say which: ?node=<node> for one, ?all=true for all')
      }
      const off = query.node === undefined ? 'all' : several(query.node)
      await node.files.allow(params.fileId, off, { signal, ...defined({ reseal: query.reseal }) })
      return undefined
    },
  }),
]
