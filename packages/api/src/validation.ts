/**
 * TypeBox checks what a route's schemas describe. Bodies are taken as they are, queries and paths are text and are
 * converted first. What has not the form is `usage`, with the first few places that are wrong.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { RequestInvalidError } from './errors.ts'
import type { Route } from './route.ts'

type Validate = (value: unknown) => { value: unknown } | { error: Error }

/** Errors named in one answer. */
const MAX_ERRORS = 5

export function validatorsOf(route: Route): FastifySchemaCompiler<unknown> {
  const pass: Validate = (value) => ({ value })
  const params = route.params === undefined ? pass : validator(route.params, 'path', true)
  const query = route.query === undefined ? pass : validator(route.query, 'query', true)
  const body = route.body === undefined || route.multipart ? pass : validator(route.body, 'body', false)
  return ({ httpPart }) => {
    if (httpPart === 'params') return params
    if (httpPart === 'querystring') return query
    if (httpPart === 'body') return (value) => body(route.bodyOptional && value === null ? {} : value)
    return pass
  }
}

function validator(schema: TSchema, where: string, isText: boolean): Validate {
  let compiled: Validator<Record<never, never>, TSchema> | undefined
  return (given) => {
    // when first needed: of seventy routes most nodes are asked a dozen
    compiled ??= Compile(schema)
    // a copy with a prototype: the query parser's has none
    const value = isText ? compiled.Convert({ ...(given as Record<string, unknown>) }) : given
    if (compiled.Check(value)) return { value }
    const errors = compiled
      .Errors(value)
      .slice(0, MAX_ERRORS)
      .map((error) => describe(where, error))
    return { error: new RequestInvalidError(errors[0] ?? `the ${where} has not the form it must have`, { errors }) }
  }
}

function describe(
  where: string,
  error: { keyword: string; instancePath: string; message: string; params: object },
): string {
  const path = error.instancePath === '' ? where : `${where}${error.instancePath.replaceAll('/', '.')}`
  if (error.keyword === 'additionalProperties' && 'additionalProperties' in error.params) {
    return `${path}: unknown ${String(error.params.additionalProperties).slice(0, 200)}`
  }
  return `${path} ${error.message}`
}
