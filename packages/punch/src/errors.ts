/** What can go wrong, by stable names. */

/** The other side sent what is no message of this protocol. Its fault; nothing is tried again at once. */
export class PunchMessageError extends Error {
  override name = 'PunchMessageError'
  readonly code = 'bad-message'
}

/** No direct connection came of it. Worth trying again later, or when an address has changed. */
export class PunchFailedError extends Error {
  override name = 'PunchFailedError'
  readonly code = 'no-direct-path'
  /** of each way that was tried */
  readonly reasons: readonly string[]
  constructor(reasons: readonly string[]) {
    super(`no direct path: ${reasons.join('; ')}`)
    this.reasons = reasons
  }
}

/** As many conversations as there may be. Worth trying again later. */
export class PunchBusyError extends Error {
  override name = 'PunchBusyError'
  readonly code = 'busy'
}

/** There is no libp2p connection over a relay to go by, or the service speaks no protocol now. */
export class PunchUnavailableError extends Error {
  override name = 'PunchUnavailableError'
  readonly code = 'unavailable'
}
