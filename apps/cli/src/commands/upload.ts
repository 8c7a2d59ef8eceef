/** `upload` and `update`: files from disk or stdin into the network. */

import { lstat } from 'node:fs/promises'
import { basename } from 'node:path'
import { FileUnreadableError, type FileView, type MaloteClient } from '@malote/client'
import { type CommandSpec, defined, list } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { stdinOf } from '../input.ts'
import { say } from '../messages/index.ts'
import { createProgress } from '../output/progress.ts'
import { showText, sizeText } from '../output/terminal.ts'
import { parsePositive } from '../parse.ts'

const LEVELS = ['local', 'durable', 'replicated'] as const
type Level = (typeof LEVELS)[number]

interface UploadWishes {
  readonly deny?: string[]
  readonly only?: string[]
  readonly campaign?: string
  readonly tag?: string[]
  readonly name?: string
  readonly type?: string
  readonly wait?: string
}

export const uploadCommand: CommandSpec = {
  usage: 'upload <path...>',
  summary: () => say().help.upload.summary,
  examples: [
    'malote upload poster.png --campaign Verão --tag print --tag A3',
    'malote upload layout.psd --deny Recife --wait replicated',
    'malote upload budget.pdf --only Rio --only Recife',
    'tar c photos | malote upload - --name photos.tar',
  ],
  options: (command) =>
    command
      .option('--deny <branch>', say().help.upload.deny, list)
      .option('--only <branch>', say().help.upload.only, list)
      .option('--campaign <name>', say().help.upload.campaign)
      .option('--tag <tag>', say().help.upload.tag, list)
      .option('--name <name>', say().help.upload.name)
      .option('--type <media-type>', say().help.upload.type)
      .option('--wait <level>', say().help.upload.wait({ levels: LEVELS.join(', ') })),
  async runMany(context, [paths], options) {
    await upload(context, paths as string[], options as UploadWishes)
  },
}

export const updateCommand: CommandSpec = {
  usage: 'update <file> <path>',
  summary: () => say().help.update.summary,
  examples: ['malote update poster.png ./poster-v2.png', 'malote update 1f2e3d4c poster.png --if-match 3'],
  options: (command) => command.option('--if-match <version>', say().help.update.ifMatch, parsePositive),
  async run(context, [ref = '', path = ''], options) {
    const { ifMatch } = options as { ifMatch?: number }
    await checkPaths([path])
    const client = await context.client()
    const file = await withProgress(context, path, (onProgress) => {
      const source = sourceOf(context, path, 'stdin')
      return client.update(ref, source, {}, { onProgress, signal: context.signal, ...defined({ ifMatch }) })
    })
    context.print(
      file,
      say().upload.updated({ name: showText(file.name), version: file.version, size: sizeText(file.size) }),
    )
    context.note(say().upload.goesOn)
  },
}

async function upload(context: Context, paths: readonly string[], wishes: UploadWishes): Promise<void> {
  const level = levelOf(wishes.wait)
  checkWishes(paths, wishes)
  // all of them before the first is sent: a slip of the pen in the last must not leave half of it done
  await checkPaths(paths)
  const client = await context.client()
  const { deny, only, campaign, tag, name, type } = wishes
  const fields = defined({ denied: deny, only, campaign, tags: tag, name, type })
  const shared: FileView[] = []
  try {
    for (const path of paths) {
      const file = await withProgress(context, path, (onProgress) =>
        client.upload(sourceOf(context, path, name ?? ''), fields, { onProgress, signal: context.signal }),
      )
      shared.push(file)
      if (!context.isJson || level === 'local') context.print(file, file.id)
      context.note(say().upload.stored({ name: showText(file.name) }))
    }
    if (level !== 'local') await waitFor(context, client, shared, level)
  } catch (error) {
    // what is shared is shared: its id must not be lost with what failed after it
    if (context.isJson && level !== 'local') for (const file of shared) context.print(file, '')
    throw error
  }
}

/** Takes each file off the list when it has been told. */
async function waitFor(
  context: Context,
  client: MaloteClient,
  shared: FileView[],
  level: Exclude<Level, 'local'>,
): Promise<void> {
  for (let file = shared[0]; file !== undefined; file = shared[0]) {
    const params = { path: { id: file.id }, query: { level } }
    const reached = await client.ask(client.api.GET('/files/{id}/wait', { params }))
    if (context.isJson) context.print(reached, '')
    context.note(say().upload.reached({ name: showText(reached.name), level, ...reached.copies }))
    shared.shift()
  }
}

function levelOf(text = 'local'): Level {
  const level = LEVELS.find((each) => each === text)
  if (level === undefined) throw new UsageError(say().wrong.wait({ levels: LEVELS.join(', ') }))
  return level
}

function checkWishes(paths: readonly string[], { deny, only, name }: UploadWishes): void {
  if (deny !== undefined && only !== undefined) throw new UsageError(say().wrong.denyAndOnly)
  const stdin = paths.filter((path) => path === '-').length
  if (stdin > 1) throw new UsageError(say().wrong.stdinTwice)
  if (name !== undefined && paths.length > 1) throw new UsageError(say().wrong.oneName)
  if (stdin === 1 && name === undefined) throw new UsageError(say().wrong.stdinName)
}

/** @throws {FileUnreadableError} absent, a folder, a link or another thing that is no file */
async function checkPaths(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (path === '-') continue
    let found: Awaited<ReturnType<typeof lstat>>
    try {
      found = await lstat(path)
    } catch (error) {
      throw new FileUnreadableError(path, reasonOf(error), error)
    }
    if (found.isFile()) continue
    const { isFolder, isLink, notPlain } = say().failures
    throw new FileUnreadableError(path, found.isDirectory() ? isFolder : found.isSymbolicLink() ? isLink : notPlain)
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const { noFile, noPermission } = say().failures
  return code === 'ENOENT' ? noFile : code === 'EACCES' ? noPermission : String(code ?? error)
}

function sourceOf(context: Context, path: string, name: string) {
  return path === '-' ? { stream: stdinOf(context), name } : path
}

type OnProgress = (progress: { bytes: number; total: number | null }) => void

async function withProgress<T>(context: Context, path: string, send: (onProgress: OnProgress) => Promise<T>) {
  const progress = createProgress(path === '-' ? say().upload.stdin : basename(path), { enabled: context.hasProgress })
  try {
    return await send(({ bytes, total }) => progress.update(bytes, total))
  } finally {
    progress.end()
  }
}
