import { Type } from 'typebox'
import { RequestInvalidError } from '../errors.ts'
import { fileRef, nodeRef } from '../params.ts'
import { defineRoute } from '../route.ts'
import { closed, FileSchema, ref } from '../schemas.ts'

const Item = Type.Object({ fileId: Type.String(), node: Type.String({ description: 'PeerId' }) })
const reseal = Type.Optional(
  Type.Boolean({ description: 'also seal the present version anew, so that copies with the old key are dropped' }),
)
const params = closed({ fileId: fileRef })

export const blacklistRoutes = [
  defineRoute({
    method: 'POST',
    path: '/files/blacklist',
    operationId: 'denyNode',
    summary: 'Deny a file to a branch',
    description: 'Owner only. The node stands for its branch. It had access until now and may have kept a copy.',
    tag: 'blacklist',
    body: closed({ fileId: fileRef, node: nodeRef, reseal }),
    status: 201,
    answer: Type.Object({ fileId: Type.String(), node: Type.String({ description: 'PeerId' }), file: ref(FileSchema) }),
    async handler({ node, body, signal }) {
      const options = body.reseal === undefined ? { signal } : { signal, reseal: body.reseal }
      const file = await node.files.deny(body.fileId, [body.node], options)
      return { fileId: file.id, node: node.members.get(body.node).id, file }
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
    description: 'Owner only.',
    tag: 'blacklist',
    params,
    body: closed({ nodes: Type.Array(nodeRef, { maxItems: 10_000 }), reseal }),
    answer: Type.Object({ items: Type.Array(Item), file: ref(FileSchema) }),
    async handler({ node, params, body, signal }) {
      const options = body.reseal === undefined ? { signal } : { signal, reseal: body.reseal }
      const file = await node.files.setBlacklist(params.fileId, body.nodes, options)
      return { items: node.files.blacklist(file.id), file }
    },
  }),
  defineRoute({
    method: 'DELETE',
    path: '/files/blacklist/:fileId',
    operationId: 'allowNode',
    summary: 'Take one node, or all, off the blacklist of a file',
    description: 'Owner only. Exactly one of `node` and `all=true`.',
    tag: 'blacklist',
    params,
    query: closed({ node: Type.Optional(nodeRef), all: Type.Optional(Type.Boolean()) }),
    status: 204,
    async handler({ node, params, query, signal }) {
      const all = query.all === true
      if (all === (query.node !== undefined)) {
        throw new RequestInvalidError('say which: ?node=<node> for one, ?all=true for all')
      }
      await node.files.allow(params.fileId, query.node === undefined ? 'all' : [query.node], { signal })
      return undefined
    },
  }),
]
