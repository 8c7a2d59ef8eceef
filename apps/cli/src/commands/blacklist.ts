/** Who must not see a file. A node stands for its branch. */

import type { FileView, MaloteClient } from '@malote/client'
import type { Command } from 'commander'
import type { CommandSpec } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { say } from '../messages/index.ts'
import { showText } from '../output/terminal.ts'
import { branchNames, fileOf, lostAccess, nodeOf } from '../references.ts'

interface Item {
  readonly fileId: string
  readonly node: string
}

/** More files than this are listed by id alone: a name costs a call. */
const MAX_NAMES = 200
/** Nodes named in one address, which is bounded. */
const MAX_IN_URL = 100

const resealOption = (command: Command) => command.option('--reseal', say().help.blacklist.reseal)

async function listBlacklist(context: Context, client: MaloteClient, ref: string | undefined): Promise<void> {
  const query = ref === undefined ? {} : { file: ref }
  const page = await client.ask(client.api.GET('/files/blacklist', { params: { query } }))
  if (context.isJson) return context.print(page, '')
  const branch = await branchNames(client)
  const names = new Map<string, string>()
  for (const id of [...new Set(page.items.map((item) => item.fileId))].slice(0, MAX_NAMES)) {
    names.set(id, (await fileOf(client, id)).name)
  }
  const columns: TitledColumn<Item>[] = [
    { title: 'file', value: (item) => names.get(item.fileId) ?? '-' },
    { title: 'denied', value: (item) => branch(item.node) },
    { title: 'fileId', value: (item) => item.fileId },
    { title: 'node', value: (item) => item.node },
  ]
  context.print(page, context.table(page.items, columns, say().blacklist.none))
}

/** The list of one file, as it has become. */
async function tell(context: Context, client: MaloteClient, file: FileView): Promise<void> {
  const { items } = await client.ask(client.api.GET('/files/blacklist', { params: { query: { file: file.id } } }))
  const branch = context.isJson ? String : await branchNames(client)
  const names = items.map((item) => branch(item.node)).join(', ')
  const [name, branches] = [showText(file.name), showText(names)]
  const { nobody, denied } = say().blacklist
  context.print({ items, file }, names === '' ? nobody({ name }) : denied({ name, branches }))
}

/** Who could read it before: not everybody on the list could, and nothing takes back what somebody has read. */
async function noteLost(context: Context, client: MaloteClient, fileId: string): Promise<void> {
  const { seenBy } = await fileOf(client, fileId)
  for (const line of lostAccess(seenBy)) context.note(showText(line))
}

/** All of them are looked up before the first change: an unknown one must not leave half of it done. */
async function resolve(client: MaloteClient, nodes: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const ref of nodes) ids.push((await nodeOf(client, ref)).id)
  return [...new Set(ids)]
}

async function deny(context: Context, ref: string, refs: readonly string[], reseal: boolean): Promise<void> {
  const client = await context.client()
  const { id: fileId } = await fileOf(client, ref)
  const body = { fileId, node: await resolve(client, refs), ...(reseal ? { reseal } : {}) }
  const { file } = await client.ask(client.api.POST('/files/blacklist', { body }))
  await tell(context, client, file)
  await noteLost(context, client, fileId)
}

async function allow(context: Context, ref: string, refs: readonly string[], reseal: boolean): Promise<void> {
  const client = await context.client()
  const { id: fileId } = await fileOf(client, ref)
  const nodes = await resolve(client, refs)
  for (let at = 0; at < nodes.length; at += MAX_IN_URL) {
    const isLast = at + MAX_IN_URL >= nodes.length
    const query = { node: nodes.slice(at, at + MAX_IN_URL), ...(reseal && isLast ? { reseal } : {}) }
    await client.ask(client.api.DELETE('/files/blacklist/{fileId}', { params: { path: { fileId }, query } }))
  }
  await tell(context, client, await fileOf(client, fileId))
}

async function replace(context: Context, ref: string, nodes: string[], reseal: boolean): Promise<void> {
  const client = await context.client()
  const body = { nodes, ...(reseal ? { reseal } : {}) }
  const { file } = await client.ask(
    client.api.PUT('/files/blacklist/{fileId}', { params: { path: { fileId: ref } }, body }),
  )
  await tell(context, client, file)
  await noteLost(context, client, file.id)
}

function change(
  usage: string,
  summary: () => string,
  examples: readonly string[],
  act: (context: Context, ref: string, nodes: string[], reseal: boolean) => Promise<void>,
): CommandSpec {
  return {
    usage,
    summary,
    examples,
    options: resealOption,
    runMany: (context, [ref, nodes], options) =>
      act(context, String(ref), (nodes as string[] | undefined) ?? [], options.reseal === true),
  }
}

export const blacklistCommand: CommandSpec = {
  usage: 'blacklist',
  summary: () => say().help.blacklist.summary,
  examples: ['malote blacklist ls', 'malote blacklist add poster.png Recife', 'malote blacklist set poster.png'],
  subcommands: [
    {
      usage: 'ls [file]',
      summary: () => say().help.blacklist.ls,
      examples: ['malote blacklist ls', 'malote blacklist ls poster.png'],
      run: async (context, [ref]) => listBlacklist(context, await context.client(), ref),
    },
    change(
      'add <file> <node...>',
      () => say().help.blacklist.add,
      ['malote blacklist add poster.png Recife Natal', 'malote blacklist add poster.png Recife --reseal'],
      deny,
    ),
    change('rm <file> <node...>', () => say().help.blacklist.rm, ['malote blacklist rm poster.png Recife'], allow),
    change(
      'set <file> [node...]',
      () => say().help.blacklist.set,
      ['malote blacklist set poster.png Recife Natal', 'malote blacklist set poster.png'],
      replace,
    ),
  ],
}
