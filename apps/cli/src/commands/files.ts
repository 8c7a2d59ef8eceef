/** Files as this branch may see them: listing, details, trash. */

import type { FileView, MaloteClient, VersionView } from '@malote/client'
import { type CommandSpec, defined } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { say } from '../messages/index.ts'
import { formatLines, showText, sizeText, wordText } from '../output/terminal.ts'
import { parsePositive } from '../parse.ts'
import { type FileDetails, fileIdOf, fileOf, lostAccess } from '../references.ts'
import { blacklistCommand } from './blacklist.ts'

/** Enough of an id to name the file by. Characters. */
const SHORT_ID = 12

const copiesText = ({ copies }: { copies: FileView['copies'] }) => `${copies.held}/${copies.target}`

const fileColumns: readonly TitledColumn<FileView>[] = [
  { title: 'id', value: (file) => file.id.slice(0, SHORT_ID) },
  { title: 'name', value: (file) => file.name },
  { title: 'size', value: (file) => sizeText(file.size), align: 'right' },
  { title: 'v', value: (file) => String(file.version), align: 'right' },
  { title: 'owner', value: (file) => file.owner.branch },
  { title: 'campaign', value: (file) => file.campaign ?? '-' },
  { title: 'copies', value: copiesText, align: 'right' },
  { title: 'here', value: (file) => hereText(file.local) },
  { title: 'state', value: (file) => (file.handoff === null ? wordText(file.state) : say().files.offered) },
]

const versionColumns: readonly TitledColumn<VersionView>[] = [
  { title: 'version', value: (each) => (each.current ? say().files.present(each) : String(each.version)) },
  { title: 'size', value: (each) => sizeText(each.size), align: 'right' },
  { title: 'by', value: (each) => each.author.branch },
  { title: 'when', value: (each) => each.createdAt },
  { title: 'copies', value: copiesText, align: 'right' },
  { title: 'here', value: (each) => hereText(each.local) },
  { title: '', value: (each) => (each.conflict ? say().files.conflict : '') },
]

function hereText(local: FileView['local']): string {
  const { yes, part, no } = say().files
  return local === 'complete' ? yes : local === 'partial' ? part : no
}

interface ListWishes {
  readonly campaign?: string
  readonly owner?: string
  readonly tag?: string
  readonly deleted?: boolean
  readonly limit?: number
  readonly cursor?: string
}

async function listFiles(context: Context, q: string | undefined, wishes: ListWishes): Promise<void> {
  const { campaign, owner, tag, deleted, limit, cursor } = wishes
  const query = defined({ q, campaign, owner, tag, deleted, limit, cursor })
  const client = await context.client()
  const page = await client.ask(client.api.GET('/files', { params: { query } }))
  context.print(page, context.table(page.items, fileColumns, say().files.none))
  if (page.next !== null && !context.isJson) context.note(say().files.more({ cursor: page.next }))
}

async function showFile(context: Context, client: MaloteClient, ref: string): Promise<void> {
  const file = await fileOf(client, ref)
  const versions = await client.ask(client.api.GET('/files/{id}/versions', { params: { path: { id: file.id } } }))
  const document = { ...file, versions: versions.items, readers: file.seenBy.readers }
  context.print(document, [fileText(file), context.table(versions.items, versionColumns, '')].join('\n\n'))
}

function fileText(file: FileDetails): string {
  const { owner, handoff, copies, size, type } = file
  const words = say().files
  const here = hereText(file.local)
  const lines: [string, string][] = [
    [words.name, file.name],
    [words.id, file.id],
    [words.size, words.sizeText({ size: sizeText(size), bytes: size, type })],
    [words.version, String(file.version)],
    [words.owner, `${owner.branch} (${owner.id})`],
    [words.shared, file.createdAt],
    [words.changed, file.updatedAt],
    [words.campaign, file.campaign ?? '-'],
    [words.tags, file.tags.join(', ') || '-'],
    [words.seenBy, readersText(file)],
    ...lostAccess(file.seenBy).map((line): [string, string] => ['', line]),
    [words.copies, words.copiesText({ ...copies, here })],
    [words.state, wordText(file.state)],
  ]
  if (file.disputed) lines.push([words.disputed, words.disputedText({ owner: owner.branch })])
  if (handoff !== null) {
    lines.push([words.offeredTo, words.offeredText({ to: handoff.to.branch, since: handoff.since })])
  }
  return formatLines(lines)
}

function readersText({ audience, seenBy: { readers, denied } }: FileDetails): string {
  const names = (branches: typeof readers) => branches.map(({ branch }) => branch).join(', ')
  if (audience === 'only') return say().files.onlyThese({ names: names(readers) })
  // those who were excepted may have left since
  return denied.length === 0 ? say().files.everyone : say().files.everyoneExcept({ names: names(denied) })
}

export const fileCommands: readonly CommandSpec[] = [
  {
    usage: 'ls [text]',
    summary: () => say().help.ls.summary,
    examples: [
      'malote ls',
      'malote ls poster --campaign Verão',
      'malote ls --owner Rio --tag print',
      'malote ls --deleted',
    ],
    options: (command) =>
      command
        .option('--campaign <name>', say().help.ls.campaign)
        .option('--owner <node>', say().help.ls.owner)
        .option('--tag <tag>', say().help.ls.tag)
        .option('--deleted', say().help.ls.deleted)
        .option('--limit <n>', say().help.ls.limit, parsePositive)
        .option('--cursor <cursor>', say().help.ls.cursor),
    run: (context, [text], options) => listFiles(context, text, options as ListWishes),
  },
  {
    usage: 'show <file>',
    summary: () => say().help.show.summary,
    examples: ['malote show poster.png', 'malote show 1f2e3d4c --json'],
    run: async (context, [ref = '']) => showFile(context, await context.client(), ref),
  },
  {
    usage: 'rm <file>',
    summary: () => say().help.rm.summary,
    examples: ['malote rm poster.png', 'malote rm poster.png --purge'],
    options: (command) => command.option('--purge', say().help.rm.purge),
    async run(context, [ref = ''], options) {
      const purge = options.purge === true
      const client = await context.client()
      const id = await fileIdOf(client, ref)
      await client.ask(client.api.DELETE('/files/{id}', { params: { path: { id }, query: purge ? { purge } : {} } }))
      const state = purge ? 'purged' : 'deleted'
      context.print({ id, state }, say().files[state]({ file: showText(ref) }))
      if (!purge) context.note(say().files.bringsBack({ id }))
    },
  },
  {
    usage: 'restore <file>',
    summary: () => say().help.restore.summary,
    examples: ['malote restore poster.png', 'malote restore poster.png --version 2'],
    options: (command) => command.option('--version <n>', say().help.restore.version, parsePositive),
    async run(context, [id = ''], options) {
      const { version } = options as { version?: number }
      const client = await context.client()
      const file = await client.ask(
        client.api.POST('/files/{id}/restore', { params: { path: { id } }, body: defined({ version }) }),
      )
      const { name, state, ...rest } = file
      context.print(file, say().files.restored({ ...rest, name: showText(name), state: wordText(state) }))
    },
  },
  blacklistCommand,
]
