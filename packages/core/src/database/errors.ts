import { MaloteError } from '../errors.ts'

export class DatabaseNewerError extends MaloteError {
  override name = 'DatabaseNewerError'
  constructor(path: string, found: number, known: number) {
    super('newer-database', `${path} was written by a newer Malote (format ${found}; this one knows ${known})`, {
      details: { path, found, known },
      advice: 'Install the newer version, or use another data folder.',
    })
  }
}

export class DatabaseDamagedError extends MaloteError {
  override name = 'DatabaseDamagedError'
  constructor(path: string, cause: unknown) {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    super('damaged', `${path} is damaged${why}`, {
      cause,
      advice:
        'Start the node with `malote up --rebuild`: it keeps what can be read and fetches the rest from the other branches.',
      details: { path },
    })
  }
}

/** The file may be well, but this user may not open it. */
export class DatabaseForbiddenError extends MaloteError {
  override name = 'DatabaseForbiddenError'
  constructor(path: string, cause: unknown) {
    super('read-only', `${path} cannot be opened for writing`, {
      cause,
      advice: 'Check owner and permissions of the data folder, and whether its disk is writable.',
      details: { path },
    })
  }
}

/** Nothing of the transaction was written. */
export class DatabaseFullError extends MaloteError {
  override name = 'DatabaseFullError'
  constructor(path: string, cause: unknown) {
    super('disk-full', `the disk is full (${path})`, {
      cause,
      advice: 'Free space on this disk, or move the data folder to a larger one.',
      details: { path },
    })
  }
}

export class FolderLockedError extends MaloteError {
  override name = 'FolderLockedError'
  constructor(folder: string) {
    super('locked', `another Malote node is running on ${folder}`, {
      details: { folder },
      advice: 'Stop it with `malote down`, or give this one its own --data folder.',
    })
  }
}
