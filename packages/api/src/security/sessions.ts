/** One-time codes and the browser sessions that they are swapped for. In memory: both die with the server, like the token. */
import type { SessionDoor } from '../route.ts'
import { digestOf, newSecret } from './secrets.ts'

export interface Sessions extends SessionDoor {
  /** null: no cookie of ours in the request */
  check(cookieHeader: string | undefined): boolean | null
}

export interface SessionsInit {
  cookieName: string
  /** milliseconds since the epoch */
  now: () => number
  /** @default 60_000 */
  codeMs?: number
  /** @default 12 h */
  sessionMs?: number
}

const MAX_CODES = 16
const MAX_SESSIONS = 64

export function createSessions(init: SessionsInit): Sessions {
  const { cookieName, now, codeMs = 60_000, sessionMs = 12 * 3_600_000 } = init
  // digest of the secret -> end of its validity; looking up a digest leaks nothing useful by its timing
  const codes = new Map<string, number>()
  const sessions = new Map<string, number>()

  return {
    mintCode() {
      prune(codes, now(), MAX_CODES - 1)
      const code = newSecret()
      const end = now() + codeMs
      codes.set(keyOf(code), end)
      return { code, expires: new Date(end).toISOString() }
    },
    redeem(code) {
      prune(codes, now(), MAX_CODES)
      if (!codes.delete(keyOf(code))) return null
      prune(sessions, now(), MAX_SESSIONS - 1)
      const session = newSecret()
      sessions.set(keyOf(session), now() + sessionMs)
      return cookie(session, Math.floor(sessionMs / 1000))
    },
    end(cookieHeader) {
      for (const value of valuesOf(cookieHeader, cookieName)) sessions.delete(keyOf(value))
      return cookie('', 0)
    },
    check(cookieHeader) {
      const values = valuesOf(cookieHeader, cookieName)
      if (values.length === 0) return null
      return values.some((value) => (sessions.get(keyOf(value)) ?? 0) > now())
    },
  }

  function cookie(value: string, maxAge: number): string {
    return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}`
  }
}

function keyOf(secret: string): string {
  return digestOf(secret).toString('hex')
}

/** Drops what has ended, then the oldest until `keep` are left. */
function prune(map: Map<string, number>, now: number, keep: number): void {
  for (const [key, end] of map) if (end <= now) map.delete(key)
  for (const key of map.keys()) {
    if (map.size <= keep) return
    map.delete(key)
  }
}

/** Values of one name in a Cookie header (RFC 6265, 4.2.1); several may be there. */
function valuesOf(header: string | undefined, name: string): string[] {
  const values: string[] = []
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) values.push(pair.slice(at + 1).trim())
  }
  return values
}
