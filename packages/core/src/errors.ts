/**
 * The base of every expected failure. `code` is stable: scripts, the API and the CLI rely on it. One class per failure
 * stands in the `errors.ts` of the folder where it is thrown; HTTP status and exit code are derived from the code in
 * one place each (`packages/api/src/error-map.ts`, `apps/cli/src/output`).
 */

/** What failed, for programs; stable. What each says, and to whom: docs/sdk.md. */
export type ErrorCode =
  | 'usage'
  | 'not-found'
  | 'ambiguous'
  | 'not-owner'
  | 'not-admin'
  | 'not-a-member'
  | 'not-holder'
  | 'already-member'
  | 'denied-node'
  | 'quarantined'
  | 'invite-invalid'
  | 'invite-expired'
  | 'invite-used'
  | 'invite-revoked'
  | 'wrong-network'
  | 'handoff-pending'
  | 'handoff-not-pending'
  | 'not-deleted'
  | 'deleted'
  | 'owner-cannot-be-denied'
  | 'orphans-left'
  | 'conflict'
  | 'clock-skew'
  | 'running-twice'
  | 'disconnected'
  | 'no-source'
  | 'unreachable'
  | 'timeout'
  | 'interrupted'
  | 'disk-full'
  | 'quota'
  | 'read-only'
  | 'name-invalid'
  | 'file-changed'
  | 'unreadable'
  | 'upload-aborted'
  | 'decode'
  | 'protocol'
  | 'damaged'
  | 'newer-database'
  | 'software-too-old'
  | 'locked'
  | 'not-running'
  | 'unauthorized'
  | 'forbidden'
  | 'rate-limited'
  | 'precondition-failed'
  | 'range-invalid'
  | 'too-large'
  | 'unsupported'
  | 'internal'

/** What a failure is told with. */
export interface MaloteErrorOptions {
  /** What the user can do about it, one sentence. */
  advice?: string
  /** Fields that a program may want, e.g. the candidates of an ambiguous name. */
  details?: Record<string, unknown>
  cause?: unknown
}

/** Every expected failure. What is thrown and is none is a fault of the program. */
export class MaloteError extends Error {
  override name = 'MaloteError'
  /** what a program decides by */
  readonly code: ErrorCode
  /** what the user can do about it, one sentence */
  readonly advice: string | undefined
  /** fields of the code's own */
  readonly details: Record<string, unknown>

  /**
   * Which failure it is, finer than the code and as stable: the class's name in small letters, `file-not-found`. With the
   * values in `details` it is what a translation goes by (docs/decisions/0052-messages-in-two-languages.md). Absent for a
   * failure that has no class of its own.
   */
  get reason(): string | undefined {
    return this.name === 'MaloteError' ? undefined : reasonOf(this.name)
  }

  constructor(code: ErrorCode, message: string, options: MaloteErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.advice = options.advice
    this.details = options.details ?? {}
  }
}

export class IdInvalidError extends MaloteError {
  override name = 'IdInvalidError'
  constructor(text: string) {
    super('usage', `not a valid id: ${JSON.stringify(text.slice(0, 80))}`, { details: { id: text.slice(0, 80) } })
  }
}

/** `FileNotFoundError` is `file-not-found`. */
function reasonOf(name: string): string {
  return name
    .replace(/Error$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-')
    .toLowerCase()
}

/** The stable code of anything thrown; `internal` for what is not an expected failure. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof MaloteError ? error.code : 'internal'
}
