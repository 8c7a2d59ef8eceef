/** Giving files away, taking them, and what admins do about orphans. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { FileView, MaloteClient, NodeView } from '@malote/client'
import type { CommandSpec } from '../command.ts'
import type { Context, TitledColumn } from '../context.ts'
import { NotAcceptedError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { showText, sizeText } from '../output/terminal.ts'
import { fileIdOf, nodeOf } from '../references.ts'

/** Events wake the wait; this is for one that came before we listened. */
const LOOK_EVERY_MS = 2000

type Offer = FileView & { direction: string }

const offerColumns: readonly TitledColumn<Offer>[] = [
  { title: 'file', value: (file) => file.name },
  { title: 'size', value: (file) => sizeText(file.size), align: 'right' },
  { title: 'offer', value: (file) => file.direction },
  { title: 'from', value: (file) => file.owner.branch },
  { title: 'to', value: (file) => file.handoff?.to.branch ?? '-' },
  { title: 'since', value: (file) => file.handoff?.since ?? '-' },
  { title: 'id', value: (file) => file.id },
]

async function offer(context: Context, ref: string, to: string, isWaiting: boolean): Promise<void> {
  const client = await context.client()
  const node = await nodeOf(client, to)
  const params = { path: { id: ref } }
  if (!isWaiting) {
    const file = await client.ask(client.api.POST('/files/{id}/handoff', { params, body: { to: node.id } }))
    return context.print(file, say().ownership.offered({ name: showText(file.name), branch: showText(node.branch) }))
  }
  const ends = followEnds(context, client)
  try {
    const offered = await client.ask(client.api.POST('/files/{id}/handoff', { params, body: { to: node.id } }))
    if (offered.handoff !== null) {
      context.note(say().ownership.waiting({ branch: showText(node.branch), id: offered.id }))
    }
    const file = await ends.wait(offered)
    if (!isOf(file, node)) {
      const { declined, offerCancelled, notAccepted } = say().failures
      const how = ends.outcome(file.id) === 'declined' ? declined(node) : offerCancelled
      throw new NotAcceptedError(notAccepted({ name: file.name, owner: file.owner.branch, how }), file)
    }
    context.print(file, say().ownership.belongsNow(namesOf(file)))
  } finally {
    await ends.stop()
  }
}

function isOf({ owner }: FileView, node: NodeView): boolean {
  return owner.id === node.id || owner.branch === node.branch
}

/** Hears of offers that end, from now on. */
function followEnds(context: Context, client: MaloteClient) {
  const stopped = new AbortController()
  const signal = AbortSignal.any([context.signal, stopped.signal])
  const outcomes = new Map<string, string>()
  let woken = Promise.withResolvers<void>()
  const following = (async () => {
    for await (const { data } of client.events({ types: ['handoff:ended', 'file:owner'], signal })) {
      if (typeof data.outcome === 'string') outcomes.set(String(data.fileId), data.outcome)
      woken.resolve()
      woken = Promise.withResolvers()
    }
  })().catch(() => undefined) // the file itself tells the truth; see below
  return {
    outcome: (fileId: string) => outcomes.get(fileId),
    async wait(offered: FileView): Promise<FileView> {
      let file = offered
      while (file.handoff !== null) {
        const pause = new AbortController()
        const nap = sleep(LOOK_EVERY_MS, undefined, { signal: AbortSignal.any([signal, pause.signal]) })
        await Promise.race([woken.promise, nap]).finally(() => pause.abort())
        file = await client.ask(client.api.GET('/files/{id}', { params: { path: { id: offered.id } } }))
      }
      return file
    },
    async stop() {
      stopped.abort()
      await following
    },
  }
}

const namesOf = ({ name, owner }: FileView) => ({ name: showText(name), branch: showText(owner.branch) })
const ownsText = (file: FileView) => say().ownership.belongs(namesOf(file))

/** Commands that take a file and answer with it. */
function fileCommand(
  usage: string,
  summary: () => string,
  example: string,
  act: (client: MaloteClient, id: string) => Promise<FileView>,
): CommandSpec {
  return {
    usage,
    summary,
    examples: [example],
    async run(context, [id = '']) {
      const file = await act(await context.client(), id)
      context.print(file, ownsText(file))
    },
  }
}

const handoff: CommandSpec = {
  usage: 'handoff',
  summary: () => say().help.handoff.summary,
  synopsis: '<file> --to <node> [--no-wait]\n       malote handoff ls | accept <file> | decline <file> | cancel <file>',
  examples: ['malote handoff poster.png --to Rio', 'malote handoff ls', 'malote handoff accept poster.png'],
  subcommands: [
    {
      usage: 'offer <file>',
      summary: () => say().help.handoff.offer,
      examples: ['malote handoff poster.png --to Rio', 'malote handoff poster.png --to Rio --no-wait'],
      isDefault: true,
      options: (command) =>
        command.requiredOption('--to <node>', say().help.handoff.to).option('--no-wait', say().help.handoff.noWait),
      run: (context, [ref = ''], options) => offer(context, ref, String(options.to), options.wait !== false),
    },
    {
      usage: 'ls',
      summary: () => say().help.handoff.ls,
      examples: ['malote handoff ls'],
      async run(context) {
        const client = await context.client()
        const open = await client.ask(client.api.GET('/handoffs'))
        const rows: Offer[] = [
          ...open.incoming.map((file) => ({ ...file, direction: say().ownership.toThis })),
          ...open.outgoing.map((file) => ({ ...file, direction: say().ownership.ofThis })),
        ]
        context.print(open, context.table(rows, offerColumns, say().ownership.none))
      },
    },
    fileCommand(
      'accept <file>',
      () => say().help.handoff.accept,
      'malote handoff accept poster.png',
      (client, id) => client.ask(client.api.POST('/files/{id}/handoff/accept', { params: { path: { id } }, body: {} })),
    ),
    {
      usage: 'decline <file>',
      summary: () => say().help.handoff.decline,
      examples: ['malote handoff decline poster.png'],
      async run(context, [ref = '']) {
        const client = await context.client()
        const id = await fileIdOf(client, ref)
        await client.ask(client.api.POST('/files/{id}/handoff/decline', { params: { path: { id } }, body: {} }))
        context.print({ id, outcome: 'declined' }, say().ownership.declined({ file: showText(ref) }))
      },
    },
    fileCommand(
      'cancel <file>',
      () => say().help.handoff.cancel,
      'malote handoff cancel poster.png',
      (client, id) => client.ask(client.api.DELETE('/files/{id}/handoff', { params: { path: { id } } })),
    ),
  ],
}

export const ownershipCommands: readonly CommandSpec[] = [
  handoff,
  fileCommand(
    'adopt <file>',
    () => say().help.adopt.summary,
    'malote adopt poster.png',
    (client, id) => client.ask(client.api.POST('/files/{id}/adopt', { params: { path: { id } }, body: {} })),
  ),
  {
    usage: 'assign <file> <node>',
    summary: () => say().help.assign.summary,
    examples: ['malote assign poster.png Rio'],
    async run(context, [id = '', to = '']) {
      const client = await context.client()
      const file = await client.ask(client.api.POST('/files/{id}/assign', { params: { path: { id } }, body: { to } }))
      const belongs = ownsText(file)
      const branch = showText(file.handoff?.to.branch ?? '')
      context.print(file, branch === '' ? belongs : say().ownership.untilAccepted({ belongs, branch }))
    },
  },
]
