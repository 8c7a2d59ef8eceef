import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { closed, DigestSchema, LedgerEntrySchema, ref, VerificationSchema } from '../schemas.ts'

export const ledgerRoutes = [
  defineRoute({
    method: 'GET',
    path: '/ledger',
    operationId: 'listEntries',
    summary: 'Entries in the order in which they arrived here',
    description: '`after` counts local arrivals, so that late entries are not missed.',
    tag: 'ledger',
    query: closed({
      after: Type.Optional(Type.Integer({ minimum: 0 })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    }),
    answer: Type.Object({
      items: Type.Array(ref(LedgerEntrySchema)),
      next: Type.Union([Type.Integer(), Type.Null()], { description: '`after` of the next page' }),
    }),
    handler: ({ node, query }) => node.ledger.entries(query),
  }),
  defineRoute({
    method: 'GET',
    path: '/ledger/digest',
    operationId: 'getDigest',
    summary: 'Heads and state digest',
    tag: 'ledger',
    answer: ref(DigestSchema),
    handler: ({ node }) => node.ledger.digest(),
  }),
  defineRoute({
    method: 'GET',
    path: '/ledger/verify',
    operationId: 'verifyLedger',
    summary: 'Recompute everything from the entries and compare',
    tag: 'ledger',
    answer: ref(VerificationSchema),
    handler: ({ node, signal }) => node.ledger.verify({ signal }),
  }),
  defineRoute({
    method: 'POST',
    path: '/ledger/repair',
    operationId: 'repairLedger',
    summary: 'Make the state anew from the entries, then verify',
    description: 'Changes nothing while the entries themselves are damaged: then `advice` says what to do.',
    tag: 'ledger',
    body: closed({}),
    bodyOptional: true,
    answer: ref(VerificationSchema),
    handler: ({ node, signal }) => node.ledger.repair({ signal }),
  }),
]
