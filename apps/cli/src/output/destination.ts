/**
 * Where fetched bytes go. A file appears under its name only when it is whole: until then it is a temporary one beside
 * it, which is removed whatever happens.
 */

import { randomBytes } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { type FileHandle, link, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { clashKey, safeFileName } from '@malote/core/file-names'
import { release } from '@malote/core/release'
import { OutputError } from '../errors.ts'
import { say } from '../messages/index.ts'

/** What a system answers where there can be no such file. */
const CANNOT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EISDIR', 'ELOOP'])
/** How much is written at once. */
const WRITE_BYTES = 1024 * 1024

/** `direct`: a device or a pipe, where nothing can be put beside. `shown`: the path in the caller's words. */
export type Destination =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'direct'; readonly path: string; readonly shown: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly shown: string
      readonly replaces: boolean
      readonly mode?: number
    }

/**
 * @param output path, folder, or `-`; absent: the current folder
 * @param name as another branch chose it
 * @throws {OutputError} something else is there already, or there is no such folder
 */
export async function destinationOf(output: string | undefined, name: string): Promise<Destination> {
  if (output === '-') return { kind: 'stdout' }
  const found = output === undefined ? null : await look(output)
  if (output === undefined || found?.isDirectory() === true) {
    // the name is not the caller's choice, so it replaces nothing, also where the folder will be copied to
    const folder = output ?? '.'
    const path = join(folder, safeFileName(name))
    const clash = await clashIn(folder, safeFileName(name))
    if (clash !== undefined) throw existsError(join(folder, clash))
    return { kind: 'file', path, shown: path, replaces: false }
  }
  if (found !== null && !found.isFile()) return { kind: 'direct', path: output, shown: output }
  if (found === null && (output.endsWith('/') || output.endsWith(sep))) throw noFolder(output)
  if (found === null) {
    const folder = dirname(output)
    if ((await look(folder))?.isDirectory() !== true) throw noFolder(folder)
    return { kind: 'file', path: output, shown: output, replaces: true }
  }
  // a link stays, and the file behind it is replaced
  return { kind: 'file', path: await realpath(output), shown: output, replaces: true, mode: Number(found.mode) & 0o777 }
}

/**
 * Writes all of it, or leaves what was there. The pieces are taken: a file's give back their memory when they are written.
 * @throws {OutputError} @throws what the source throws
 */
export async function writeTo(
  destination: Destination,
  source: AsyncIterable<Uint8Array>,
  options: { signal: AbortSignal },
): Promise<void> {
  const { signal } = options
  if (destination.kind === 'stdout') return pipeline(source, process.stdout, { signal, end: false })
  const { path } = destination
  try {
    if (destination.kind === 'direct') return await pipeline(source, createWriteStream(path), { signal })
    const temporary = join(dirname(path), `.malote-${randomBytes(8).toString('hex')}.part`)
    const handle = await open(temporary, 'wx', destination.mode ?? 0o666)
    try {
      await fill(handle, source, signal)
      await (destination.replaces ? rename(temporary, path) : placeNew(temporary, path))
    } finally {
      await rm(temporary, { force: true })
    }
  } catch (error) {
    throw explain(error, destination.shown)
  }
}

/** Pieces come 64 KiB at a time: written together, and while the next ones come. */
async function fill(handle: FileHandle, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  let writing: Promise<unknown> = Promise.resolve()
  let pieces: Uint8Array[] = []
  let size = 0
  const flush = async () => {
    await writing
    writing = writeAll(handle, pieces)
    writing.catch(() => undefined) // told when the next ones follow
    pieces = []
    size = 0
  }
  try {
    for await (const piece of source) {
      signal.throwIfAborted()
      pieces.push(piece)
      size += piece.length
      if (size >= WRITE_BYTES) await flush()
    }
    await flush()
    await writing
  } finally {
    await writing.catch(() => undefined) // the first failure is the one to tell
    await handle.close()
  }
}

/** From where the last ones ended. */
async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  if (pieces.length === 0) return
  let { bytesWritten } = await handle.writev(pieces)
  for (const piece of pieces) {
    const written = Math.min(bytesWritten, piece.length)
    bytesWritten -= written
    // a disk that is all but full takes a part, and says why when asked for the rest
    if (written < piece.length) await handle.writeFile(piece.subarray(written))
    release(piece)
  }
}

/** What is in the folder under this name, or under one that some system takes for the same. */
async function clashIn(folder: string, name: string): Promise<string | undefined> {
  const key = clashKey(name)
  try {
    return (await readdir(folder)).find((each) => clashKey(each) === key)
  } catch (error) {
    // a folder that may be written but not read: `placeNew` sees whether the name is free
    if (codeOf(error) === 'EACCES') return undefined
    throw explain(error, folder)
  }
}

/** Under a name that nothing bears, also when something came to bear it meanwhile. */
async function placeNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw existsError(path)
    // no hard links on this file system: the name is taken first, so that it is still ours
    const taken = await open(path, 'wx')
    await taken.close()
    await rename(temporary, path)
  }
}

type Stats = Awaited<ReturnType<typeof stat>>

async function look(path: string): Promise<Stats | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw explain(error, path)
  }
}

function existsError(path: string): OutputError {
  return new OutputError('conflict', say().failures.exists({ path }), { path, advice: say().failures.anotherPlace })
}

function noFolder(path: string): OutputError {
  return new OutputError('usage', say().failures.noFolder({ path }), { path, advice: say().failures.makeIt })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** Failures of our own disk in our words; all else, such as a broken connection, as it is. */
function explain(error: unknown, path: string): unknown {
  const code = codeOf(error)
  const cause = error
  const words = say().failures
  if (code === 'ENOSPC') {
    return new OutputError('disk-full', words.diskFull({ path }), { path, cause, advice: words.freeSome })
  }
  if (code === 'EDQUOT') return new OutputError('quota', words.quota({ path }), { path, cause })
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new OutputError('read-only', words.notWritable({ path }), {
      path,
      cause,
      advice: words.anotherPlace,
    })
  }
  const isThere = existsSync(dirname(path))
  if ((code === 'ENOENT' || code === 'ENOTDIR') && !isThere) return noFolder(dirname(path))
  if (code === 'EEXIST') return existsError(path)
  if (code !== undefined && CANNOT.has(code)) {
    return new OutputError('usage', words.cannotWrite({ path, code }), { path, cause })
  }
  return error
}
