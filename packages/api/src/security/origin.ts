/**
 * Which names a request may call the server by, and from which pages. A page of another site can make the browser send
 * requests here, and by DNS rebinding even under a name of its own; it cannot make the browser send a Host that it does not own.
 */
import { isIP } from 'node:net'
import { ForbiddenError } from '../errors.ts'

export interface HostPolicy {
  port: number
  /** further names, `name` (at our port) or `name:port` */
  names: readonly string[]
  /** any IP literal is a fitting Host: rebinding needs a name */
  anyIp: boolean
}

export interface RequestOrigin {
  host: string | undefined
  origin: string | undefined
  fetchSite: string | undefined
  fetchMode: string | undefined
  /** the route is a page or tells nothing, so that a link from elsewhere may lead to it */
  navigable: boolean
}

/** @throws {ForbiddenError} */
export function checkOrigin(policy: HostPolicy, request: RequestOrigin): void {
  if (!isAllowedHost(policy, request.host)) {
    throw new ForbiddenError(
      'this server does not go by that host name',
      'Call it by 127.0.0.1, or add the name to the allowed hosts.',
    )
  }
  // Browsers send it with every request that is not a plain GET; `null` is what sandboxed pages and files send.
  if (request.origin !== undefined && !isAllowedOrigin(policy, request.origin, request.host)) {
    throw new ForbiddenError('requests of other origins are not answered')
  }
  // Cookies know no port: a page of another port of this host is `same-site`, and would carry the session.
  if (request.fetchSite === 'cross-site' || request.fetchSite === 'same-site') {
    if (!(request.navigable && request.fetchMode === 'navigate')) {
      throw new ForbiddenError('requests of other sites are not answered')
    }
  }
}

export function isAllowedHost(policy: HostPolicy, host: string | undefined): boolean {
  if (host === undefined) return false
  const parsed = splitHost(host.toLowerCase())
  if (parsed === null) return false
  const { name, port } = parsed
  if (policy.names.some((allowed) => allowed.toLowerCase() === host.toLowerCase())) return true
  if (policy.anyIp && isIP(name) !== 0) return true
  if (port !== policy.port) return false
  return LOOPBACK.has(name) || policy.names.some((allowed) => allowed.toLowerCase() === name)
}

/** The origin that the request went to, or another name of ours; "any IP" holds for Host alone. */
function isAllowedOrigin(policy: HostPolicy, origin: string, host: string | undefined): boolean {
  const from = /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1]?.toLowerCase()
  if (from === undefined) return false
  return from === host?.toLowerCase() || isAllowedHost({ ...policy, anyIp: false }, from)
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1'])

/** `name`, `name:port`, `[v6]`, `[v6]:port`; the port is 80 when absent (RFC 9110, 4.2.1). */
function splitHost(host: string): { name: string; port: number } | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?$/.exec(host)
  const name = match?.[1] ?? match?.[2]
  if (name === undefined) return null
  return { name, port: match?.[3] === undefined ? 80 : Number(match[3]) }
}
