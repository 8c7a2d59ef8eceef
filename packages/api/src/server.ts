/** The HTTP server over a node: who may call, which route, what becomes of an error. The routes are in `routes/`. */
import { isIP } from 'node:net'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import { MaloteError, type MaloteNode } from '@malote/core'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { trackConnections } from './connections.ts'
import { createDocsPage, DOCS_PREFIX } from './docs-page.ts'
import { API_PREFIX, cookieName, documentOptions } from './document.ts'
import { isFault, problemOf } from './error-map.ts'
import {
  AddressInUseError,
  ClosingError,
  ForbiddenError,
  RangeUnsatisfiableError,
  RateLimitedError,
  RemoteApiError,
  RequestInvalidError,
  RouteNotFoundError,
  UnauthorizedError,
} from './errors.ts'
import type { Access, Route, RouteServices } from './route.ts'
import { routes } from './routes/index.ts'
import { sharedSchemas } from './schemas.ts'
import { createFailures } from './security/failures.ts'
import { API_CSP, commonHeaders, DOCS_CSP } from './security/headers.ts'
import { checkOrigin, type HostPolicy } from './security/origin.ts'
import { digestOf, proofOf, sameSecret } from './security/secrets.ts'
import { createSessions, type Sessions } from './security/sessions.ts'
import { validatorsOf } from './validation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
}

export interface ServerInit {
  node: MaloteNode
  /** IP address to listen on @default '127.0.0.1' */
  host?: string
  /** 0 = any free one @default 7373 */
  port?: number
  /** at least 16 characters, new at each start */
  token: string
  /** listen on an address that is not loopback; any IP is a fitting Host then @default false */
  allowRemote?: boolean
  /** further names by which clients may call it, `name` or `name:port` */
  allowedHosts?: readonly string[]
  /** after `POST /stop` has been answered @default stops server and node */
  onStop?: () => void
  /** a failure that nobody expected, for the host's log */
  onFault?: (error: unknown) => void
  /** every call that was answered, for the host's log; by its route, since a path may name files and nodes */
  onAnswer?: (call: AnsweredCall) => void
}

export interface AnsweredCall {
  readonly method: string
  /** `/api/v1/files/:id`; `-` where there is none */
  readonly route: string
  readonly status: number
  /** from the head of the request to the end of the answer */
  readonly ms: number
}

export interface RunningServer {
  /** `http://127.0.0.1:7373` */
  readonly url: string
  /** Ends event streams and running calls, then the server. A second call does no harm. */
  close(): Promise<void>
}

export const DEFAULT_API_HOST = '127.0.0.1'
export const DEFAULT_API_PORT = 7373
const MAX_CONNECTIONS = 512
const JSON_LIMIT_BYTES = 1024 * 1024
/** Answers under way get so long when the server closes, milliseconds. */
const CLOSE_GRACE_MS = 2000
const MIN_TOKEN_LENGTH = 16

/**
 * Listens, and resolves when it does.
 * @throws {RemoteApiError} an address that is not loopback without `allowRemote`
 * @throws {RequestInvalidError} a short token
 * @throws {AddressInUseError}
 */
export async function createServer(init: ServerInit): Promise<RunningServer> {
  const { node, token, host = DEFAULT_API_HOST, port = DEFAULT_API_PORT, allowRemote = false } = init
  if (!allowRemote && !isLoopback(host)) {
    throw new RemoteApiError(host)
  }
  if (token.length < MIN_TOKEN_LENGTH) {
    throw new RequestInvalidError(`the token wants at least ${MIN_TOKEN_LENGTH} characters`)
  }
  const onFault = init.onFault ?? (() => undefined)
  const policy: HostPolicy = { port, names: init.allowedHosts ?? [], anyIp: allowRemote }
  const calls = new Set<AbortController>()

  const app = newApp(onFault)
  const { onAnswer } = init
  if (onAnswer !== undefined) {
    app.addHook('onResponse', async (request, reply) =>
      onAnswer({
        method: request.method,
        route: request.routeOptions.url ?? '-',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      }),
    )
  }
  const connections = trackConnections(app.server)
  // The port is known only when it listens, and the session cookie bears it: cookies know no port themselves.
  let sessions: Sessions = createSessions({ cookieName: cookieName(port), now: Date.now })
  const sessionDoor: RouteServices['sessions'] = {
    mintCode: () => sessions.mintCode(),
    redeem: (code) => sessions.redeem(code),
    end: (cookie) => sessions.end(cookie),
  }
  const failures = createFailures({ now: Date.now })
  const refused: RouteServices['refused'] = (request, message) => {
    const wait = failures.add(request.ip)
    return wait > 0 ? new RateLimitedError(wait) : new UnauthorizedError(message)
  }
  guard(app, { policy, token, sessions: () => sessions, refused })
  await addDocument(app, cookieName(port))
  addRoutes(app, calls, {
    node,
    sessions: sessionDoor,
    refused,
    prove: (nonce) => proofOf(token, nonce),
    stop:
      init.onStop ??
      (() =>
        void close()
          .then(() => node.stop())
          .catch(onFault)),
    document: () => app.swagger(),
    onFault,
  })

  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw isTaken ? new AddressInUseError(`${host.includes(':') ? `[${host}]` : host}:${port}`, error) : error
  }
  app.server.maxConnections = MAX_CONNECTIONS
  const address = app.server.address()
  policy.port = address !== null && typeof address === 'object' ? address.port : port
  if (policy.port !== port) sessions = createSessions({ cookieName: cookieName(policy.port), now: Date.now })

  let closed: Promise<void> | undefined
  function close(): Promise<void> {
    closed ??= (async () => {
      for (const call of calls) call.abort(new ClosingError())
      connections.endWhenIdle()
      const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS)
      try {
        await app.close()
      } finally {
        clearTimeout(late)
      }
    })()
    return closed
  }
  return { url: `http://${urlHost(host)}:${policy.port}`, close }
}

/** The OpenAPI document without a node, for the client's types and the checks. */
export async function buildDocument(): Promise<unknown> {
  const app = newApp(() => undefined)
  await addDocument(app, cookieName(DEFAULT_API_PORT))
  for (const route of routes) {
    app.route({ method: route.method, url: API_PREFIX + route.path, schema: route.schema, handler: () => undefined })
  }
  await app.ready()
  try {
    return app.swagger()
  } finally {
    await app.close()
  }
}

function newApp(onFault: (error: unknown) => void): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_LIMIT_BYTES,
    // A body of hundreds of gigabytes takes hours; the headers' deadline of Node (60 s) and the upload's own idle deadline stand.
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    // HEAD is answered where it is defined; of an event stream it would never end.
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 2048 },
    frameworkErrors: (error, _request, reply) => sendProblem(error, reply, onFault),
  })
  for (const schema of sharedSchemas) app.addSchema(schema)
  // Answers are the facade's values, unchanged; a serializer made from the schema would drop fields in silence.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  app.setValidatorCompiler(() => () => true)
  app.removeAllContentTypeParsers()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parseJson(request, String(body), done)
  })
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof RateLimitedError) reply.header('retry-after', String(error.retryAfterSeconds))
    if (error instanceof UnauthorizedError) reply.header('www-authenticate', 'Bearer')
    if (error instanceof RangeUnsatisfiableError) reply.header('content-range', `bytes */${error.size}`)
    // whoever has gone away needs no answer, and its going is no fault
    const gone = request.raw.destroyed && reply.raw.destroyed
    return sendProblem(error, reply, gone ? () => undefined : onFault)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new RouteNotFoundError(request.method, request.url.split('?', 1)[0] ?? ''), reply, onFault),
  )
  return app
}

function sendProblem(error: unknown, reply: FastifyReply, onFault: (error: unknown) => void): FastifyReply {
  if (isFault(error)) onFault(error)
  const problem = problemOf(error)
  return reply
    .code(problem.status)
    .header('content-type', 'application/problem+json')
    .send(Buffer.from(JSON.stringify(problem)))
}

/** Host, Origin, headers, credentials: before any body is read. */
function guard(
  app: FastifyInstance,
  init: { policy: HostPolicy; token: string; sessions: () => Sessions; refused: RouteServices['refused'] },
): void {
  const tokenDigest = digestOf(init.token)

  app.addHook('onRequest', async (request, reply) => {
    const isDocs = isDocsPath(request)
    reply.headers(commonHeaders).header('content-security-policy', isDocs ? DOCS_CSP : API_CSP)
    const access: Access = isDocs || request.is404 ? 'public' : (request.routeOptions.config.access ?? 'token')
    checkOrigin(init.policy, {
      host: request.headers.host,
      origin: request.headers.origin,
      fetchSite: header(request, 'sec-fetch-site'),
      fetchMode: header(request, 'sec-fetch-mode'),
      navigable: access === 'public' && request.method === 'GET',
    })
    if (access !== 'public') checkCredentials(request, access)
  })
  function checkCredentials(request: FastifyRequest, access: Access): void {
    const { authorization, cookie } = request.headers
    if (authorization !== undefined) {
      const given = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
      if (given !== undefined && sameSecret(tokenDigest, given)) return
      throw init.refused(request, 'the token is not the one of the running node')
    }
    const session = init.sessions().check(cookie)
    if (session === null) throw new UnauthorizedError()
    if (!session) throw init.refused(request, 'the session has ended')
    if (access === 'token') throw new ForbiddenError('this route wants the token, not a session')
    // A page of another origin cannot set it without a preflight, and preflights get no leave.
    if (request.method !== 'GET' && request.method !== 'HEAD' && request.headers['x-malote'] !== '1') {
      throw new ForbiddenError('with a session cookie this method wants the header "x-malote: 1"')
    }
  }
}

async function addDocument(app: FastifyInstance, sessionCookie: string): Promise<void> {
  await app.register(swagger, documentOptions(sessionCookie))
  await app.register(multipart)
  const page = createDocsPage(() => app.swagger())
  app.addHook('onClose', () => page.close())
  const open = { schema: { hide: true }, config: { access: 'public' } } as const
  for (const url of [DOCS_PREFIX, `${DOCS_PREFIX}/*`])
    app.get(url, open, (request, reply) => page.answer(request, reply))
  // who types the bare address into a browser looks for the page
  for (const url of ['/', `${API_PREFIX}/docs`]) app.get(url, open, (_request, reply) => reply.redirect(DOCS_PREFIX))
}

function addRoutes(app: FastifyInstance, calls: Set<AbortController>, services: RouteServices): void {
  for (const route of routes) {
    const urls = route.atRoot ? [API_PREFIX + route.path, route.path] : [API_PREFIX + route.path]
    for (const [index, url] of urls.entries()) {
      app.route({
        method: route.method,
        url,
        config: { access: route.access },
        schema: index === 0 ? route.schema : { ...route.schema, hide: true },
        validatorCompiler: validatorsOf(route),
        handler: (request, reply) => run(route, services, calls, request, reply),
      })
    }
  }
}

async function run(
  route: Route,
  services: RouteServices,
  calls: Set<AbortController>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  refuseReservedName(route, request)
  const controller = new AbortController()
  calls.add(controller)
  reply.raw.once('close', () => {
    calls.delete(controller)
    if (!reply.raw.writableFinished) controller.abort(new MaloteError('interrupted', 'the client has gone away'))
  })
  const answer = await route.handle({
    services,
    node: services.node,
    params: request.params,
    query: request.query,
    body: request.body ?? (route.bodyOptional ? {} : undefined),
    signal: controller.signal,
    request,
    reply,
  })
  if (reply.sent) return reply
  reply.code(route.status)
  return answer === undefined ? reply.send() : answer
}

/** `DELETE /files/blacklist` without an id must never delete a file that bears this name. */
function refuseReservedName(route: Route, request: FastifyRequest): void {
  const { id } = request.params as { id?: string }
  if (id === 'blacklist' && route.path.startsWith('/files/:id')) {
    throw new RouteNotFoundError(request.method, request.url.split('?', 1)[0] ?? '')
  }
}

function isDocsPath(request: FastifyRequest): boolean {
  const url = request.routeOptions.url
  return url === DOCS_PREFIX || url?.startsWith(`${DOCS_PREFIX}/`) === true
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIP(host) === 6 ? `[${host}]` : host
}
