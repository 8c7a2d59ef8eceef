import { Type } from 'typebox'
import { RequestInvalidError } from '../errors.ts'
import { eventStream } from '../event-stream.ts'
import { defineRoute } from '../route.ts'
import { closed, DoctorCheckSchema, ref, StatusSchema } from '../schemas.ts'

export const systemRoutes = [
  defineRoute({
    method: 'GET',
    path: '/status',
    operationId: 'getStatus',
    summary: 'This node and the health of its network',
    tag: 'system',
    answer: ref(StatusSchema),
    handler: ({ node }) => node.status(),
  }),
  defineRoute({
    method: 'GET',
    path: '/doctor',
    operationId: 'runDoctor',
    summary: 'Check clock, ports, reachability, disk, chunks, database and versions',
    tag: 'system',
    query: closed({
      chunks: Type.Optional(
        Type.Boolean({ description: 'look through the whole store first, which takes as long as reading it' }),
      ),
    }),
    answer: Type.Object({ items: Type.Array(ref(DoctorCheckSchema)) }),
    handler: async ({ node, query, signal }) => ({
      items: await node.doctor({ signal, chunks: query.chunks === true }),
    }),
  }),
  defineRoute({
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    summary: 'Metrics for Prometheus',
    tag: 'system',
    atRoot: true,
    otherAnswers: {
      200: { description: 'Prometheus text exposition', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
    handler: ({ node, reply }) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(node.metrics()),
  }),
  defineRoute({
    method: 'GET',
    path: '/health',
    operationId: 'getHealth',
    summary: 'Whether the server answers',
    tag: 'system',
    access: 'public',
    atRoot: true,
    answer: Type.Object({ status: Type.Literal('ok') }),
    handler: () => ({ status: 'ok' as const }),
  }),
  defineRoute({
    method: 'GET',
    path: '/prove',
    operationId: 'prove',
    summary: 'Prove that the server knows the token',
    description:
      'HMAC-SHA256 with the token as key over `malote-api-proof` and the 32 bytes of the nonce, hex. A client asks this before it sends the token.',
    tag: 'system',
    access: 'public',
    query: closed({ nonce: Type.String({ pattern: '^[0-9a-f]{64}$', description: '32 fresh random bytes, hex' }) }),
    answer: Type.Object({ proof: Type.String() }),
    handler: ({ services, query }) => ({ proof: services.prove(query.nonce) }),
  }),
  defineRoute({
    method: 'POST',
    path: '/session/code',
    operationId: 'createSessionCode',
    summary: 'A one-time code for a browser',
    tag: 'system',
    access: 'token',
    body: closed({}),
    bodyOptional: true,
    status: 201,
    answer: Type.Object({ code: Type.String(), expires: Type.String({ format: 'date-time' }) }),
    handler: ({ services }) => services.sessions.mintCode(),
  }),
  defineRoute({
    method: 'POST',
    path: '/session',
    operationId: 'createSession',
    summary: 'Swap a one-time code for a session cookie',
    tag: 'system',
    access: 'public',
    body: closed({ code: Type.String({ minLength: 1, maxLength: 256 }) }),
    example: { code: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
    status: 204,
    otherAnswers: {
      204: { description: 'Signed in', headers: { 'Set-Cookie': { type: 'string', description: 'the session' } } },
    },
    handler({ services, body, request, reply }) {
      const cookie = services.sessions.redeem(body.code)
      if (cookie === null) throw services.refused(request, 'the code is unknown, used or older than a minute')
      return reply.code(204).header('set-cookie', cookie).send()
    },
  }),
  defineRoute({
    method: 'DELETE',
    path: '/session',
    operationId: 'endSession',
    summary: 'End the session of this browser',
    tag: 'system',
    status: 204,
    otherAnswers: { 204: { description: 'Signed out' } },
    handler: ({ services, request, reply }) =>
      reply.code(204).header('set-cookie', services.sessions.end(request.headers.cookie)).send(),
  }),
  defineRoute({
    method: 'GET',
    path: '/events',
    operationId: 'streamEvents',
    summary: 'Everything that happens, as server-sent events',
    description:
      'Each event has `id`, `event` and as `data` the JSON `{id, time, type, data}`. `Last-Event-ID` replays what came after it, as far as the bounded buffer goes.',
    tag: 'system',
    query: closed({
      lastEventId: Type.Optional(Type.Integer({ minimum: 0, description: 'the same as the header' })),
      types: Type.Optional(Type.String({ maxLength: 1024, description: 'only these, comma-separated' })),
    }),
    headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
    otherAnswers: {
      200: { description: 'The stream', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    },
    handler({ node, query, request, reply, signal }) {
      const last = query.lastEventId ?? lastEventId(request.headers['last-event-id'])
      const types = query.types === undefined ? undefined : new Set(query.types.split(','))
      const events = node.events.since(last, { signal })
      return reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('x-accel-buffering', 'no')
        .send(eventStream({ events, signal, ...(types === undefined ? {} : { types }) }))
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/stop',
    operationId: 'stopNode',
    summary: 'Stop the node',
    description: 'Answers, then stops.',
    tag: 'system',
    access: 'token',
    body: closed({}),
    bodyOptional: true,
    status: 202,
    answer: Type.Object({ state: Type.Literal('stopping') }),
    handler({ services, reply }) {
      // 'close' comes after the answer has gone out, and also when the caller did not wait for it
      reply.raw.once('close', services.stop)
      return { state: 'stopping' as const }
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'getDocument',
    summary: 'This document',
    tag: 'system',
    access: 'public',
    atRoot: true,
    answer: Type.Object({}, { additionalProperties: true, description: 'OpenAPI 3.1' }),
    handler: ({ services }) => services.document() as Record<string, unknown>,
  }),
]

function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined
  // ids count from the microseconds of the start: 16 digits
  const id = typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN
  if (!Number.isSafeInteger(id)) throw new RequestInvalidError('Last-Event-ID must be the id of an event')
  return id
}
