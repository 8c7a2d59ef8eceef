import { MaloteError } from '../errors.ts'
import type { AudienceId, FileId } from '../ids.ts'

/** The file does not exist, or this branch may not see it: the two are never told apart. */
export class FileNotFoundError extends MaloteError {
  override name = 'FileNotFoundError'
  constructor(ref: string) {
    super('not-found', `no file ${JSON.stringify(ref.slice(0, 300))}`, {
      details: { ref: ref.slice(0, 300) },
      advice: 'See `malote ls` for the files of this branch.',
    })
  }
}

export class FileAmbiguousError extends MaloteError {
  override name = 'FileAmbiguousError'
  constructor(ref: string, candidates: readonly FileId[]) {
    super('ambiguous', `${JSON.stringify(ref.slice(0, 300))} names several files: ${candidates.join(', ')}`, {
      advice: 'Name the file by its id.',
      details: { ref: ref.slice(0, 300), candidates },
    })
  }
}

export class CursorInvalidError extends MaloteError {
  override name = 'CursorInvalidError'
  constructor() {
    super('usage', 'the cursor is not one that a listing has given', {
      advice: 'Begin the listing anew, without a cursor.',
    })
  }
}

export class NotOwnerError extends MaloteError {
  override name = 'NotOwnerError'
  constructor(file: FileId) {
    super('not-owner', `only the branch that owns ${file} may do this, from its current machine`, { details: { file } })
  }
}

/** After `leave` the files wait for new owners; only the order of the ledger could tell what still counted. */
export class BranchLeavingError extends MaloteError {
  override name = 'BranchLeavingError'
  constructor() {
    super('conflict', 'this branch is leaving: its files go to other branches and cannot be changed by it any more', {
      advice: 'Finish with `malote unregister`; the new owners can make the change.',
    })
  }
}

export class HandoffPendingError extends MaloteError {
  override name = 'HandoffPendingError'
  constructor(file: FileId) {
    super('handoff-pending', `${file} is offered to another branch and cannot be changed until that ends`, {
      details: { file },
      advice: 'Wait for the answer, or take the offer back with `malote handoff cancel`.',
    })
  }
}

export class NoHandoffError extends MaloteError {
  override name = 'NoHandoffError'
  constructor(file: FileId) {
    super('handoff-not-pending', `no offer of ${file} is open for this branch`, { details: { file } })
  }
}

export class VersionMismatchError extends MaloteError {
  override name = 'VersionMismatchError'
  constructor(file: FileId, wanted: number, found: number) {
    super('precondition-failed', `${file} is at version ${found}, not ${wanted}`, {
      advice: 'Look at the newer version first.',
      details: { file, wanted, version: found },
    })
  }
}

/** The content was sealed for an access epoch that is over. Ours; sealing it anew and trying again helps. */
export class EpochMovedError extends MaloteError {
  override name = 'EpochMovedError'
  constructor(file: FileId) {
    super('conflict', `who may read ${file} changed while the new version was being sealed`, {
      details: { file },
      advice: 'Try again.',
    })
  }
}

export class FileDeletedError extends MaloteError {
  override name = 'FileDeletedError'
  constructor(file: FileId) {
    super('deleted', `${file} is in the trash`, { details: { file }, advice: 'Restore it first: `malote restore`.' })
  }
}

export class FileNotDeletedError extends MaloteError {
  override name = 'FileNotDeletedError'
  constructor(file: FileId) {
    super('not-deleted', `${file} is not in the trash`, { details: { file } })
  }
}

export class OwnerDeniedError extends MaloteError {
  override name = 'OwnerDeniedError'
  constructor() {
    super('owner-cannot-be-denied', 'the branch that owns a file cannot be denied it', {
      advice: 'Hand the file off first.',
    })
  }
}

/** A receiver that the file is denied to, or that is no branch of the network any more. */
export class DeniedReceiverError extends MaloteError {
  override name = 'DeniedReceiverError'
  constructor(message: string) {
    super('denied-node', message, { details: { why: message }, advice: 'Allow the branch first, or choose another.' })
  }
}

export class SelfReceiverError extends MaloteError {
  override name = 'SelfReceiverError'
  constructor() {
    super('usage', 'a file cannot be handed to the branch that owns it')
  }
}

/** We belong to the audience but no reader that could give us its key is within reach. Try again later. */
export class AudienceKeyMissingError extends MaloteError {
  override name = 'AudienceKeyMissingError'
  constructor(audience: AudienceId) {
    super('unreachable', `the key of audience ${audience} is not here yet and no connected member could give it`, {
      details: { audience },
      advice: 'Try again when other members are connected.',
    })
  }
}

export class NameInvalidError extends MaloteError {
  override name = 'NameInvalidError'
  constructor(what: string, reason: string) {
    super('name-invalid', `the ${what} ${reason}`, { details: { what, why: reason } })
  }
}

/** The file has a preview, and nobody in reach has its box. Try again later. */
export class PreviewUnreachableError extends MaloteError {
  override name = 'PreviewUnreachableError'
  constructor(file: FileId) {
    super('no-source', `no branch in reach has the preview of ${file}`, {
      details: { file },
      advice: 'Try again when other branches are connected.',
    })
  }
}

export class PreviewTooLargeError extends MaloteError {
  override name = 'PreviewTooLargeError'
  constructor(bytes: number, max: number) {
    super('too-large', `a preview of ${bytes} bytes where at most ${max} are allowed`, { details: { bytes, max } })
  }
}
