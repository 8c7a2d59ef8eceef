/**
 * One definition per route: from it come the handler's types, the validation, the OpenAPI page and, by the generated
 * document, the client. Handlers only translate between HTTP and the facade.
 */
import type { MaloteNode } from '@malote/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TObject, TSchema } from 'typebox'

/** What the handlers share beside the node. */
export interface RouteServices {
  readonly node: MaloteNode
  readonly sessions: SessionDoor
  /** Counts a wrong credential against the caller's address; the error to throw. */
  readonly refused: (request: FastifyRequest, message: string) => Error
  readonly prove: (nonceHex: string) => string
  /** Stops the whole process's node; called after the answer has gone out. */
  readonly stop: () => void
  /** the OpenAPI document */
  readonly document: () => unknown
  /** tells the host of a failure that no answer can carry any more */
  readonly onFault: (error: unknown) => void
}

export interface SessionDoor {
  mintCode(): { code: string; expires: string }
  /** The cookie header's value, or null when the code is unknown, used or old. */
  redeem(code: string): string | null
  /** Forgets the session of the request, if any; the header that clears the cookie. */
  end(cookieHeader: string | undefined): string
}

export interface Call<P, Q, B> {
  readonly services: RouteServices
  readonly node: MaloteNode
  readonly params: P
  readonly query: Q
  readonly body: B
  /** aborted when the client goes away or the server closes */
  readonly signal: AbortSignal
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

export type Access = 'public' | 'token' | 'any'
type Of<S> = S extends TSchema ? Static<S> : undefined
type Awaitable<T> = T | Promise<T>

export interface RouteInit<
  P extends TObject | undefined,
  Q extends TObject | undefined,
  B extends TSchema | undefined,
  R extends TSchema | undefined,
> {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** below `/api/v1`, parameters as `:name` */
  path: string
  operationId: string
  summary: string
  description?: string
  tag: Tag
  /** who may call @default 'any': the token or a session */
  access?: Access
  params?: P
  query?: Q
  body?: B
  /** an absent body is as good as `{}` @default false */
  bodyOptional?: boolean
  /** what the page shows to begin with, as it may be sent @default `{}` for a body that may be absent */
  example?: Of<B>
  /** headers that the route reads, for the page */
  headers?: TObject
  /** the body is multipart and read by the handler; `body` is for the page only @default false */
  multipart?: boolean
  /** status of success @default 200 */
  status?: number
  /** what success answers; absent = no body */
  answer?: R
  answerDescription?: string
  /** further answers, or an answer that is not JSON: status -> OpenAPI response */
  otherAnswers?: Readonly<Record<string, OtherAnswer>>
  /** also reachable without `/api/v1` @default false */
  atRoot?: boolean
  handler(call: Call<Of<P>, Of<Q>, Of<B>>): Awaitable<R extends TSchema ? Static<R> : undefined | FastifyReply>
}

export interface OtherAnswer {
  description: string
  headers?: Record<string, { type: string; description: string }>
  content?: Record<string, { schema: object }>
}

export const tags = {
  network: 'Founding, joining and leaving a network, presence',
  nodes: 'Members and their roles',
  invites: 'Invites, written by admins',
  files: 'Shared files, their versions and their content',
  blacklist: 'Who may not read a file',
  ownership: 'Handing files over, orphans',
  transfers: 'Bytes on their way, caps',
  ledger: 'The signed entries that every node has',
  system: 'This node: health, events, sessions',
} as const
export type Tag = keyof typeof tags

/** A route with its types forgotten, as the server registers it. */
export interface Route {
  readonly method: RouteInit<undefined, undefined, undefined, undefined>['method']
  readonly path: string
  readonly access: Access
  readonly atRoot: boolean
  readonly multipart: boolean
  readonly bodyOptional: boolean
  readonly params: TObject | undefined
  readonly query: TObject | undefined
  readonly body: TSchema | undefined
  readonly status: number
  /** Fastify route schema: what the page shows */
  readonly schema: Record<string, unknown>
  handle(call: Call<unknown, unknown, unknown>): Awaitable<unknown>
}

const problemAnswer = {
  description: 'A problem document (RFC 9457); `code` says which',
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
}

export function defineRoute<
  P extends TObject | undefined = undefined,
  Q extends TObject | undefined = undefined,
  B extends TSchema | undefined = undefined,
  R extends TSchema | undefined = undefined,
>(init: RouteInit<P, Q, B, R>): Route {
  const status = init.status ?? 200
  const success = {
    description: init.answerDescription ?? (init.answer === undefined ? 'Done' : 'The answer'),
    ...(init.answer === undefined ? { type: 'null' } : { content: { 'application/json': { schema: init.answer } } }),
  }
  const access = init.access ?? 'any'
  const example = init.example ?? (init.bodyOptional ? {} : undefined)
  const schema = {
    operationId: init.operationId,
    summary: init.summary,
    description: init.description ?? `${init.summary}.`,
    tags: [init.tag],
    security: access === 'public' ? [] : access === 'token' ? [{ token: [] }] : [{ token: [] }, { session: [] }],
    ...(init.params === undefined ? {} : { params: init.params }),
    ...(init.query === undefined ? {} : { querystring: init.query }),
    ...(init.headers === undefined ? {} : { headers: init.headers }),
    ...(init.body === undefined ? {} : { body: init.body }),
    ...(init.multipart ? { consumes: ['multipart/form-data'] } : {}),
    ...(init.bodyOptional ? { 'x-optional-body': true } : {}),
    ...(example === undefined ? {} : { 'x-example': example }),
    response: {
      ...(init.otherAnswers?.[status] === undefined ? { [status]: success } : {}),
      ...Object.fromEntries(
        Object.entries(init.otherAnswers ?? {}).map(([key, value]) => [
          key,
          value.content === undefined ? { ...value, type: 'null' } : value,
        ]),
      ),
      '4XX': problemAnswer,
      '5XX': problemAnswer,
    },
  }
  return {
    method: init.method,
    path: init.path,
    access,
    atRoot: init.atRoot ?? false,
    multipart: init.multipart ?? false,
    bodyOptional: init.bodyOptional ?? false,
    params: init.params,
    query: init.query,
    body: init.body,
    status,
    schema,
    // The validators of the same schemas have seen these values: the cast forgets only what defineRoute knows.
    handle: (call) => init.handler(call as Call<Of<P>, Of<Q>, Of<B>>),
  }
}
