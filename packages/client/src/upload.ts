/** Multipart bodies written as they are read, so that memory stays flat whatever the size. */
import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, open } from 'node:fs/promises'
import type { ClientRequest } from 'node:http'
import { basename } from 'node:path'
import { FileChangedError, FileUnreadableError } from './errors.ts'
import { writePiece } from './transport.ts'

/** What a file is published with. */
export interface UploadFields {
  /** @default the file's name */
  name?: string
  /** media type; guessed from the name by the node when absent */
  type?: string
  /** branches that must not read it @default nobody */
  denied?: readonly string[]
  /** the only branches that may; not together with `denied` @default everyone */
  only?: readonly string[]
  campaign?: string
  tags?: readonly string[]
}

/** Bytes that were sent. */
export interface TransferProgress {
  bytes: number
  /** null when the size is not known beforehand */
  total: number | null
}

/** Bytes of which there is no path, for example stdin. */
export interface StreamSource {
  stream: AsyncIterable<Uint8Array>
  name: string
  /** bytes, when known */
  size?: number
}

export interface MultipartBody {
  headers: Record<string, string>
  write: (call: ClientRequest, answered: () => boolean) => Promise<void>
  close: () => Promise<void>
}

const READ_BYTES = 1024 * 1024

/**
 * A path is read through one descriptor, without following a link, and compared before and after; the closing boundary
 * is written only when it has not changed.
 * @throws {FileUnreadableError}
 */
export async function multipartOf(
  source: string | StreamSource,
  fields: UploadFields,
  onProgress?: (progress: TransferProgress) => void,
): Promise<MultipartBody> {
  const file = typeof source === 'string' ? await openPlain(source) : null
  const stream = typeof source === 'string' ? null : source
  const total = file?.size ?? stream?.size ?? null
  const filename = typeof source === 'string' ? basename(source) : source.name
  const boundary = `malote-${randomBytes(18).toString('hex')}`
  const head = Buffer.from(
    fieldParts(boundary, fields) +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${escapeName(filename)}"\r\n` +
      'content-type: application/octet-stream\r\n\r\n',
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)

  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      ...(total === null ? {} : { 'content-length': String(head.length + total + tail.length) }),
    },
    close: async () => file?.handle.close(),
    async write(call, answered) {
      if (!(await writePiece(call, head))) return
      let bytes = 0
      for await (const piece of file === null ? (stream?.stream ?? []) : piecesOf(file)) {
        // An answer before the end is a refusal: no use in sending the rest.
        if (answered() || !(await writePiece(call, piece))) return
        bytes += piece.length
        onProgress?.({ bytes, total })
      }
      if (file !== null && (await hasChanged(file, bytes))) throw new FileChangedError(file.path)
      await writePiece(call, tail)
    },
  }
}

interface PlainFile {
  path: string
  handle: FileHandle
  size: number
  /** what tells one state of the file from another */
  mark: string
}

async function openPlain(path: string): Promise<PlainFile> {
  let handle: FileHandle
  try {
    // O_NONBLOCK: opening a pipe must not wait for its writer. Both flags are absent on Windows.
    handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    throw new FileUnreadableError(path, REASONS[String(code)] ?? String(code), error)
  }
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile())
      throw new FileUnreadableError(path, stat.isDirectory() ? 'it is a folder' : 'it is no plain file')
    return { path, handle, size: Number(stat.size), mark: markOf(stat) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission',
  ELOOP: 'it is a link',
  EISDIR: 'it is a folder',
}

function markOf(stat: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): string {
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ')
}

async function hasChanged(file: PlainFile, bytes: number): Promise<boolean> {
  return bytes !== file.size || markOf(await file.handle.stat({ bigint: true })) !== file.mark
}

/** Never more than the size that was announced; less when the file has shrunk. */
async function* piecesOf({ handle, size }: PlainFile): AsyncGenerator<Uint8Array> {
  let at = 0
  while (at < size) {
    // a new buffer each time: the socket may still hold the one before
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - at))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Before the file, so that the node can refuse early. */
function fieldParts(boundary: string, fields: UploadFields): string {
  const pairs: [string, string][] = []
  const { name, type, campaign } = fields
  for (const [key, value] of Object.entries({ name, type, campaign })) if (value !== undefined) pairs.push([key, value])
  for (const denied of fields.denied ?? []) pairs.push(['denied', denied])
  for (const only of fields.only ?? []) pairs.push(['only', only])
  for (const tag of fields.tags ?? []) pairs.push(['tag', tag])
  return pairs
    .map(([key, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`)
    .join('')
}

/** As browsers do (WHATWG HTML, 4.10.21.8): quotes and line breaks percent-encoded. */
function escapeName(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
