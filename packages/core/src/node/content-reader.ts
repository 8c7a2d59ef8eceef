/** The plain bytes of one version: from the seal that is here, from an older one, from other members, as they come. */
import { FileNotFoundError, type SharedVersion, type VisibleFile } from '../catalogue/index.ts'
import { ChunkMissingError, openStream, VersionRemovedError } from '../content/index.ts'
import type { EpochKeys } from '../crypto/index.ts'
import { type FileId, idBytes, toHex } from '../ids.ts'
import { readOlder } from './older-seal.ts'
import type { Session } from './session.ts'
import { shapeOf } from './session-versions.ts'
import type { CallOptions, ContentReader } from './types.ts'

/** For whoever is reading; a file that is opened is there or not. */
const KEY_WAIT_MS = 20_000

interface Seal {
  readonly version: SharedVersion
  readonly keys: EpochKeys
}

interface Range {
  readonly start: number
  readonly end: number
}

/** As a version is sealed now. @throws {FileNotFoundError} when there is no such version, or its key is not here */
export function sealOf(session: Session, view: VisibleFile, wanted: number | undefined): Seal {
  const number = wanted ?? view.version
  const version = versionNumbered(session, view.file, number)
  const keys = version === undefined ? null : session.sharing.keyring.fileKey(view.file, version.epoch)
  if (version === undefined || keys === null) throw new FileNotFoundError(`${view.file} version ${number}`)
  return { version, keys }
}

/** Conflict versions too: they have numbers of their own. */
export function versionNumbered(session: Session, file: FileId, number: number): SharedVersion | undefined {
  return session.state.versions(file).find((each) => each.version === number)
}

export function createContentReader(
  session: Session,
  view: VisibleFile,
  options: CallOptions & { version?: number },
): ContentReader {
  const seal = sealOf(session, view, options.version)
  const { version, size, root } = seal.version
  return {
    name: view.name,
    type: view.type,
    size,
    version,
    etag: toHex(idBytes(root).subarray(0, 16)),
    async *read(range = { start: 0, end: size }, readOptions = {}) {
      const given = [options.signal, readOptions.signal].filter((each) => each !== undefined)
      const signal = AbortSignal.any([session.closing, ...given])
      let at = range.start
      for (let now = seal; ; ) {
        try {
          for await (const plain of readSeal(session, now, { start: at, end: range.end }, signal)) {
            yield plain
            at += plain.length
          }
          return
        } catch (error) {
          // its chunks go when it was sealed anew meanwhile: the same plain bytes, from there on
          if (signal.aborted || versionNumbered(session, view.file, version)?.root === now.version.root) throw error
          await untilKeyIsHere(session, view.file, version, signal)
          now = sealOf(session, view, version)
        }
      }
    },
  }
}

/** The entry that tells of the new seal may be here before its key is. Not waited for by whom the owner has denied it. */
async function untilKeyIsHere(session: Session, file: FileId, number: number, signal: AbortSignal): Promise<void> {
  const { keyring, views } = session.sharing
  const patience = new AbortController()
  const cancel = session.clock.after(KEY_WAIT_MS, () => patience.abort())
  const isKnown = () => {
    const epoch = versionNumbered(session, file, number)?.epoch
    return epoch === undefined || keyring.fileKey(file, epoch) !== null || views.gaveUp(file) !== null
  }
  try {
    await session.until(isKnown, AbortSignal.any([signal, patience.signal]))
  } catch (error) {
    if (!patience.signal.aborted) throw error
  } finally {
    cancel()
  }
}

async function* readSeal(session: Session, { version, keys }: Seal, { start, end }: Range, signal: AbortSignal) {
  const shape = shapeOf(version)
  const done = session.readers.begin(version.root)
  const ended = new AbortController()
  const either = AbortSignal.any([ended.signal, signal])
  let at = start
  try {
    const file = await session.store.open(shape)
    const older = file.complete ? null : await session.olderSeal(version.root)
    if (older !== null) {
      try {
        for await (const plain of readOlder(older, { start, end }, either)) {
          yield plain
          at += plain.length
        }
        return
      } catch (error) {
        // it was sealed anew meanwhile, or the disk has spoilt some of it
        if (!(error instanceof VersionRemovedError || error instanceof ChunkMissingError)) throw error
      }
    }
    if (!file.complete) {
      const priority = at < end ? [Math.floor(at / shape.chunk)] : []
      const wanted = session.transfers.want(shape, { kind: 'fetch', fileId: version.file, signal: either, priority })
      // a transfer that fails must end the wait for its chunks
      wanted.done.catch((error) => ended.abort(error))
    }
    const want = (index: number) => session.transfers.prioritise(version.root, index)
    yield* openStream({ file, keys, start: at, end, signal: either, want })
  } finally {
    ended.abort()
    done()
  }
}
