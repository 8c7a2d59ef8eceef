/** What is on its way, and the caps. */

import type { MaloteClient, TransferView } from '@malote/client'
import type { CommandSpec } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { UsageError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { formatDuration, rateText, showText, sizeText, wordText } from '../output/terminal.ts'
import { parseRate } from '../parse.ts'

const transferColumns: readonly TitledColumn<TransferView>[] = [
  { title: 'id', value: (each) => each.id },
  { title: 'file', value: (each) => each.name ?? each.fileId },
  { title: 'kind', value: (each) => wordText(each.kind) },
  { title: 'state', value: stateText },
  { title: 'done', value: (each) => `${share(each)} %`, align: 'right' },
  { title: 'size', value: (each) => sizeText(each.total), align: 'right' },
  { title: 'speed', value: speedText, align: 'right' },
  {
    title: 'left',
    value: (each) => (each.etaSeconds === null ? '-' : formatDuration(each.etaSeconds)),
    align: 'right',
  },
  { title: 'sources', value: (each) => String(each.sources.length), align: 'right' },
]

function stateText({ state, error }: TransferView): string {
  return error === null ? wordText(state) : `${wordText(state)}: ${stopText(error)}`
}

/** Why a transfer ended, in the language that is spoken where its code is known there. */
export function stopText({ code, message }: NonNullable<TransferView['error']>): string {
  const { stops } = say()
  return Object.hasOwn(stops, code) ? (stops[code] ?? message) : message
}

function speedText({ state, bytesPerSecond }: TransferView): string {
  return state === 'running' ? rateText(Math.round(bytesPerSecond)) : '-'
}

function share({ bytes, total }: TransferView): number {
  return total === 0 ? 100 : Math.floor((bytes / total) * 100)
}

async function listTransfers(context: Context): Promise<void> {
  const client = await context.client()
  const page = await client.ask(client.api.GET('/transfers'))
  context.print(page, context.table(page.items, transferColumns, say().transfers.none))
}

const namesOf = ({ name, fileId, state }: TransferView) => ({ file: showText(name ?? fileId), state: wordText(state) })

type Verb = 'pause' | 'resume' | 'cancel'

const firstCommand: CommandSpec = {
  usage: 'first <id>',
  summary: () => say().help.transfers.first,
  examples: ['malote transfers first 7f3a'],
  async run(context, [id = '']) {
    const client = await context.client()
    const transfer = await client.ask(
      client.api.PATCH('/transfers/{id}', { params: { path: { id } }, body: { first: true } }),
    )
    context.print(transfer, say().transfers.goesFirst(namesOf(transfer)))
  },
}

/** Which states the verb changes, with `--all`. */
const CHANGES: Readonly<Record<Verb, ReadonlySet<TransferView['state']>>> = {
  pause: new Set(['queued', 'running']),
  resume: new Set(['paused', 'failed']),
  cancel: new Set(['queued', 'running', 'paused']),
}

function act(client: MaloteClient, verb: Verb, id: string): Promise<TransferView> {
  const params = { path: { id } }
  if (verb === 'cancel') return client.ask(client.api.DELETE('/transfers/{id}', { params }))
  const body = { state: verb === 'pause' ? 'paused' : 'running' } as const
  return client.ask(client.api.PATCH('/transfers/{id}', { params, body }))
}

function changeCommand(verb: Verb, summary: () => string): CommandSpec {
  return {
    usage: `${verb} [id]`,
    summary,
    examples: [`malote transfers ${verb} 7f3a`, `malote transfers ${verb} --all`],
    options: (command) => command.option('--all', say().help.transfers.all),
    async run(context, [id], options) {
      if ((id === undefined) === (options.all !== true)) throw new UsageError(say().wrong.idOrAll)
      const client = await context.client()
      if (id !== undefined) {
        const transfer = await act(client, verb, id)
        return context.print(transfer, say().transfers.state(namesOf(transfer)))
      }
      const { items } = await client.ask(client.api.GET('/transfers'))
      const changed: TransferView[] = []
      for (const each of items) if (CHANGES[verb].has(each.state)) changed.push(await act(client, verb, each.id))
      context.print({ items: changed }, context.table(changed, transferColumns, say().transfers.nothingTo[verb]))
    },
  }
}

export const transferCommands: readonly CommandSpec[] = [
  {
    usage: 'transfers',
    summary: () => say().help.transfers.summary,
    examples: ['malote transfers', 'malote transfers pause --all', 'malote transfers cancel 7f3a'],
    run: listTransfers,
    subcommands: [
      { usage: 'ls', summary: () => say().help.transfers.ls, examples: ['malote transfers ls'], run: listTransfers },
      changeCommand('pause', () => say().help.transfers.pause),
      changeCommand('resume', () => say().help.transfers.resume),
      firstCommand,
      changeCommand('cancel', () => say().help.transfers.cancel),
    ],
  },
  {
    usage: 'limit',
    summary: () => say().help.limit.summary,
    examples: ['malote limit', 'malote limit --up 10MB/s', 'malote limit --up unlimited --down unlimited'],
    options: (command) =>
      command.option('--up <rate>', say().help.limit.rate).option('--down <rate>', say().help.limit.rate),
    async run(context, _args, options) {
      const { up, down } = options as { up?: string; down?: string }
      // not by commander, which takes a parsed null for a missing value
      const body = {
        ...(up === undefined ? {} : { up: parseRate(up) }),
        ...(down === undefined ? {} : { down: parseRate(down) }),
      }
      const client = await context.client()
      const limits = await client.ask(
        Object.keys(body).length === 0 ? client.api.GET('/limits') : client.api.PUT('/limits', { body }),
      )
      const text = (rate: number | null) => (rate === null ? say().transfers.unlimited : rateText(rate))
      context.print(limits, say().transfers.limits({ up: text(limits.up), down: text(limits.down) }))
    },
  },
]
