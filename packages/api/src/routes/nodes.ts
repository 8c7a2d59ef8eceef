import { Type } from 'typebox'
import { defined, durationMs, nodeParams, nodeRef, plainIdParams } from '../params.ts'
import { defineRoute } from '../route.ts'
import { closed, InviteSchema, NodeSchema, RoleSchema, ref } from '../schemas.ts'

const recoveryKey = Type.String({ minLength: 1, maxLength: 1024 })

export const nodeRoutes = [
  defineRoute({
    method: 'GET',
    path: '/nodes',
    operationId: 'listNodes',
    summary: 'All members',
    tag: 'nodes',
    answer: Type.Object({ items: Type.Array(ref(NodeSchema)) }),
    handler: ({ node }) => ({ items: node.members.list() }),
  }),
  defineRoute({
    method: 'GET',
    path: '/nodes/:id',
    operationId: 'getNode',
    summary: 'One member',
    tag: 'nodes',
    params: nodeParams,
    answer: ref(NodeSchema),
    handler: ({ node, params }) => node.members.get(params.id),
  }),
  defineRoute({
    method: 'PATCH',
    path: '/nodes/:id',
    operationId: 'setRole',
    summary: 'Change the role of a member',
    description: 'Admins only.',
    tag: 'nodes',
    params: nodeParams,
    body: closed({ role: RoleSchema }),
    example: { role: 'admin' },
    answer: ref(NodeSchema),
    handler: ({ node, params, body, signal }) => node.members.setRole(params.id, body.role, { signal }),
  }),
  defineRoute({
    method: 'DELETE',
    path: '/nodes/:id',
    operationId: 'expel',
    summary: 'Expel a member',
    description:
      'Admins only. Quarantines it at once; `waitsFor` says what finality waits for, null when it is final. With `recoveryKey` any node that was ever admitted may, and it is final; `since` (with it only) is the id of the first entry of that node which shall count no more: that and all that followed from it is undone.',
    tag: 'nodes',
    params: nodeParams,
    body: closed({
      recoveryKey: Type.Optional(recoveryKey),
      since: Type.Optional(Type.String({ pattern: '^[0-9a-f]{6,64}$' })),
    }),
    bodyOptional: true,
    answer: Type.Object({ node: ref(NodeSchema), waitsFor: Type.Union([Type.String(), Type.Null()]) }),
    handler: ({ node, params, body, signal }) => node.members.expel(params.id, { ...body, signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/nodes/:id/quarantine',
    operationId: 'quarantine',
    summary: 'Cut a member off from chunks, boxes, keys and grants',
    description: 'Admins only.',
    tag: 'nodes',
    params: nodeParams,
    body: closed({}),
    bodyOptional: true,
    answer: ref(NodeSchema),
    handler: ({ node, params, signal }) => node.members.quarantine(params.id, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/nodes/:id/release',
    operationId: 'release',
    summary: 'End the quarantine of a member',
    description: 'Admins only.',
    tag: 'nodes',
    params: nodeParams,
    body: closed({}),
    bodyOptional: true,
    answer: ref(NodeSchema),
    handler: ({ node, params, signal }) => node.members.release(params.id, { signal }),
  }),
]

export const inviteRoutes = [
  defineRoute({
    method: 'POST',
    path: '/invites',
    operationId: 'createInvite',
    summary: 'Invite a branch',
    description:
      'Admins only. The string `invite` is in this answer and nowhere else. With `recoveryKey` it may replace an admin’s machine.',
    tag: 'invites',
    body: closed({
      branch: Type.String({ minLength: 1, maxLength: 1024 }),
      role: Type.Optional(RoleSchema),
      expires: Type.Optional(
        Type.String({
          maxLength: 64,
          description: 'how long (`90m`, `72h`, `7d`) or until when (RFC 3339); default 72 h',
        }),
      ),
      replaces: Type.Optional(nodeRef),
      recoveryKey: Type.Optional(recoveryKey),
    }),
    example: { branch: 'Recife', role: 'member', expires: '72h' },
    status: 201,
    answer: Type.Intersect([
      Type.Object({ invite: Type.String({ description: 'the whole secret' }) }),
      ref(InviteSchema),
    ]),
    async handler({ node, body: { expires, ...rest }, signal }) {
      const expiresInMs = expires === undefined ? undefined : durationMs(expires, Date.now())
      const { invite, view } = await node.members.invite({ ...rest, ...defined({ expiresInMs }) }, { signal })
      return { invite, ...view }
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/invites',
    operationId: 'listInvites',
    summary: 'Invites and what became of them',
    tag: 'invites',
    answer: Type.Object({ items: Type.Array(ref(InviteSchema)) }),
    handler: ({ node }) => ({ items: node.members.invites() }),
  }),
  defineRoute({
    method: 'DELETE',
    path: '/invites/:id',
    operationId: 'revokeInvite',
    summary: 'Revoke an invite',
    description: 'Admins only.',
    tag: 'invites',
    params: plainIdParams,
    status: 204,
    async handler({ node, params, signal }) {
      await node.members.revokeInvite(params.id, { signal })
      return undefined
    },
  }),
]
