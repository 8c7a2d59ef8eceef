import { MaloteError } from '@malote/core'

/** No credential, or a wrong one. */
export class UnauthorizedError extends MaloteError {
  override name = 'UnauthorizedError'
  constructor(message = 'this route wants the token of the running node') {
    super('unauthorized', message, {
      advice: 'Send "Authorization: Bearer <token>" with the content of <data>/api-token.',
    })
  }
}

/** The request comes from where none may come from, whatever it knows. */
export class ForbiddenError extends MaloteError {
  override name = 'ForbiddenError'
  constructor(message: string, advice?: string) {
    super('forbidden', message, advice === undefined ? {} : { advice })
  }
}

/** The API's address is taken. */
export class AddressInUseError extends MaloteError {
  override name = 'AddressInUseError'
  constructor(address: string, cause: unknown) {
    super('usage', `the API cannot listen on ${address}: something else listens there`, {
      details: { address },
      advice: 'Choose another with --api <host:port>; port 0 means any free one.',
      cause,
    })
  }
}

/** Too many wrong credentials from one address. */
export class RateLimitedError extends MaloteError {
  override name = 'RateLimitedError'
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    super('rate-limited', 'too many wrong credentials from this address', {
      advice: `Wait ${retryAfterSeconds} s, or send the right token.`,
      details: { retryAfterSeconds },
    })
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** `If-Match` names another version than the present one (RFC 9110, 13.1.1). */
export class PreconditionFailedError extends MaloteError {
  override name = 'PreconditionFailedError'
  constructor(current: string) {
    super('precondition-failed', `the present version is ${current}`, {
      advice: 'Read the file again and repeat the change on what it has become.',
      details: { current },
    })
  }
}

/** No byte of the range exists (RFC 9110, 14.4). */
export class RangeUnsatisfiableError extends MaloteError {
  override name = 'RangeUnsatisfiableError'
  readonly size: number
  constructor(size: number) {
    super('range-invalid', `the content has ${size} bytes, none of them in the range`, { details: { size } })
    this.size = size
  }
}

/** Something in the request has not the form that the route wants. */
export class RequestInvalidError extends MaloteError {
  override name = 'RequestInvalidError'
  constructor(message: string, details: Record<string, unknown> = {}) {
    super('usage', message, { details, advice: 'The routes and their fields are at /docs.' })
  }
}

/** Whoever reaches the API has all that its token allows, over a connection that hides nothing. */
export class RemoteApiError extends MaloteError {
  override name = 'RemoteApiError'
  constructor(host: string) {
    super('usage', `the API does not listen on ${host} unless remote access is allowed`, {
      details: { host },
      advice: 'Allow it with --api-allow-remote where the network is safe, or leave it at 127.0.0.1.',
    })
  }
}

export class RouteNotFoundError extends MaloteError {
  override name = 'RouteNotFoundError'
  constructor(method: string, path: string) {
    super('not-found', `no such route: ${method} ${path}`, {
      details: { method, path },
      advice: 'The routes are at /docs.',
    })
  }
}

/** The multipart body ended, stalled or broke before its closing boundary. */
export class UploadAbortedError extends MaloteError {
  override name = 'UploadAbortedError'
  constructor(cause: unknown) {
    super('upload-aborted', 'the upload ended before its closing boundary; nothing was published', { cause })
  }
}

/** The server is closing. */
export class ClosingError extends MaloteError {
  override name = 'ClosingError'
  constructor() {
    super('interrupted', 'the node is stopping')
  }
}

/** A wait that the caller had bounded came to its end. */
export class WaitTimeoutError extends MaloteError {
  override name = 'WaitTimeoutError'
  constructor(seconds: number) {
    super('timeout', `not reached within ${seconds} s`, {
      details: { seconds },
      advice: 'It goes on in the background.',
    })
  }
}
