/**
 * Swagger UI, in a server of its own that listens nowhere and is made when somebody looks: loading it takes a tenth of
 * what `malote up` needs until it is ready, and few nodes are ever looked at. The real server checks Host, Origin and
 * method before, and sets its headers; this one only gives the pages.
 */
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

export interface DocsPage {
  answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  close(): Promise<void>
}

export const DOCS_PREFIX = '/docs'
/** What the pages' own answers say about themselves; everything else is the real server's to say. */
const HEADERS = ['content-type', 'content-length', 'location', 'etag', 'last-modified'] as const

/** @param document the OpenAPI document */
export function createDocsPage(document: () => object): DocsPage {
  let made: Promise<FastifyInstance> | undefined
  return {
    async answer(request, reply) {
      made ??= make(document)
      const app = await made
      const { statusCode, headers, rawPayload } = await app.inject({ method: 'GET', url: request.url })
      if (statusCode === 404) {
        reply.callNotFound()
        return reply
      }
      for (const name of HEADERS) {
        const value = headers[name]
        if (value !== undefined) reply.header(name, value)
      }
      return reply.code(statusCode).send(rawPayload)
    },
    async close() {
      await (await made)?.close()
    },
  }
}

declare const SwaggerUIBundle: { plugins: { DownloadUrl: (system: unknown) => unknown } }

const PAGE = { persistAuthorization: false, tryItOutEnabled: true, validatorUrl: null, deepLinking: true }
/** Run in the browser: the text of these functions becomes part of the page, which knows `SwaggerUIBundle` and nothing of ours. */
const PLUGINS = [
  // the page's own, which a list of plugins replaces
  (system: unknown) => SwaggerUIBundle.plugins.DownloadUrl(system),
  // A field of a form that nobody has filled in is not sent. Else the page would send an empty `only` and `denied` with every file.
  () => ({ wrapComponents: { ParameterIncludeEmpty: () => () => null } }),
]

async function make(document: () => object): Promise<FastifyInstance> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  const app = fastify({ logger: false })
  await app.register(swagger)
  await app.register(swaggerUi, {
    routePrefix: DOCS_PREFIX,
    transformSpecification: () => ({ ...document() }),
    transformSpecificationClone: false,
    uiConfig: { ...PAGE, plugins: PLUGINS } as typeof PAGE,
  })
  await app.ready()
  return app
}
