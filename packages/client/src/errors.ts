/** A failure as the API tells it (RFC 9457), or one that came before the API could be asked. */
export interface ProblemDocument {
  code: string
  /** HTTP status; 0 when it did not come from the server */
  status: number
  detail: string
  /** which failure, finer than the code and as stable; its values are further fields. Absent for what is no failure of Malote's. */
  reason?: string | undefined
  advice?: string | undefined
  [field: string]: unknown
}

/** Every failure of the client: what the API has answered, or why it could not be asked. */
export class ProblemError extends Error {
  override name = 'ProblemError'
  /** stable; what a program decides by */
  readonly code: string
  /** of HTTP; 0 when it did not come from the server */
  readonly status: number
  readonly detail: string
  /** what the user can do about it, one sentence */
  readonly advice: string | undefined
  /** the whole document, with the fields of its code */
  readonly fields: Readonly<Record<string, unknown>>

  constructor(document: ProblemDocument, cause?: unknown) {
    super(document.detail, cause === undefined ? undefined : { cause })
    this.code = document.code
    this.status = document.status
    this.detail = document.detail
    this.advice = document.advice
    this.fields = document
  }
}

/** Why, for a program that says it in words of its own. */
export type NotRunningReason = 'not-running' | 'nothing-answers' | 'another-answers' | 'address-unreadable'

/** Nothing answers where the node should be, or something that is not the node. */
export class NotRunningError extends ProblemError {
  override name = 'NotRunningError'
  /** @param why reason and values */
  constructor(detail: string, why: { reason: NotRunningReason; [value: string]: unknown }, cause?: unknown) {
    super({ ...why, code: 'not-running', status: 0, detail, advice: 'Start the node with "malote up".' }, cause)
  }
}

/** The connection broke while an answer was expected. */
export class ConnectionLostError extends ProblemError {
  override name = 'ConnectionLostError'
  constructor(cause: unknown) {
    super(
      {
        code: 'interrupted',
        reason: 'connection-lost',
        status: 0,
        detail: 'the connection to the node broke off',
        advice: 'See whether it still runs with "malote status", and repeat.',
      },
      cause,
    )
  }
}

/** The path cannot be read, is no plain file, or is a link. */
export class FileUnreadableError extends ProblemError {
  override name = 'FileUnreadableError'
  constructor(path: string, why: string, cause?: unknown) {
    super(
      { code: 'unreadable', reason: 'file-unreadable', status: 0, detail: `cannot read ${path}: ${why}`, path, why },
      cause,
    )
  }
}

/** The file changed while it was read; nothing was published. */
export class FileChangedError extends ProblemError {
  override name = 'FileChangedError'
  constructor(path: string) {
    super({
      code: 'file-changed',
      reason: 'file-changed',
      status: 0,
      detail: `${path} changed while it was read; nothing was published`,
      advice: 'Close the program that writes it, and repeat.',
      path,
    })
  }
}

/** @param text body of an answer that is no success */
export function problemFrom(status: number, text: string): ProblemError {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = null
  }
  const document = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  const { code, detail, advice } = document
  return new ProblemError({
    ...document,
    status,
    code: typeof code === 'string' ? code : 'internal',
    detail: typeof detail === 'string' ? detail : `the server answered ${status}`,
    advice: typeof advice === 'string' ? advice : undefined,
  })
}
