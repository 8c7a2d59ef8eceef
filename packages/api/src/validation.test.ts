import { MaloteError } from '@malote/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durationMs } from './params.ts'
import { matchesTag, parseRange, rangeStillFits } from './range.ts'
import { routes } from './routes/index.ts'
import { checkOrigin, isAllowedHost } from './security/origin.ts'
import { validatorsOf } from './validation.ts'

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '0', '-1', '1e999', 'null', '__proto__', '../..', '%00', '\u202e', '9'.repeat(400)),
)
/** What a query parser gives, and what JSON can say. */
const anything: fc.Arbitrary<unknown> = fc.oneof(odd, fc.jsonValue({ maxDepth: 3 }), fc.array(odd, { maxLength: 3 }))

const parts = ['params', 'querystring', 'body'] as const
const schemas = { params: 'params', querystring: 'query', body: 'body' } as const

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (_name, route) => {
  it('takes or refuses whatever is asked, and never fails over it', () => {
    const compile = validatorsOf(route)
    for (const httpPart of parts) {
      const schema = route[schemas[httpPart]]
      if (schema === undefined) continue
      const validate = compile({ schema, method: route.method, url: route.path, httpPart })
      const names = 'properties' in schema ? Object.keys(schema.properties as object) : []
      const fields = fc.dictionary(fc.oneof(fc.constantFrom('x', ...names), odd), anything, { maxKeys: 6 })
      fc.assert(
        fc.property(httpPart === 'body' ? fc.oneof(fields, anything) : fields, (given) => {
          const answer = validate(given) as { value?: unknown; error?: Error }
          if (answer.error !== undefined) expect(answer.error).toMatchObject({ code: 'usage' })
        }),
        { numRuns: 60 },
      )
    }
  })
})

describe('headers and parameters that are read by hand', () => {
  const now = 1_700_000_000_000
  const policy = { port: 7373, names: [], anyIp: true }
  const page = { host: '127.0.0.1:7373', fetchSite: undefined, fetchMode: undefined, navigable: false }
  const readers: [string, (text: string) => unknown][] = [
    ['a duration', (text) => durationMs(text, now)],
    ['a range', (text) => parseRange(text, 1000)],
    ['entity tags', (text) => matchesTag(text, '"3"', 'strong')],
    ['If-Range', (text) => rangeStillFits(text, '"3"')],
    ['Host', (text) => isAllowedHost(policy, text)],
    ['Origin', (text) => checkOrigin(policy, { ...page, origin: text })],
  ]

  it.each(readers)('%s of any text is taken or refused', (_name, read) => {
    fc.assert(
      fc.property(fc.oneof(odd, fc.string({ maxLength: 4000 })), (text) => {
        try {
          read(text)
        } catch (error) {
          expect(error).toBeInstanceOf(MaloteError)
        }
      }),
      { numRuns: 300 },
    )
  })
})
