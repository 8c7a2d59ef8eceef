/** Members and invites, and what admins do about them. */

import type { NodeView } from '@malote/client'
import { type CommandSpec, defined } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { UsageError } from '../errors.ts'
import { keyFrom } from '../input.ts'
import { say } from '../messages/index.ts'
import { rateText, sentenceText, showText, wordText } from '../output/terminal.ts'
import { parseDuration } from '../parse.ts'

const nodeColumns: readonly TitledColumn<NodeView>[] = [
  { title: 'branch', value: (node) => (node.self ? say().members.thisOne(node) : node.branch) },
  { title: 'state', value: (node) => stateText(node) },
  { title: 'role', value: (node) => wordText(node.role) },
  { title: 'path', value: (node) => node.pathKind ?? node.path ?? '-' },
  { title: 'rtt', value: (node) => (node.rttMs === null ? '-' : `${node.rttMs.toFixed(0)} ms`), align: 'right' },
  {
    title: 'rate',
    value: (node) => (node.bytesPerSecond === null ? '-' : rateText(node.bytesPerSecond)),
    align: 'right',
  },
  { title: 'lastSeen', value: (node) => (node.connected ? say().members.now : (node.lastSeen ?? say().members.never)) },
  { title: 'node', value: (node) => node.id },
]
/** what everybody should know of a member; shown when there is any */
const marksColumn: TitledColumn<NodeView> = { title: 'marks', value: (node) => node.marks.join(', ') }

function stateText({ state, connected }: NodeView): string {
  return wordText(state === 'member' ? (connected ? 'online' : 'offline') : state)
}

function nodeText(node: NodeView): string {
  const words = say().members
  const marks = node.marks.length === 0 ? '' : words.marked({ marks: node.marks.join(', ') })
  const standing = node.state === 'member' ? words.notQuarantined : wordText(node.state)
  const [branch, role] = [showText(node.branch), wordText(node.role)]
  return `${words.about({ branch, id: node.id, standing, role })}${marks}`
}

function adminCommand(verb: 'quarantine' | 'release', summary: () => string): CommandSpec {
  return {
    usage: `${verb} <node>`,
    summary,
    examples: [`malote ${verb} Recife`],
    async run(context, [id = '']) {
      const client = await context.client()
      const node = await client.ask(client.api.POST(`/nodes/{id}/${verb}`, { params: { path: { id } }, body: {} }))
      context.print(node, nodeText(node))
    },
  }
}

function roleOf(text: string | undefined, what: string): 'member' | 'admin' | undefined {
  if (text !== undefined && text !== 'member' && text !== 'admin') throw new UsageError(say().wrong.role({ what }))
  return text
}

/** A duration, which the API wants in whole seconds, or a time, which it judges itself. @throws {UsageError} */
function expiryOf(text: string | undefined): string | undefined {
  if (text === undefined || /^\d{4}-/.test(text)) return text
  return `${Math.max(1, Math.ceil(parseDuration(text) / 1000))}s`
}

const textOf = (option: unknown) => (option === undefined ? undefined : String(option))

async function listInvites(context: Context): Promise<void> {
  const client = await context.client()
  const page = await client.ask(client.api.GET('/invites'))
  const columns: TitledColumn<(typeof page.items)[number]>[] = [
    { title: 'id', value: (invite) => invite.id.slice(0, 12) },
    { title: 'branch', value: (invite) => invite.branch },
    { title: 'role', value: (invite) => wordText(invite.role) },
    { title: 'state', value: (invite) => wordText(invite.state) },
    { title: 'expires', value: (invite) => invite.expires },
  ]
  context.print(page, context.table(page.items, columns, say().members.noInvites))
}

/** Two of one name are told apart by their ids in every command: mostly the machine was to be replaced. */
async function noteNamesake(context: Context, branch: string): Promise<void> {
  const client = await context.client()
  const { items } = await client.ask(client.api.GET('/nodes'))
  const isThere = items.some((node) => node.branch === branch && node.state === 'member')
  if (isThere) context.note(say().members.namesake({ branch: showText(branch) }))
}

export const memberCommands: readonly CommandSpec[] = [
  {
    usage: 'nodes',
    summary: () => say().help.nodes.summary,
    examples: ['malote nodes', 'malote nodes --json'],
    async run(context) {
      const client = await context.client()
      const page = await client.ask(client.api.GET('/nodes'))
      const isMarked = page.items.some((node) => node.marks.length > 0)
      const columns = isMarked ? [...nodeColumns, marksColumn] : nodeColumns
      context.print(page, context.table(page.items, columns, say().members.none))
    },
  },
  {
    usage: 'invite',
    summary: () => say().help.invite.summary,
    examples: [
      'malote invite --branch Recife',
      'malote invite --branch "Rio" --replaces Rio --expires 24h',
      'malote invite ls',
    ],
    options: (command) =>
      command
        .option('--branch <name>', say().help.invite.branch)
        .option('--role <role>', say().help.invite.role)
        .option('--expires <duration>', say().help.invite.expires)
        .option('--replaces <node>', say().help.invite.replaces)
        .option('--key-file <file>', say().help.invite.keyFile),
    async run(context, _args, options) {
      const { branch, role, expires, replaces } = options as Record<string, string | undefined>
      if (branch === undefined) throw new UsageError(say().wrong.noBranch)
      const recoveryKey = await keyFrom(context, options.keyFile)
      const what = { role: roleOf(role, '--role'), expires: expiryOf(expires), replaces, recoveryKey }
      const body = { branch, ...defined(what) }
      const client = await context.client()
      if (replaces === undefined) await noteNamesake(context, branch)
      const made = await client.ask(client.api.POST('/invites', { body }))
      context.print(made, made.invite)
    },
    subcommands: [
      { usage: 'ls', summary: () => say().help.invite.ls, examples: ['malote invite ls'], run: listInvites },
      {
        usage: 'revoke <id>',
        summary: () => say().help.invite.revoke,
        examples: ['malote invite revoke 1f2e3d4c'],
        async run(context, [id = '']) {
          const client = await context.client()
          await client.ask(client.api.DELETE('/invites/{id}', { params: { path: { id } } }))
          context.print({ id, state: 'revoked' }, say().members.revoked({ id: showText(id) }))
        },
      },
    ],
  },
  {
    usage: 'role <node> <role>',
    summary: () => say().help.role.summary,
    examples: ['malote role Rio admin', 'malote role Rio member'],
    async run(context, [id = '', role]) {
      const body = { role: roleOf(role, say().wrong.theRole) ?? 'member' } as const
      const client = await context.client()
      const node = await client.ask(client.api.PATCH('/nodes/{id}', { params: { path: { id } }, body }))
      const words = { branch: showText(node.branch), id: node.id, role: wordText(node.role) }
      context.print(node, say().members.role(words))
    },
  },
  adminCommand('quarantine', () => say().help.quarantine.summary),
  adminCommand('release', () => say().help.release.summary),
  {
    usage: 'expel <node>',
    summary: () => say().help.expel.summary,
    examples: [
      'malote expel Recife',
      'malote expel Recife --key-file recovery.txt',
      'malote expel Recife --key-file - --since 1f2e3d4c',
    ],
    options: (command) =>
      command.option('--key-file <file>', say().help.expel.keyFile).option('--since <entry>', say().help.expel.since),
    async run(context, [id = ''], options) {
      const client = await context.client()
      const body = defined({ recoveryKey: await keyFrom(context, options.keyFile), since: textOf(options.since) })
      const expelled = await client.ask(client.api.DELETE('/nodes/{id}', { params: { path: { id } }, body }))
      const { final, notFinal } = say().members
      const rest =
        expelled.waitsFor === null ? final : notFinal({ waitsFor: showText(sentenceText(expelled.waitsFor)) })
      context.print(expelled, `${nodeText(expelled.node)}; ${rest}`)
    },
  },
]
