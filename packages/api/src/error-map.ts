/** The one place where a stable code becomes an HTTP status, and an error a problem document (RFC 9457). */
import { type ErrorCode, MaloteError, showText } from '@malote/core'

// Not imported: an import reads every name that `node:http` exports, and one of those loads all of `fetch`.
const { STATUS_CODES } = process.getBuiltinModule('node:http')

export const statusOf: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  ambiguous: 400,
  'name-invalid': 400,
  'upload-aborted': 400,
  unauthorized: 401,
  'not-owner': 403,
  'not-admin': 403,
  'not-a-member': 403,
  quarantined: 403,
  forbidden: 403,
  'clock-skew': 403,
  'running-twice': 403,
  'invite-invalid': 403,
  'invite-expired': 403,
  'invite-used': 403,
  'invite-revoked': 403,
  'wrong-network': 403,
  'not-found': 404,
  'not-holder': 409,
  'already-member': 409,
  'denied-node': 409,
  'handoff-pending': 409,
  'handoff-not-pending': 409,
  'not-deleted': 409,
  deleted: 409,
  'owner-cannot-be-denied': 409,
  'orphans-left': 409,
  conflict: 409,
  'software-too-old': 409,
  disconnected: 409,
  'file-changed': 409,
  unreadable: 409,
  locked: 409,
  'precondition-failed': 412,
  'too-large': 413,
  unsupported: 415,
  'range-invalid': 416,
  'rate-limited': 429,
  internal: 500,
  damaged: 500,
  'newer-database': 500,
  // what a peer sent, not what the caller sent
  decode: 502,
  protocol: 502,
  unreachable: 502,
  'no-source': 503,
  'not-running': 503,
  interrupted: 503,
  timeout: 504,
  'disk-full': 507,
  quota: 507,
  'read-only': 507,
}

export interface Problem {
  type: 'about:blank'
  title: string
  status: number
  detail: string
  code: ErrorCode
  /** finer than the code: which class of failure; none for what is no failure of ours */
  reason?: string
  advice?: string
  [detail: string]: unknown
}

/** The problem document of anything thrown. What is no expected failure tells nothing of the inside. */
export function problemOf(error: unknown): Problem {
  const expected = expectedFailure(error)
  if (expected === null) {
    return problem('internal', 'a fault of Malote; its log has the details', 500)
  }
  const { code, message, reason, advice, details, status } = expected
  // details first: they never stand in for a field of the document itself
  const further = { ...(reason === undefined ? {} : { reason }), ...(advice === undefined ? {} : { advice }) }
  return { ...details, ...problem(code, message, status), ...further }
}

/** Whether it is a fault of ours that the log should have. */
export function isFault(error: unknown): boolean {
  const expected = expectedFailure(error)
  return expected === null || expected.code === 'internal'
}

interface Expected {
  code: ErrorCode
  message: string
  status: number
  reason?: string | undefined
  advice?: string | undefined
  details?: Record<string, unknown>
}

function expectedFailure(error: unknown): Expected | null {
  if (error instanceof MaloteError) {
    const { code, message, reason, advice, details } = error
    return { code, message, reason, advice, details, status: statusOf[code] }
  }
  // Fastify and its plugins: the request was malformed before a handler saw it
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    const status = error.statusCode
    if (status < 400 || status > 499) return null
    if (status === 406) return { code: 'unsupported', message: error.message, status: statusOf.unsupported }
    const code: ErrorCode =
      status === 413 ? 'too-large' : status === 415 ? 'unsupported' : status === 404 ? 'not-found' : 'usage'
    return { code, message: error.message, status: statusOf[code] }
  }
  return null
}

function problem(code: ErrorCode, detail: string, status: number): Problem {
  // a sentence for people may quote what another branch has chosen
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: showText(detail), code }
}
