import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { closed, FoundedSchema, ref, StatusSchema } from '../schemas.ts'

const name = (description: string) => Type.String({ minLength: 1, maxLength: 1024, description })

const copies = { minimum: 1, maximum: 10_000 }

export const networkRoutes = [
  defineRoute({
    method: 'POST',
    path: '/network',
    operationId: 'foundNetwork',
    summary: 'Found a network',
    description: 'Makes this node the first member and admin. The recovery key is in this answer and nowhere else.',
    tag: 'network',
    body: closed({
      name: name('of the network'),
      branch: name("this node's branch"),
      policy: Type.Optional(
        closed({
          minCopies: Type.Optional(
            Type.Integer({ ...copies, description: 'holders of each version, where there are so many members' }),
          ),
          maxCopies: Type.Optional(
            Type.Integer({ ...copies, description: 'at most so many holders, whatever share may be off' }),
          ),
        }),
      ),
    }),
    example: { name: 'Agência Horizonte', branch: 'São Paulo' },
    status: 201,
    answer: ref(FoundedSchema),
    async handler({ node, body, signal }) {
      const { status, recoveryKey } = await node.network.init(body, { signal })
      return { ...status, recoveryKey }
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/register',
    operationId: 'register',
    summary: 'Join a network with an invite',
    tag: 'network',
    body: closed({
      invite: Type.String({ minLength: 1, maxLength: 65_536, description: 'the whole string' }),
      ip: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 1024,
          description:
            'a member to ask, when those in the invite cannot be reached: IP, `IP:port`, DNS name, multiaddr',
        }),
      ),
    }),
    example: { invite: 'eyJhbGciOiJFZERTQSIsInR5cCI6Im1hbG90ZS1pbnZpdGUifQ.…' },
    status: 201,
    answer: ref(StatusSchema),
    handler: ({ node, body: { invite, ip }, signal }) =>
      node.network.register({ invite, ...(ip === undefined ? {} : { via: ip }) }, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/unregister',
    operationId: 'unregister',
    summary: 'Leave the network for good',
    description:
      'Drains the replicas, draws new owners, says farewell. Progress comes as `leave:progress` events. With `?wait=true` the answer comes at the end, or with what stopped it, and a client that goes away cancels the leaving as long as only copies are made. `force` while a leaving without it is under way makes that one forced.',
    tag: 'network',
    query: closed({ wait: Type.Optional(Type.Boolean()) }),
    body: closed({ force: Type.Optional(Type.Boolean({ description: 'also when files must be left as orphans' })) }),
    bodyOptional: true,
    status: 202,
    answer: closed({ state: Type.Union([Type.Literal('leaving'), Type.Literal('left')]) }),
    async handler({ node, body, query, signal, services }) {
      // who does not wait is gone by then, and has not cancelled anything
      const { done } = await node.network.unregister(body, query.wait ? { signal } : {})
      if (query.wait) {
        await done
        return { state: 'left' as const }
      }
      // The answer is out by then: the failure must reach the host's log at least.
      done.catch(services.onFault)
      return { state: 'leaving' as const }
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/connect',
    operationId: 'connect',
    summary: 'Come online and tell every member',
    tag: 'network',
    body: closed({}),
    bodyOptional: true,
    answer: ref(StatusSchema),
    handler: ({ node, signal }) => node.network.connect({ signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/disconnect',
    operationId: 'disconnect',
    summary: 'Go offline and tell every member',
    tag: 'network',
    body: closed({}),
    bodyOptional: true,
    answer: ref(StatusSchema),
    handler: ({ node, signal }) => node.network.disconnect({ signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/network/upgrade',
    operationId: 'upgradeRules',
    summary: 'Activate a rules version for all',
    description:
      'Admins only, and never taken back. Nodes whose software lacks it store and pass on entries, and neither execute nor write any until it is replaced. Without `rules`: the newest that this software knows. Nothing happens when it is active already.',
    tag: 'network',
    body: closed({ rules: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })) }),
    bodyOptional: true,
    answer: ref(StatusSchema),
    handler: ({ node, body, signal }) => node.network.upgrade(body, { signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/recover',
    operationId: 'recover',
    summary: 'Make this node admin by the recovery key',
    tag: 'network',
    body: closed({ recoveryKey: Type.String({ minLength: 1, maxLength: 1024 }) }),
    example: { recoveryKey: 'G1S2-Q005-5TDP-SQPA-AWWP-2N97-CM05-YG5D-Q9YY-FGVZ-DBDF-VVXA-40B4-PG4D' },
    answer: ref(StatusSchema),
    handler: ({ node, body, signal }) => node.network.recover(body, { signal }),
  }),
]
