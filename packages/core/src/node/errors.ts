import { MaloteError } from '../errors.ts'
import { LedgerDamagedError } from '../ledger/index.ts'

export class IdentityDamagedError extends MaloteError {
  override name = 'IdentityDamagedError'
  constructor(path: string, cause: unknown) {
    super('damaged', `${path} is not readable as a Malote identity`, {
      details: { path },
      cause,
      advice:
        'Restore it from a backup made with `malote identity export`, or move the data folder away to start as a new node.',
    })
  }
}

export class NoNetworkError extends MaloteError {
  override name = 'NoNetworkError'
  constructor() {
    super('not-a-member', 'this node belongs to no network', {
      advice: 'Found one with `malote init` or join one with `malote register <invite>`.',
    })
  }
}

export class AlreadyMemberError extends MaloteError {
  override name = 'AlreadyMemberError'
  constructor(network: string) {
    super('already-member', `this node already belongs to the network ${network}`, {
      details: { network },
      advice: 'Leave it first with `malote unregister`, or use another --data folder.',
    })
  }
}

export class LeavingError extends MaloteError {
  override name = 'LeavingError'
  constructor() {
    super('conflict', 'this node is leaving the network', {
      advice: 'Wait until it has left, or end it with `malote unregister --force`.',
    })
  }
}

export class LastBranchError extends MaloteError {
  override name = 'LastBranchError'
  constructor(files: number) {
    super('orphans-left', `${files} file(s) would be lost`, {
      details: { files },
      advice: 'This is the last branch of the network: its files go with it; `--force` does so.',
    })
  }
}

export class OnlyAdminError extends MaloteError {
  override name = 'OnlyAdminError'
  constructor() {
    super('conflict', 'this branch is the only admin of the network', {
      advice:
        'Appoint a second one first: `malote role <node> admin`. With --force it leaves all the same, and only the recovery key can restore an admin.',
    })
  }
}

/** What went wrong while a folder was read: a row that makes no sense may fail anywhere. What the disk says stays as it is. */
export function readingFailure(error: unknown): unknown {
  const isNamed = error instanceof Error && 'code' in error
  if (isNamed && error.code !== 'decode') return error
  return new LedgerDamagedError(error instanceof Error ? error.message : String(error), error)
}

/** Neither the anchor nor any entry tells to which network the damaged files belonged. */
export class NetworkUnknownError extends MaloteError {
  override name = 'NetworkUnknownError'
  constructor(folder: string) {
    super('damaged', `nothing in ${folder} tells to which network it belongs`, {
      details: { folder },
      advice:
        'Move that folder aside and register again, with an invite that an admin makes with `malote invite --replaces`.',
    })
  }
}

/** A rebuild needs a member, and none answered. */
export class NobodyToRebuildFromError extends MaloteError {
  override name = 'NobodyToRebuildFromError'
  constructor() {
    super('unreachable', 'the ledger is lost and no member could be reached to fetch it from', {
      advice: 'Start again with `malote up --rebuild` when another branch is online; nothing more is lost by waiting.',
    })
  }
}

/** A network folder without a founding entry: founding or joining was cut off. Removed at the next start. */
export class IncompleteNetworkError extends MaloteError {
  override name = 'IncompleteNetworkError'
  constructor() {
    super('damaged', 'the network folder was left half made')
  }
}

export class NoIdentityError extends MaloteError {
  override name = 'NoIdentityError'
  constructor(dataDir: string) {
    super('not-found', `${dataDir} holds no identity`, {
      details: { folder: dataDir },
      advice: 'Name the data folder of a node with --data; `malote up` makes one.',
    })
  }
}

export class FolderUnusableError extends MaloteError {
  override name = 'FolderUnusableError'
  constructor(folder: string, cause: unknown) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    super('usage', `${folder} cannot be a data folder (${code})`, {
      details: { folder, code },
      cause,
      advice: 'Name a folder with --data that this user may write to, or where there is none yet.',
    })
  }
}

/** An identity never takes the place of another. */
export class FolderInUseError extends MaloteError {
  override name = 'FolderInUseError'
  constructor(path: string) {
    super('conflict', `${path} is there already, and an import replaces nothing`, {
      details: { path },
      advice: 'Import into a data folder that does not exist yet, named by --data.',
    })
  }
}

export class NotAnExportError extends MaloteError {
  override name = 'NotAnExportError'
  constructor(cause?: unknown) {
    super('unreadable', 'this is no exported identity, or not the whole of one', {
      cause,
      advice: 'Give the file that `malote identity export` has written, unchanged.',
    })
  }
}

export class PassphraseError extends MaloteError {
  override name = 'PassphraseError'
  constructor(what: string) {
    super('unauthorized', what, {
      details: { why: what },
      advice: 'Put the passphrase of the export into a file, and name it with --passphrase-file.',
    })
  }
}

export class SettingsTooLongError extends MaloteError {
  override name = 'SettingsTooLongError'
  constructor(path: string) {
    super('too-large', `${path} is longer than settings can be`, { details: { path } })
  }
}
