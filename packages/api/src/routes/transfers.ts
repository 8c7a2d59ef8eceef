import { Type } from 'typebox'
import { plainIdParams } from '../params.ts'
import { defineRoute } from '../route.ts'
import { closed, LimitsSchema, ref, TransferSchema } from '../schemas.ts'

const cap = Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]))

export const transferRoutes = [
  defineRoute({
    method: 'GET',
    path: '/transfers',
    operationId: 'listTransfers',
    summary: 'Transfers, running and ended',
    tag: 'transfers',
    answer: Type.Object({ items: Type.Array(ref(TransferSchema)) }),
    handler: ({ node }) => ({ items: node.transfers.list() }),
  }),
  defineRoute({
    method: 'GET',
    path: '/transfers/:id',
    operationId: 'getTransfer',
    summary: 'One transfer',
    tag: 'transfers',
    params: plainIdParams,
    answer: ref(TransferSchema),
    handler: ({ node, params }) => node.transfers.get(params.id),
  }),
  defineRoute({
    method: 'PATCH',
    path: '/transfers/:id',
    operationId: 'setTransferState',
    summary: 'Pause or resume a transfer, or let it go first',
    description: '`first`: before all others of its kind; the last of those that run makes room for it.',
    tag: 'transfers',
    params: plainIdParams,
    body: Type.Object(
      {
        state: Type.Optional(Type.Union([Type.Literal('paused'), Type.Literal('running')])),
        first: Type.Optional(Type.Literal(true)),
      },
      { additionalProperties: false, minProperties: 1 },
    ),
    example: { state: 'paused' },
    answer: ref(TransferSchema),
    async handler({ node, params, body }) {
      if (body.first === true) {
        const transfer = await node.transfers.first(params.id)
        if (body.state === undefined) return transfer
      }
      return body.state === 'paused' ? node.transfers.pause(params.id) : node.transfers.resume(params.id)
    },
  }),
  defineRoute({
    method: 'DELETE',
    path: '/transfers/:id',
    operationId: 'cancelTransfer',
    summary: 'Cancel a transfer',
    tag: 'transfers',
    params: plainIdParams,
    answer: ref(TransferSchema),
    handler: ({ node, params }) => node.transfers.cancel(params.id),
  }),
  defineRoute({
    method: 'GET',
    path: '/limits',
    operationId: 'getLimits',
    summary: 'Caps of the transfers',
    tag: 'transfers',
    answer: ref(LimitsSchema),
    handler: ({ node }) => node.transfers.limits(),
  }),
  defineRoute({
    method: 'PUT',
    path: '/limits',
    operationId: 'setLimits',
    summary: 'Change the caps of the transfers',
    description: 'Bytes per second; null lifts a cap; what is absent stays.',
    tag: 'transfers',
    body: closed({ up: cap, down: cap }),
    example: { up: 10_000_000, down: null },
    answer: ref(LimitsSchema),
    handler: ({ node, body }) => node.transfers.setLimits(body),
  }),
]
