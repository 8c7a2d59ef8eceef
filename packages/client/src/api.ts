/** The typed client of all routes. Runs in Node and in browsers. */
import { problemFrom } from './errors.ts'
import type { components, paths } from './generated/schema.ts'

/** What the API answers, by name, as the OpenAPI document has it. */
export type Schemas = components['schemas']
/** A node of the network. */
export type NodeView = Schemas['Node']
/** A shared file as the node may see it. */
export type FileView = Schemas['File']
/** One version of a file. */
export type VersionView = Schemas['Version']
/** An invite, without what would let anybody in. */
export type InviteView = Schemas['Invite']
/** A transfer, as it is now. */
export type TransferView = Schemas['Transfer']
/** A signed entry, as it is listed. */
export type LedgerEntryView = Schemas['LedgerEntry']
/** Heads and state digest. */
export type DigestView = Schemas['Digest']
/** A node, and the health of its network. */
export type StatusView = Schemas['Status']
/** One thing that `doctor` has looked at. */
export type DoctorCheck = Schemas['DoctorCheck']

/** In front of every path of the API; it carries the version. */
export const API_PREFIX = '/api/v1'

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'] as const
/** Methods that routes have. */
type Method = (typeof METHODS)[number]

/** Paths that know the method. */
type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<Lowercase<M>, object> ? P : never
}[keyof paths]
type Operation<P extends keyof paths, M extends Method> = paths[P][Lowercase<M> & keyof paths[P]]

/** What must be given where something in it must be, and may be left out where nothing must. */
type Wanted<Name extends string, T> = Partial<T> extends T ? { [N in Name]?: T } : { [N in Name]: T }
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never
type Given<T> = (T extends { parameters: infer P }
  ? Wanted<'params', Pick<P, keyof P & ('path' | 'query')>>
  : unknown) &
  (T extends { requestBody: infer B }
    ? { body: Json<B> }
    : T extends { requestBody?: infer B }
      ? { body?: Json<B> }
      : unknown)
/** The body of success; undefined where there is none. */
type Answer<T> = T extends { responses: infer R }
  ? { [Status in keyof R]: Status extends 200 | 201 | 202 ? Json<R[Status]> : never }[keyof R] extends infer Body
    ? [Body] extends [never]
      ? undefined
      : Body
    : never
  : never

/** Of every call. */
export interface CallOptions {
  /** ends it: rejects with the signal's reason */
  signal?: AbortSignal
}
type Init<T> = Partial<Given<T>> extends Given<T> ? [init?: Given<T> & CallOptions] : [init: Given<T> & CallOptions]

/** `api.GET('/files/{id}', { params: { path: { id } } })`; an answer that is no success throws a `ProblemError`. */
export type Api = {
  readonly [M in Method]: <P extends PathOf<M>>(
    path: P,
    ...init: Init<Operation<P, M>>
  ) => Promise<{ data: Answer<Operation<P, M>> }>
}

/** A call whose path and body have been filled in. */
export interface PlainCall {
  readonly url: URL
  readonly method: Method
  readonly headers: Record<string, string>
  /** JSON */
  readonly body: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Carries a call over and resolves with the whole answer, whatever its status. */
export type Carry = (call: PlainCall) => Promise<{ status: number; text: string }>

/** Where and how a client calls. */
export interface ApiInit {
  /** `http://127.0.0.1:7373` */
  url: string
  /** absent in a browser, which has the session cookie */
  token?: string
  /** ends every call */
  signal?: AbortSignal | undefined
  /** @default fetch, with the page's cookies */
  carry?: Carry
}

/** Every route, typed. */
export function createClient(init: ApiInit): Api {
  const base = init.url.replace(/\/+$/, '') + API_PREFIX
  const { token, carry = carryByFetch } = init
  const credentials = token === undefined ? { 'x-malote': '1' } : { authorization: `Bearer ${token}` }
  const caller =
    (method: Method) =>
    async (path: string, given: Filled & CallOptions = {}) => {
      const { params, body } = given
      const signals = [init.signal, given.signal].filter((signal) => signal !== undefined)
      const headers: Record<string, string> = { ...credentials }
      if (body !== undefined) headers['content-type'] = 'application/json'
      const { status, text } = await carry({
        url: new URL(base + filledIn(path, params)),
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
      })
      if (status >= 400) throw problemFrom(status, text)
      return { data: text === '' ? undefined : JSON.parse(text) }
    }
  // What comes in and goes out is what the document says; the types are made from it.
  return Object.fromEntries(METHODS.map((method) => [method, caller(method)])) as unknown as Api
}

interface Filled {
  readonly params?: { readonly path?: object; readonly query?: object }
  readonly body?: unknown
}

/** `/files/{id}` with its id and its query; a value that is undefined is not sent, a list is sent one by one. */
function filledIn(path: string, params: Filled['params'] = {}): string {
  const values = new Map(Object.entries(params.path ?? {}))
  const filled = path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(String(values.get(name))))
  const query = Object.entries(params.query ?? {}).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== undefined && one !== null)
      .map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`),
  )
  return query.length === 0 ? filled : `${filled}?${query.join('&')}`
}

async function carryByFetch({
  url,
  method,
  headers,
  body,
  signal,
}: PlainCall): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method, headers, body: body ?? null, signal: signal ?? null })
  return { status: response.status, text: await response.text() }
}

/** The data of an answer: `await ask(api.GET('/status'))`. */
export async function ask<T>(call: Promise<{ data: T }>): Promise<T> {
  return (await call).data
}
