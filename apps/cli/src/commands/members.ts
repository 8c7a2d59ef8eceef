/** Members and invites, and what admins do about them. */

import type { NodeView } from '@malote/client'
import { type CommandSpec, defined } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { keyFrom } from '../input.ts'
import { say } from '../messages/index.ts'
import { type Column, formatBytes, showText } from '../output/terminal.ts'
import { parseDuration } from '../parse.ts'

const nodeColumns: readonly Column<NodeView>[] = [
  { title: 'BRANCH', value: (node) => `${node.branch}${node.self ? ' (this one)' : ''}` },
  { title: 'STATE', value: (node) => (node.state === 'member' ? (node.connected ? 'online' : 'offline') : node.state) },
  { title: 'ROLE', value: (node) => node.role },
  { title: 'PATH', value: (node) => node.pathKind ?? node.path ?? '-' },
  { title: 'RTT', value: (node) => (node.rttMs === null ? '-' : `${node.rttMs.toFixed(0)} ms`), align: 'right' },
  { title: 'RATE', value: (node) => rateText(node.bytesPerSecond), align: 'right' },
  { title: 'LAST SEEN', value: (node) => (node.connected ? 'now' : (node.lastSeen ?? 'never')) },
  { title: 'NODE', value: (node) => node.id },
]
/** what everybody should know of a member; shown when there is any */
const marksColumn: Column<NodeView> = { title: 'MARKS', value: (node) => node.marks.join(', ') }

function rateText(bytesPerSecond: number | null): string {
  return bytesPerSecond === null ? '-' : `${formatBytes(bytesPerSecond)}/s`
}

function nodeText(node: NodeView): string {
  const marks = node.marks.length === 0 ? '' : `, marked: ${node.marks.join(', ')}`
  const standing = node.state === 'member' ? 'not quarantined' : node.state
  return `${showText(node.branch)} (${node.id}): ${standing}, role ${node.role}${marks}`
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
  if (text !== undefined && text !== 'member' && text !== 'admin') throw new UsageError(`${what} is member or admin`)
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
  const columns: Column<(typeof page.items)[number]>[] = [
    { title: 'ID', value: (invite) => invite.id.slice(0, 12) },
    { title: 'BRANCH', value: (invite) => invite.branch },
    { title: 'ROLE', value: (invite) => invite.role },
    { title: 'STATE', value: (invite) => invite.state },
    { title: 'EXPIRES', value: (invite) => invite.expires },
  ]
  context.print(page, context.table(page.items, columns, 'no invites'))
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
      context.print(page, context.table(page.items, columns, 'no members'))
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
      if (branch === undefined) throw new UsageError('an invite names the branch: --branch <name>')
      const recoveryKey = await keyFrom(context, options.keyFile)
      const what = { role: roleOf(role, '--role'), expires: expiryOf(expires), replaces, recoveryKey }
      const body = { branch, ...defined(what) }
      const client = await context.client()
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
          context.print({ id, state: 'revoked' }, `revoked ${showText(id)}`)
        },
      },
    ],
  },
  {
    usage: 'role <node> <role>',
    summary: () => say().help.role.summary,
    examples: ['malote role Rio admin', 'malote role Rio member'],
    async run(context, [id = '', role]) {
      const body = { role: roleOf(role, 'the role') ?? 'member' } as const
      const client = await context.client()
      const node = await client.ask(client.api.PATCH('/nodes/{id}', { params: { path: { id } }, body }))
      context.print(node, `${showText(node.branch)} (${node.id}): role ${node.role}`)
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
      const rest =
        expelled.waitsFor === null ? 'it is final' : `not final yet, waits for: ${showText(expelled.waitsFor)}`
      context.print(expelled, `${nodeText(expelled.node)}; ${rest}`)
    },
  },
]
