/** Founding, joining, leaving, presence. */
import type { MaloteClient, StatusView } from '@malote/client'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { InviteTooLongError } from '../errors.ts'
import { readStdin, readText } from '../input.ts'
import { createProgress } from '../output/progress.ts'
import { showText } from '../output/terminal.ts'

/** The API takes none that is longer. Characters. */
const MAX_INVITE = 65_536

const connectionText = (status: StatusView) =>
  status.connected
    ? `connected to ${status.members.connected - 1} of ${status.members.total - 1} other branches`
    : 'disconnected'

export const networkCommands: readonly CommandSpec[] = [
  {
    usage: 'init',
    summary: 'found a network; prints the recovery key once',
    examples: ['malote init --name "Agência Horizonte" --branch "São Paulo"'],
    options: (command) =>
      command
        .requiredOption('--name <network>', 'name of the network')
        .requiredOption('--branch <name>', 'name of this branch'),
    async run(context, _args, options) {
      const client = await context.client()
      const body = { name: String(options.name), branch: String(options.branch) }
      const founded = await client.ask(client.api.POST('/network', { body }))
      if (!context.isJson) {
        process.stderr.write(
          `Recovery key, shown this once. Write it on paper and lock it away:\n\n    ${founded.recoveryKey}\n\n`,
        )
      }
      context.print(founded, `founded ${showText(body.name)} with the branch ${showText(body.branch)}`)
    },
  },
  {
    usage: 'register <invite>',
    summary: 'join a network with an invite; - reads it from stdin',
    examples: [
      'malote register "$INVITE"',
      'malote register "$INVITE" --via 200.1.2.3',
      'malote register - < invite.txt',
    ],
    options: (command) => command.option('--via <address>', 'a member to ask: IP, IP:port, DNS name or multiaddr'),
    async run(context, [invite = ''], options) {
      const client = await context.client()
      const text = invite === '-' ? await readStdin(context) : invite
      if (text.length > MAX_INVITE) throw new InviteTooLongError()
      const body = { invite: text, ...(options.via === undefined ? {} : { ip: String(options.via) }) }
      const status = await client.ask(client.api.POST('/register', { body }))
      context.print(
        status,
        `joined ${showText(status.network?.name ?? '')} as ${showText(status.branch ?? '')}; ${status.members.total} members`,
      )
    },
  },
  {
    usage: 'unregister',
    summary: 'leave the network for good: copies, ownership, farewell',
    examples: ['malote unregister', 'malote unregister --force'],
    options: (command) => command.option('--force', 'also when files find no new owner'),
    async run(context, _args, options) {
      const client = await context.client()
      await leave(context, client, options.force === true)
      context.print({ left: true }, 'this branch has left the network')
    },
  },
  {
    usage: 'connect',
    summary: 'announce this node to all members',
    examples: ['malote connect'],
    async run(context) {
      const client = await context.client()
      const status = await client.ask(client.api.POST('/connect', { body: {} }))
      context.print(status, connectionText(status))
    },
  },
  {
    usage: 'disconnect',
    summary: 'say farewell; serve nothing until "connect", also over a restart',
    examples: ['malote disconnect'],
    async run(context) {
      const client = await context.client()
      const status = await client.ask(client.api.POST('/disconnect', { body: {} }))
      context.print(status, connectionText(status))
    },
  },
  {
    usage: 'recover',
    summary: 'make this node admin by the recovery key',
    examples: ['malote recover --key-file recovery.txt', 'malote recover --key-file -'],
    options: (command) => command.requiredOption('--key-file <file>', 'file with the recovery key; - reads stdin'),
    async run(context, _args, options) {
      const client = await context.client()
      const path = String(options.keyFile)
      const recoveryKey = path === '-' ? await readStdin(context) : await readText(path)
      const status = await client.ask(client.api.POST('/recover', { body: { recoveryKey } }))
      context.print(status, 'this node is an admin now')
    },
  },
]

/** Follows the progress on the events, since the request itself only ends with the leaving. */
async function leave(context: Context, client: MaloteClient, force: boolean): Promise<void> {
  const ended = new AbortController()
  const progress = createProgress('leaving', { enabled: context.hasProgress, unit: 'count' })
  const follow = (async () => {
    let phase = ''
    for await (const event of client.events({ types: ['leave:progress'], signal: ended.signal })) {
      const data = event.data as { phase: string; done: number; total: number; message: string }
      progress.update(data.done, data.total, data.message)
      if (data.phase !== phase && !process.stderr.isTTY) context.note(`${data.phase}: ${showText(data.message)}`)
      phase = data.phase
    }
  })().catch(() => undefined) // progress is a courtesy: the request tells the outcome
  try {
    await client.ask(client.api.POST('/unregister', { params: { query: { wait: true } }, body: { force } }))
  } finally {
    ended.abort()
    await follow
    progress.end()
  }
}
