import { Type } from 'typebox'
import { fileParams, nodeRef } from '../params.ts'
import { defineRoute } from '../route.ts'
import { closed, FileSchema, ref } from '../schemas.ts'

const to = closed({ to: nodeRef })

export const ownershipRoutes = [
  defineRoute({
    method: 'GET',
    path: '/handoffs',
    operationId: 'listHandoffs',
    summary: 'Open offers to this branch and of this branch',
    tag: 'ownership',
    answer: Type.Object({ incoming: Type.Array(ref(FileSchema)), outgoing: Type.Array(ref(FileSchema)) }),
    handler: ({ node }) => node.files.handoffs(),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/handoff',
    operationId: 'offerFile',
    summary: 'Offer a file to another branch',
    description: 'Owner only. The file is frozen until the offer ends.',
    tag: 'ownership',
    params: fileParams,
    body: to,
    example: { to: 'Recife' },
    status: 201,
    answer: ref(FileSchema),
    handler: ({ node, params, body, signal }) => node.files.offer(params.id, body.to, { signal }),
  }),
  defineRoute({
    method: 'DELETE',
    path: '/files/:id/handoff',
    operationId: 'cancelOffer',
    summary: 'Cancel the open offer of a file',
    description: 'Owner only.',
    tag: 'ownership',
    params: fileParams,
    answer: ref(FileSchema),
    handler: ({ node, params, signal }) => node.files.cancelOffer(params.id, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/handoff/accept',
    operationId: 'acceptOffer',
    summary: 'Accept a file that is offered to this branch',
    tag: 'ownership',
    params: fileParams,
    body: closed({}),
    bodyOptional: true,
    answer: ref(FileSchema),
    handler: ({ node, params, signal }) => node.files.acceptOffer(params.id, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/handoff/decline',
    operationId: 'declineOffer',
    summary: 'Decline a file that is offered to this branch',
    tag: 'ownership',
    params: fileParams,
    body: closed({}),
    bodyOptional: true,
    status: 204,
    async handler({ node, params, signal }) {
      await node.files.declineOffer(params.id, { signal })
      return undefined
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/adopt',
    operationId: 'adoptFile',
    summary: 'Become the owner of an orphaned file',
    tag: 'ownership',
    params: fileParams,
    body: closed({}),
    bodyOptional: true,
    answer: ref(FileSchema),
    handler: ({ node, params, signal }) => node.files.adopt(params.id, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/files/:id/assign',
    operationId: 'assignFile',
    summary: 'Give an orphan, or a file whose offer was not answered, to a branch',
    description: 'Admins only. It takes effect when the branch accepts.',
    tag: 'ownership',
    params: fileParams,
    body: to,
    example: { to: 'Recife' },
    answer: ref(FileSchema),
    handler: ({ node, params, body, signal }) => node.files.assign(params.id, body.to, { signal }),
  }),
]
