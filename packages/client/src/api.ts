/** The typed client of all routes. Runs in Node and in browsers. */
import createFetchClient, { type Client } from 'openapi-fetch'
import { problemFrom } from './errors.ts'
import type { components, paths } from './generated/schema.ts'

export type Api = Client<paths>
export type Schemas = components['schemas']
export type NodeView = Schemas['Node']
export type FileView = Schemas['File']
export type VersionView = Schemas['Version']
export type InviteView = Schemas['Invite']
export type TransferView = Schemas['Transfer']
export type LedgerEntryView = Schemas['LedgerEntry']
export type DigestView = Schemas['Digest']
export type StatusView = Schemas['Status']
export type DoctorCheck = Schemas['DoctorCheck']

export const API_PREFIX = '/api/v1'

export interface ApiInit {
  /** `http://127.0.0.1:7373` */
  url: string
  /** absent in a browser, which has the session cookie */
  token?: string
  /** @default globalThis.fetch */
  fetch?: (request: Request) => Promise<Response>
}

/** Every route, typed. An answer that is no success throws a `ProblemError`, so `data` is there. */
export function createClient(init: ApiInit): Api {
  const client = createFetchClient<paths>({
    baseUrl: init.url.replace(/\/+$/, '') + API_PREFIX,
    headers: init.token === undefined ? { 'x-malote': '1' } : { authorization: `Bearer ${init.token}` },
    ...(init.fetch === undefined ? {} : { fetch: init.fetch }),
  })
  client.use({
    async onResponse({ response }) {
      if (response.status >= 400) throw problemFrom(response.status, await response.text())
    },
  })
  return client
}

/** The data of an answer: `await ask(api.GET('/status'))`. */
export async function ask<T>(call: Promise<{ data?: T; response: Response }>): Promise<T> {
  const { data } = await call
  return data as T
}
