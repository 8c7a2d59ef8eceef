/** `fetch`: a local copy from several branches at once, and its plain bytes to a path or to stdout as they come. */
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionLostError, type FileView, type MaloteClient, ProblemError, type TransferView } from '@malote/client'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { NoPreviewError, NoVersionError, TransferEndedError, UsageError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { type Destination, destinationOf, writeTo } from '../output/destination.ts'
import { createProgress, type Progress } from '../output/progress.ts'
import { showText, sizeText } from '../output/terminal.ts'
import { parsePositive } from '../parse.ts'
import { stopText } from './transfers.ts'

const SOURCES_EVERY_MS = 500
/** The last bytes are here before the transfer has been closed; it takes a moment, not more. */
const END_DEADLINE_MS = 5000
const END_EVERY_MS = 50

/** What a preview is called where its place is a folder: its maker chose the type. */
const ENDINGS: Readonly<Record<string, string>> = {
  'image/webp': '.webp',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/gif': '.gif',
  'image/avif': '.avif',
}

export const fetchCommand: CommandSpec = {
  usage: 'fetch <file>',
  summary: () => say().help.fetch.summary,
  examples: [
    'malote fetch poster.png',
    'malote fetch poster.png -o /srv/media/',
    'malote fetch 1f2e3d4c -o video.mp4 --version 2',
    'malote fetch video.mp4 -o - | ffplay -',
    'malote fetch poster.png --preview -o small.webp',
  ],
  options: (command) =>
    command
      .option('-o, --output <path>', say().help.fetch.output)
      .option('--version <n>', say().help.fetch.version, parsePositive)
      .option('--preview', say().help.fetch.preview),
  run: fetchFile,
}

async function fetchFile(context: Context, [ref = '']: readonly (string | undefined)[], options: Options) {
  const { output, version: wanted, preview } = options as { output?: string; version?: number; preview?: boolean }
  if (output === '-' && context.isJson) throw new UsageError(say().wrong.bytesOrJson)
  if (preview === true && wanted !== undefined) throw new UsageError(say().wrong.previewOfVersion)
  const client = await context.client()
  const file = await client.ask(client.api.GET('/files/{id}', { params: { path: { id: ref } } }))
  if (preview === true) return fetchPreview(context, client, file, output)
  const params = { path: { id: file.id } }
  // named from here on: an update meanwhile must not mix two versions
  const version = wanted ?? file.version
  let { name, size } = file
  if (version !== file.version) {
    const { items } = await client.ask(client.api.GET('/files/{id}/versions', { params }))
    if (!items.some((each) => each.version === version)) {
      const versions = items.map((each) => each.version)
      throw new NoVersionError(file.name, version, versions)
    }
    const found = items.find((each) => each.version === version && !each.conflict)
    name = found?.name ?? name
    size = found?.size ?? size
  }
  const destination = await destinationOf(output, name)
  const begun = await client.ask(client.api.POST('/files/{id}/fetch', { params, body: { version } }))
  const progress = createProgress(name, { enabled: context.hasProgress })
  progress.update(0, size)
  const bytes = await receive({ context, client, fileId: file.id, version, begun, destination, progress })
  const transfer = await endOf(context, client, begun)
  const path = destination.kind === 'stdout' ? '-' : resolve(destination.path)
  if (destination.kind === 'stdout') return
  const from = transfer.sources.filter((source) => source.bytes > 0).map((source) => source.branch)
  const whence = from.length === 0 ? say().fetch.ownCopy : say().fetch.from({ branches: from.join(', ') })
  context.print(
    { file, path, bytes, transfer },
    `${showText(destination.shown)}  ${sizeText(bytes)}  ${showText(whence)}`,
  )
}

/** Small, and here at once: nothing of what is told of a transfer fits it. */
async function fetchPreview(context: Context, client: MaloteClient, file: FileView, output: string | undefined) {
  const { signal } = context
  const preview = await client.preview(file.id, { signal })
  if (preview === null) throw new NoPreviewError(file.name)
  const { type, bytes } = preview
  const destination = await destinationOf(output, `${file.name}.preview${ENDINGS[type] ?? ''}`)
  const size = bytes.length
  await writeTo(destination, Readable.from([bytes], { objectMode: true }), { signal })
  if (destination.kind === 'stdout') return
  const what = say().fetch.previewOf({ name: file.name })
  const text = `${showText(destination.shown)}  ${sizeText(size)}  ${showText(what)}`
  context.print({ file, path: resolve(destination.path), bytes: size, type }, text)
}

interface Receiving {
  context: Context
  client: MaloteClient
  fileId: string
  version: number
  begun: TransferView
  destination: Destination
  progress: Progress
}

/** @returns bytes written */
async function receive(init: Receiving): Promise<number> {
  const { context, client, fileId, version, begun, destination, progress } = init
  const { signal } = context
  const sources = context.hasProgress && process.stderr.isTTY ? watchSources(context, client, begun) : null
  let bytes = 0
  try {
    const { stream, length } = await client.download(fileId, { version, signal })
    async function* counted() {
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        bytes += piece.length
        progress.update(bytes, length, sources?.text())
        yield piece
      }
      // a short file must never take the place of a whole one
      if (bytes !== length) throw new ConnectionLostError(new Error(`${bytes} of ${length} bytes came`))
    }
    try {
      await writeTo(destination, counted(), { signal })
    } finally {
      // where nothing could be written, nothing was read either, and the answer would keep this process
      stream.destroy()
    }
    return bytes
  } catch (error) {
    progress.end()
    if (signal.aborted) {
      context.note(say().fetch.goesOn({ id: begun.id }))
      throw error
    }
    throw await explain(client, begun, error)
  } finally {
    progress.end()
    await sources?.stop()
  }
}

/** Where the stream broke, the transfer knows why. */
async function explain(client: MaloteClient, { id }: TransferView, error: unknown): Promise<unknown> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const isBroken =
    error instanceof ConnectionLostError || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
  if (!isBroken) return error
  const transfer = await transferOf(client, id).catch(() => null)
  if (transfer?.state === 'failed' && transfer.error !== null) {
    return new TransferEndedError(transfer.error.code, stopText(transfer.error), transfer)
  }
  if (transfer?.state === 'cancelled')
    return new TransferEndedError('conflict', say().failures.transferCancelled, transfer)
  return error instanceof ConnectionLostError ? error : new ConnectionLostError(error)
}

function transferOf(client: MaloteClient, id: string): Promise<TransferView> {
  return client.ask(client.api.GET('/transfers/{id}', { params: { path: { id } } }))
}

function watchSources(context: Context, client: MaloteClient, { id }: TransferView) {
  const stopped = new AbortController()
  const signal = AbortSignal.any([context.signal, stopped.signal])
  let count = 0
  const watching = (async () => {
    for (;;) {
      const { sources } = await transferOf(client, id)
      count = sources.length
      await sleep(SOURCES_EVERY_MS, undefined, { signal })
    }
  })().catch(() => undefined) // a courtesy: the download itself tells what fails
  return {
    text: () => (count === 0 ? '' : say().fetch.sources({ count })),
    async stop() {
      stopped.abort()
      await watching
    },
  }
}

/** The transfer when it has ended, so that it tells every source. */
async function endOf(context: Context, client: MaloteClient, begun: TransferView): Promise<TransferView> {
  const deadline = Date.now() + END_DEADLINE_MS
  let last = begun
  try {
    for (;;) {
      last = await transferOf(client, begun.id)
      const isOver = last.state === 'done' || last.state === 'failed' || last.state === 'cancelled'
      if (isOver || Date.now() >= deadline) return last
      await sleep(END_EVERY_MS, undefined, { signal: context.signal })
    }
  } catch (error) {
    // ended and forgotten: the file is here all the same
    if (error instanceof ProblemError && error.code === 'not-found') return last
    throw error
  }
}
