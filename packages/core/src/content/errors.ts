import { MaloteError } from '../errors.ts'

/** A version whose chunk size no honest writer uses. */
export class ShapeInvalidError extends MaloteError {
  override name = 'ShapeInvalidError'
  constructor(message: string) {
    super('unsupported', message)
  }
}

/** More chunks than a manifest may have. */
export class TooManyChunksError extends MaloteError {
  override name = 'TooManyChunksError'
  constructor(limit: number, chunk: number) {
    super('too-large', `the file is larger than ${limit * chunk} bytes, the most that fits with this chunk size`, {
      advice: 'Upload it from a file on disk, so that its size is known and larger chunks can be used, or split it.',
      details: { limit: limit * chunk },
    })
  }
}

/** The bytes of a chunk are wanted before the list of chunk hashes is here. */
export class ManifestMissingError extends MaloteError {
  override name = 'ManifestMissingError'
  constructor(root: string) {
    super('not-found', `the manifest of ${root} is not here yet`, { details: { root } })
  }
}

export class ManifestWrongError extends MaloteError {
  override name = 'ManifestWrongError'
  constructor(root: string) {
    super('protocol', `this manifest is not the one of ${root}`, { details: { root } })
  }
}

/** Try again when it has been fetched. */
export class ChunkMissingError extends MaloteError {
  override name = 'ChunkMissingError'
  readonly index: number
  constructor(root: string, index: number) {
    super('not-found', `chunk ${index} of ${root} is not here`, { details: { root, index } })
    this.index = index
  }
}

/** The disk gave back other bytes than were written; the chunk was given up and can be fetched again. */
export class ChunkDamagedError extends MaloteError {
  override name = 'ChunkDamagedError'
  readonly index: number
  constructor(root: string, index: number) {
    super('damaged', `chunk ${index} of ${root} was damaged on disk and has been dropped`, {
      advice: 'It is fetched again from another member. Check the disk if this repeats.',
      details: { root, index },
    })
    this.index = index
  }
}

/** The chunk is the one that its owner published, and still does not open: sealed with another key, or falsely. */
export class ContentDamagedError extends MaloteError {
  override name = 'ContentDamagedError'
  constructor(root: string, index: number, cause: unknown) {
    super('damaged', `chunk ${index} of ${root} does not open with the key of its file`, {
      cause,
      details: { root, index },
    })
  }
}

/** Nobody brought the chunk in time. */
export class ChunkTimeoutError extends MaloteError {
  override name = 'ChunkTimeoutError'
  constructor(root: string, index: number, ms: number) {
    super('no-source', `chunk ${index} of ${root} did not arrive within ${ms} ms`, {
      advice: 'Try again when more members are online.',
      details: { root, ms, index },
    })
  }
}

export class VersionRemovedError extends MaloteError {
  override name = 'VersionRemovedError'
  constructor(root: string) {
    super('not-found', `${root} was removed from this node`, { details: { root } })
  }
}

export class StoreStoppedError extends MaloteError {
  override name = 'StoreStoppedError'
  constructor() {
    super('interrupted', 'the store has been stopped')
  }
}

export class DiskFullError extends MaloteError {
  override name = 'DiskFullError'
  constructor(message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super('disk-full', message, {
      advice: 'Free space on this disk, or move the data folder to a larger one.',
      details,
      cause,
    })
  }
}

export class StoreReadOnlyError extends MaloteError {
  override name = 'StoreReadOnlyError'
  constructor(path: string, cause: unknown) {
    super('read-only', `${path} cannot be written`, {
      details: { path },
      advice: 'Check that the disk is mounted for writing and that this user owns the folder.',
      cause,
    })
  }
}

/** The disk reports a fault, or what was written to it is gone. */
export class DiskFaultError extends MaloteError {
  override name = 'DiskFaultError'
  constructor(path: string, cause: unknown) {
    super('damaged', `the disk lost or cannot read ${path}`, {
      details: { path },
      advice: 'Check the disk; run `malote doctor`.',
      cause,
    })
  }
}

export class UnreadableError extends MaloteError {
  override name = 'UnreadableError'
  constructor(path: string, why: string, cause?: unknown) {
    super('unreadable', `${JSON.stringify(path)} cannot be shared: ${why}`, {
      details: { path, why },
      advice: 'Give the path of a regular file that this user may read.',
      cause,
    })
  }
}

export class FileChangedError extends MaloteError {
  override name = 'FileChangedError'
  constructor(path: string) {
    super('file-changed', `${JSON.stringify(path)} changed while it was being read; nothing was published`, {
      details: { path },
      advice: 'Try again when the program that writes it has finished.',
    })
  }
}

export class RangeInvalidError extends MaloteError {
  override name = 'RangeInvalidError'
  constructor(start: number, end: number, size: number) {
    super('range-invalid', `bytes ${start} to ${end} are not in a file of ${size} bytes`, {
      details: { start, end, size },
    })
  }
}

export class BoxInvalidError extends MaloteError {
  override name = 'BoxInvalidError'
  constructor(length: number, limit: number) {
    super('too-large', `a box has 1 to ${limit} bytes, not ${length}`, { details: { length, limit } })
  }
}
