/** The ledger: entries in the order of their arrival, heads and digest, and whether it all adds up. */

import type { LedgerEntryView, MaloteClient } from '@malote/client'
import { type CommandSpec, defined } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { StoppedError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { showText } from '../output/terminal.ts'
import { parseCount, parsePositive } from '../parse.ts'

/** Entries asked for at once while following; the API gives no more. */
const PAGE = 1000

const columns: readonly TitledColumn<LedgerEntryView>[] = [
  { title: 'n', value: (entry) => String(entry.arrival), align: 'right' },
  { title: 'time', value: (entry) => entry.time },
  { title: 'kind', value: (entry) => entry.kind },
  { title: 'author', value: (entry) => entry.author.branch ?? entry.author.id },
  { title: 'subject', value: (entry) => entry.subject ?? '-' },
  { title: 'entry', value: (entry) => entry.id.slice(0, 16) },
  { title: '', value: refusedText },
]

function refusedText({ refused }: LedgerEntryView): string {
  return refused === null
    ? ''
    : say().ledger.refused({ code: refused.code, reason: say().refusals[refused.code] ?? refused.reason })
}

function entryLine(entry: LedgerEntryView): string {
  const author = entry.author.branch ?? entry.author.id
  const words = [String(entry.arrival), entry.time, entry.kind, author, entry.subject ?? '-', refusedText(entry)]
  return showText(words.join('  ').trimEnd())
}

interface Range {
  readonly since?: number
  readonly limit?: number
}

async function listEntries(context: Context, { since, limit }: Range): Promise<void> {
  const client = await context.client()
  const page = await client.ask(client.api.GET('/ledger', { params: { query: defined({ after: since, limit }) } }))
  context.print(page, context.table(page.items, columns, say().ledger.none))
  const last = page.items.at(-1)
  if (page.next !== null && last !== undefined && !context.isJson) {
    context.note(say().ledger.next({ next: page.next }))
  }
}

/**
 * What there is, then what comes. Events only wake: the cursor of the entries is the truth, so none is missed and none
 * is told twice.
 */
async function follow(context: Context, { since = 0, limit = Number.POSITIVE_INFINITY }: Range): Promise<void> {
  const client = await context.client()
  let after = since
  let left = limit
  const tell = async () => {
    for (;;) {
      const page = await pageOf(client, after)
      for (const entry of page.slice(0, left)) context.print(entry, entryLine(entry))
      left -= page.length
      after = page.at(-1)?.arrival ?? after
      if (page.length < PAGE || left <= 0) return
    }
  }
  await tell()
  if (left <= 0) return
  // from the oldest that is kept: an entry that came since the last page is among them
  try {
    for await (const event of client.events({ types: ['ledger:entry'], lastEventId: 0, signal: context.signal })) {
      if (typeof event.data.arrival === 'number' && event.data.arrival <= after) continue
      await tell()
      if (left <= 0) return
    }
  } catch (error) {
    if (!context.signal.aborted) throw error
  }
  // Ctrl-C is how one stops following; that the node went away is a failure
  if (!context.signal.aborted) throw new StoppedError()
}

async function pageOf(client: MaloteClient, after: number): Promise<LedgerEntryView[]> {
  const page = await client.ask(client.api.GET('/ledger', { params: { query: { after, limit: PAGE } } }))
  return page.items
}

export const ledgerCommand: CommandSpec = {
  usage: 'ledger',
  summary: () => say().help.ledger.summary,
  examples: [
    'malote ledger',
    'malote ledger --since 120 --limit 50',
    'malote ledger --follow --json',
    'malote ledger digest',
  ],
  options: (command) =>
    command
      .option('--since <n>', say().help.ledger.since, parseCount)
      .option('--limit <n>', say().help.ledger.limit, parsePositive)
      .option('--follow', say().help.ledger.follow),
  run: (context, _args, options) => (options.follow === true ? follow : listEntries)(context, options as Range),
  subcommands: [
    {
      usage: 'digest',
      summary: () => say().help.ledger.digest,
      examples: ['malote ledger digest', 'malote ledger digest --json'],
      async run(context) {
        const client = await context.client()
        const digest = await client.ask(client.api.GET('/ledger/digest'))
        const heads = context.table(
          digest.heads,
          [
            { title: 'author', value: (head) => head.author },
            { title: 'seq', value: (head) => String(head.seq), align: 'right' },
            { title: 'head', value: (head) => head.id },
          ],
          say().ledger.noHeads,
        )
        context.print(digest, `${say().ledger.digest(digest)}\n\n${heads}`)
      },
    },
    {
      usage: 'verify',
      summary: () => say().help.ledger.verify,
      examples: ['malote ledger verify', 'malote ledger verify --repair'],
      options: (command) => command.option('--repair', say().help.ledger.repair),
      async run(context, _args, options) {
        const client = await context.client()
        const result = await client.ask(
          options.repair === true ? client.api.POST('/ledger/repair', { body: {} }) : client.api.GET('/ledger/verify'),
        )
        const verdict = result.ok ? say().ledger.inOrder(result) : say().ledger.wrong(result)
        const problems = result.problems.map((problem) => `- ${showText(problem)}`)
        const advice = result.advice === null ? [] : [showText(result.advice)]
        context.print(result, [verdict, ...problems, ...advice].join('\n'))
        if (!result.ok) process.exitCode = 1
      },
    },
  ],
}
