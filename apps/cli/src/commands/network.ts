/** Founding, joining, leaving, presence. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { MaloteClient, StatusView } from '@malote/client'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { InviteTooLongError } from '../errors.ts'
import { keyFrom, readStdin } from '../input.ts'
import { say } from '../messages/index.ts'
import { createProgress } from '../output/progress.ts'
import { sentenceText, showText, wordText } from '../output/terminal.ts'
import { parsePositive } from '../parse.ts'

/** The API takes none that is longer. Characters. */
const MAX_INVITE = 65_536

/** A branch that is there is reached in about a second; whoever is not there is not waited for. */
const REACH_DEADLINE_MS = 3000
const REACH_FIRST_LOOK_MS = 50
/** Wait for progress that was told before the leaving ended. */
const LAST_EVENT_MS = 500

const isAlone = ({ connected, members }: StatusView) => connected && members.connected <= 1 && members.total > 1

function connectionText(status: StatusView): string {
  const { connected, members } = status
  if (!connected) return say().network.disconnected
  if (isAlone(status)) return say().network.alone
  const others = { online: Math.max(0, members.connected - 1), total: Math.max(0, members.total - 1) }
  return say().network.connected(others)
}

/** The status when the first other branch has been reached, or none in time. */
async function firstReached(context: Context, client: MaloteClient, opened: StatusView): Promise<StatusView> {
  const deadline = Date.now() + REACH_DEADLINE_MS
  let status = opened
  for (let wait = REACH_FIRST_LOOK_MS; isAlone(status) && Date.now() < deadline; wait *= 1.5) {
    await sleep(Math.min(wait, Math.max(0, deadline - Date.now())), undefined, { signal: context.signal })
    status = await client.ask(client.api.GET('/status'))
  }
  return status
}

export const networkCommands: readonly CommandSpec[] = [
  {
    usage: 'init',
    summary: () => say().help.init.summary,
    examples: ['malote init --name "Agência Horizonte" --branch "São Paulo"'],
    options: (command) =>
      command
        .requiredOption('--name <network>', say().help.init.name)
        .requiredOption('--branch <name>', say().help.init.branch),
    async run(context, _args, options) {
      const client = await context.client()
      const body = { name: String(options.name), branch: String(options.branch) }
      const founded = await client.ask(client.api.POST('/network', { body }))
      if (!context.isJson) {
        process.stderr.write(`${say().network.recoveryKey({ key: founded.recoveryKey })}\n`)
      }
      const names = { network: showText(body.name), branch: showText(body.branch) }
      context.print(founded, say().network.founded(names))
    },
  },
  {
    usage: 'register <invite>',
    summary: () => say().help.register.summary,
    examples: [
      'malote register "$INVITE"',
      'malote register "$INVITE" --via 200.1.2.3',
      'malote register - < invite.txt',
    ],
    options: (command) => command.option('--via <address>', say().help.register.via),
    async run(context, [invite = ''], options) {
      const client = await context.client()
      const text = invite === '-' ? await readStdin(context) : invite
      if (text.length > MAX_INVITE) throw new InviteTooLongError()
      const body = { invite: text, ...(options.via === undefined ? {} : { ip: String(options.via) }) }
      const status = await withCatchUp(context, client, () => client.ask(client.api.POST('/register', { body })))
      const names = { network: showText(status.network?.name ?? ''), branch: showText(status.branch ?? '') }
      context.print(status, say().network.joined({ ...names, members: status.members.total }))
    },
  },
  {
    usage: 'unregister',
    summary: () => say().help.unregister.summary,
    examples: ['malote unregister', 'malote unregister --force'],
    options: (command) => command.option('--force', say().help.unregister.force),
    async run(context, _args, options) {
      const client = await context.client()
      const outcome = await leave(context, client, options.force === true)
      context.print({ left: true }, showText(outcome))
    },
  },
  {
    usage: 'connect',
    summary: () => say().help.connect.summary,
    examples: ['malote connect'],
    async run(context) {
      const client = await context.client()
      const opened = await client.ask(client.api.POST('/connect', { body: {} }))
      const status = await firstReached(context, client, opened)
      context.print(status, connectionText(status))
    },
  },
  {
    usage: 'disconnect',
    summary: () => say().help.disconnect.summary,
    examples: ['malote disconnect'],
    async run(context) {
      const client = await context.client()
      const status = await client.ask(client.api.POST('/disconnect', { body: {} }))
      context.print(status, connectionText(status))
    },
  },
  {
    usage: 'upgrade [rules]',
    summary: () => say().help.upgrade.summary,
    examples: ['malote upgrade', 'malote upgrade 1'],
    async run(context, [rules]) {
      const client = await context.client()
      const body = rules === undefined ? {} : { rules: parsePositive(rules) }
      const status = await client.ask(client.api.POST('/network/upgrade', { body }))
      const { active: found, known } = status.rules
      // null: this node is in no network, which has no rules to upgrade
      const active = found ?? known
      const { rules: newest, olderRules } = say().network
      context.print(status, active === known ? newest({ active }) : olderRules({ active, known }))
    },
  },
  {
    usage: 'recover',
    summary: () => say().help.recover.summary,
    examples: ['malote recover --key-file recovery.txt', 'malote recover --key-file -'],
    options: (command) => command.requiredOption('--key-file <file>', say().help.recover.keyFile),
    async run(context, _args, options) {
      const client = await context.client()
      const recoveryKey = (await keyFrom(context, options.keyFile)) ?? ''
      const status = await client.ask(client.api.POST('/recover', { body: { recoveryKey } }))
      context.print(status, say().network.recovered)
    },
  },
]

/** Shows how far the node is with taking in the ledger, while `work` waits for it. */
async function withCatchUp<T>(context: Context, client: MaloteClient, work: () => Promise<T>): Promise<T> {
  const ended = new AbortController()
  const progress = createProgress(say().network.entries, { enabled: context.hasProgress, unit: 'count' })
  const follow = (async () => {
    for await (const { data } of client.events({ types: ['ledger:progress'], signal: ended.signal })) {
      const { have, expected } = data as { readonly have: number; readonly expected: number }
      progress.update(have, expected)
    }
  })().catch(() => undefined) // progress is a courtesy: the request tells the outcome
  try {
    return await work()
  } finally {
    ended.abort()
    await follow
    progress.end()
  }
}

type LeaveProgress = {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly message: string
}

/**
 * Follows the progress on the events, since the request itself only ends with the leaving.
 * @returns how it ended, and who does not know of it
 */
async function leave(context: Context, client: MaloteClient, force: boolean): Promise<string> {
  let outcome = say().network.left
  let phase = ''
  const ended = new AbortController()
  const progress = createProgress(say().network.leaving, { enabled: context.hasProgress, unit: 'count' })
  const phases = createPhases((line) => {
    if (!process.stderr.isTTY) context.note(line)
  })
  const follow = (async () => {
    for await (const event of client.events({ types: ['leave:progress'], signal: ended.signal })) {
      const data = event.data as LeaveProgress
      progress.update(data.done, data.total, sentenceText(data.message))
      // the last of all is the command's own to say
      phase = data.phase
      if (phase === 'done') {
        outcome = sentenceText(data.message)
        return
      }
      phases.update(data)
    }
  })().catch(() => undefined) // progress is a courtesy: the request tells the outcome
  try {
    await client.ask(client.api.POST('/unregister', { params: { query: { wait: true } }, body: { force } }))
    // the events have a connection of their own, on which the last may come a little later
    await Promise.race([follow, sleep(LAST_EVENT_MS, undefined, { signal: ended.signal })])
    return outcome
  } finally {
    ended.abort()
    await follow
    phases.end()
    progress.end()
    if (context.signal.aborted) context.note(interruptedIn(phase))
  }
}

/** The node cancels as long as it only makes copies. Our last word of it may be a moment old. */
function interruptedIn(phase: string): string {
  return phase === '' || phase === 'drain' ? say().network.cancelled : say().network.goesOn
}

/** Says the first and the last line of each phase. */
function createPhases(say: (line: string) => void) {
  let phase: string | null = null
  let said = ''
  let last = ''
  const end = () => {
    if (last !== said) say(last)
    said = last
  }
  return {
    update(progress: Pick<LeaveProgress, 'phase' | 'message'>) {
      const line = `${wordText(progress.phase)}: ${showText(sentenceText(progress.message))}`
      if (progress.phase !== phase) {
        end()
        say(line)
        said = line
      }
      phase = progress.phase
      last = line
    },
    end,
  }
}
