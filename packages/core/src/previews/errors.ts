/** Why a picture has no preview. None of these leaves the room: an upload goes on without. */

/** This machine has no decoders, and will not have any before the next start. */
export class NoDecodersError extends Error {
  override name = 'NoDecodersError'
  constructor() {
    super('the optional package sharp cannot be loaded: files get no previews')
  }
}

/** The process does not do what it should. */
export class PreviewProcessError extends Error {
  override name = 'PreviewProcessError'
}

/** The process has ended, by a fault of native code or because somebody killed it. */
export class EndedError extends PreviewProcessError {
  override name = 'EndedError'
  constructor() {
    super('the process has ended')
  }
}
