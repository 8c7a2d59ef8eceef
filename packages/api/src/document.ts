/** The OpenAPI 3.1 document, out of the route definitions. */
import { readFileSync } from 'node:fs'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { tags } from './route.ts'

export const API_PREFIX = '/api/v1'
/** The product's, which all packages bear: where source and build lie, the package is one folder up. */
const { version: VERSION } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export function cookieName(port: number): string {
  return `malote_session_${port}`
}

export function documentOptions(sessionCookie: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Malote',
        version: VERSION,
        description:
          'The local API of one node. Paste the content of `<data>/api-token` under Authorize to try the routes.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: API_PREFIX, description: 'this node' }],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'the content of `<data>/api-token`' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: sessionCookie,
            description: 'from `POST /session`; methods other than GET want the header `x-malote: 1` too',
          },
        },
      },
    } as FastifyDynamicSwaggerOptions['openapi'] & object,
    // `info.license.identifier` is new in 3.1 and unknown to the plugin's types: hence the cast above
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`) },
    convertConstToEnum: true,
    // HEAD is there only where a route defines it
    exposeHeadRoutes: true,
    transformObject: (object) => ('openapiObject' in object ? finish(object.openapiObject) : object.swaggerObject),
  }
}

interface SomeOperation {
  operationId: string
  requestBody?: { required?: boolean; content?: Record<string, { example?: unknown }> }
  'x-optional-body'?: boolean
  'x-example'?: unknown
}

/** What the plugin cannot say: bodies that may be absent, examples of them, and schemas without the id that they are named by. */
function finish<T extends object>(document: T): T {
  const copy = structuredClone(document) as T & {
    paths?: Record<string, Record<string, SomeOperation>>
    components?: { schemas?: Record<string, { title?: string; $id?: string }> }
  }
  for (const operations of Object.values(copy.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      if (operation['x-optional-body'] && operation.requestBody) operation.requestBody.required = false
      delete operation['x-optional-body']
      const json = operation.requestBody?.content?.['application/json']
      if (json !== undefined && operation['x-example'] !== undefined) json.example = operation['x-example']
      delete operation['x-example']
      // the plugin's suffix, meant for HEAD routes that nobody has written
      operation.operationId = operation.operationId.replace(/-head$/, '')
    }
  }
  for (const schema of Object.values(copy.components?.schemas ?? {})) delete schema.$id
  return copy
}
