/** Files as this branch may see them: listing, details, trash. */

import type { FileView, MaloteClient, VersionView } from '@malote/client'
import { type CommandSpec, defined } from '../command.ts'
import type { Context } from '../context.ts'
import { say } from '../messages/index.ts'
import { type Column, formatBytes, showText } from '../output/terminal.ts'
import { parsePositive } from '../parse.ts'
import { type FileDetails, fileIdOf, fileOf, lostAccess } from '../references.ts'
import { blacklistCommand } from './blacklist.ts'

/** Enough of an id to name the file by. Characters. */
const SHORT_ID = 12

const copiesText = ({ copies }: { copies: FileView['copies'] }) => `${copies.held}/${copies.target}`

const fileColumns: readonly Column<FileView>[] = [
  { title: 'ID', value: (file) => file.id.slice(0, SHORT_ID) },
  { title: 'NAME', value: (file) => file.name },
  { title: 'SIZE', value: (file) => formatBytes(file.size), align: 'right' },
  { title: 'V', value: (file) => String(file.version), align: 'right' },
  { title: 'OWNER', value: (file) => file.owner.branch },
  { title: 'CAMPAIGN', value: (file) => file.campaign ?? '-' },
  { title: 'COPIES', value: copiesText, align: 'right' },
  { title: 'HERE', value: (file) => hereText(file.local) },
  { title: 'STATE', value: (file) => (file.handoff === null ? file.state : 'offered') },
]

const versionColumns: readonly Column<VersionView>[] = [
  { title: 'VERSION', value: (each) => `${each.version}${each.current ? ' (present)' : ''}` },
  { title: 'SIZE', value: (each) => formatBytes(each.size), align: 'right' },
  { title: 'BY', value: (each) => each.author.branch },
  { title: 'WHEN', value: (each) => each.createdAt },
  { title: 'COPIES', value: copiesText, align: 'right' },
  { title: 'HERE', value: (each) => hereText(each.local) },
  { title: '', value: (each) => (each.conflict ? 'conflict' : '') },
]

function hereText(local: FileView['local']): string {
  return local === 'complete' ? 'yes' : local === 'partial' ? 'part' : 'no'
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
  context.print(page, context.table(page.items, fileColumns, 'no files'))
  if (page.next !== null && !context.isJson) context.note(`There are more: --cursor ${page.next}`)
}

async function showFile(context: Context, client: MaloteClient, ref: string): Promise<void> {
  const file = await fileOf(client, ref)
  const versions = await client.ask(client.api.GET('/files/{id}/versions', { params: { path: { id: file.id } } }))
  const document = { ...file, versions: versions.items, readers: file.seenBy.readers }
  context.print(document, [fileText(file), context.table(versions.items, versionColumns, '')].join('\n\n'))
}

function fileText(file: FileDetails): string {
  const { owner, handoff } = file
  const lines: [string, string][] = [
    ['name', file.name],
    ['id', file.id],
    ['size', `${formatBytes(file.size)} (${file.size} bytes), ${file.type}`],
    ['version', String(file.version)],
    ['owner', `${owner.branch} (${owner.id})`],
    ['shared', file.createdAt],
    ['changed', file.updatedAt],
    ['campaign', file.campaign ?? '-'],
    ['tags', file.tags.join(', ') || '-'],
    ...seenByLines(file.seenBy),
    ['copies', `${file.copies.held} of ${file.copies.target}; here: ${hereText(file.local)}`],
    ['state', file.state],
  ]
  if (file.disputed) {
    lines.push(['disputed', `accepted by two branches, belongs to ${owner.branch}; an admin may assign it to another`])
  }
  if (handoff !== null) lines.push(['offered', `to ${handoff.to.branch} since ${handoff.since}`])
  return lines.map(([title, value]) => `${title.padEnd(9)} ${showText(value)}`).join('\n')
}

function seenByLines(seenBy: FileDetails['seenBy']): [string, string][] {
  return [['seen by', seenBy.text], ...lostAccess(seenBy).map((line): [string, string] => ['', line])]
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
      context.print({ id, state }, `${state} ${showText(ref)}`)
      if (!purge) context.note(`"malote restore ${id}" brings it back.`)
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
      context.print(file, `${showText(file.name)} is at version ${file.version}, ${file.state}`)
    },
  },
  blacklistCommand,
]
