/** This node: how it is, where it is, how it is stopped. */

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DoctorCheck, ProblemError, type StatusView } from '@malote/client'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { WaitedTooLongError } from '../errors.ts'
import { say } from '../messages/index.ts'
import {
  formatDuration,
  formatLines,
  rateText,
  sentenceText,
  showText,
  sizeText,
  wordText,
} from '../output/terminal.ts'
import { readViews, resolveSettings, type SettingView } from '../settings/resolve.ts'
import { addSettings } from '../settings/table.ts'

/** Transfers and the database are closed in order; what takes longer hangs. */
const DOWN_DEADLINE_MS = 60_000
/** After the address is gone. Where the process cannot be watched, or is not collected by its parent, this is the end. */
const EXIT_DEADLINE_MS = 15_000
const LOOK_EVERY_MS = 50

function statusText(status: StatusView): string {
  const { network, members, paths, files, ledger, reachability: reach, disk } = status
  const words = say().status
  const role = wordText(status.role ?? 'member')
  const standing = network === null ? words.inNoNetwork : words.roleOf({ role, network: network.name })
  const lines: [string, string][] = [
    [words.node, words.nodeText({ branch: status.branch ?? '-', id: status.id, standing })],
    [words.presence, presenceText(status)],
    [words.members, words.membersText({ total: members.total, online: members.connected })],
    ...pathText(paths),
    [words.files, words.filesText({ total: files.total, size: sizeText(files.bytes), atRisk: files.atRisk })],
    [words.ledger, ledgerText(ledger)],
    [words.reach, words.reachText(inWords(reach))],
    ...upnpText(status),
    [words.disk, network === null ? '-' : diskText(disk)],
    [words.listens, status.addresses.join(', ') || '-'],
    ['Malote', words.up({ version: status.version, time: formatDuration(status.uptimeSeconds) })],
    ...shortText(files),
    ...status.warnings.map(({ message, advice }): [string, string] => [words.warning, advised(message, advice)]),
    // to whoever has just started a node for the first time
    ...(network === null ? [[words.next, words.nextText] as [string, string]] : []),
  ]
  return formatLines(lines)
}

function inWords({ tcp, udp, relay, nat }: StatusView['reachability']) {
  return { tcp: wordText(tcp), udp: wordText(udp), relay: wordText(relay), nat: wordText(nat) }
}

function ledgerText({ entries, inSyncWith, held, state }: StatusView['ledger']): string {
  const words = say().status
  const waiting = held === 0 ? '' : `, ${words.heldBack({ held })}`
  return `${words.ledgerText({ entries, others: inSyncWith })}${waiting}; ${words.stateText({ state: state || '-' })}`
}

function pathText(paths: StatusView['paths']): [string, string][] {
  const texts = paths.map(({ kind, count, rttMs, bytesPerSecond }) => {
    const trip = rttMs === null ? [] : [`${rttMs.toFixed(0)} ms`]
    const rate = bytesPerSecond === null ? [] : [rateText(bytesPerSecond)]
    const measured = [...trip, ...rate].join(', ')
    return measured === '' ? `${count} ${kind}` : `${count} ${kind} (${measured})`
  })
  return texts.length === 0 ? [] : [[say().status.paths, texts.join(', ')]]
}

/** Nothing where no router is asked. */
function upnpText({ upnp: { state, address, detail } }: StatusView): [string, string][] {
  if (['off', 'waiting', 'not-needed'].includes(state)) return []
  const why = detail === null ? '' : ` (${detail})`
  return [
    ['UPnP', address === null ? `${wordText(state.replaceAll('-', ' '))}${why}` : `${wordText(state)} ${address}`],
  ]
}

function shortText({ atRisk, short }: StatusView['files']): [string, string][] {
  const words = say().status
  const named = short.map(({ id, name, copies }): [string, string] => {
    return [words.atRisk, words.riskText({ name, id: id.slice(0, 12), ...copies })]
  })
  const others = atRisk - short.length
  return others > 0 ? [...named, [words.atRisk, words.riskMore({ count: others })]] : named
}

function presenceText({ network, connected }: StatusView): string {
  return network === null ? '-' : connected ? say().status.connected : say().status.disconnected
}

function diskText({ used, free, capacity }: StatusView['disk']): string {
  const offered = capacity === null ? say().status.whatIsFree : sizeText(capacity)
  return say().status.diskText({ used: sizeText(used), free: sizeText(free), offered })
}

/** What is so, and what to do about it, as two sentences. */
function advised(message: string, advice: string | null): string {
  const what = sentenceText(message)
  return advice === null ? what : `${what.replace(/\.$/, '')}. ${sentenceText(advice)}`
}

function checkText({ name, state, message, advice }: DoctorCheck): string {
  return `${wordText(state).padEnd(8)} ${showText(`${name}: ${advised(message, advice)}`)}`
}

interface Place {
  readonly url: string | null
  readonly pid: number | null
  /** as it was started; none where an older one runs */
  readonly settings: readonly SettingView[]
}

/** What `up` has written down about itself; null when no node runs, or has never run. */
async function placeOf(dataDir: string): Promise<Place | null> {
  try {
    const { url, pid, settings } = JSON.parse(await readFile(join(dataDir, 'api.json'), 'utf8')) as Record<
      string,
      unknown
    >
    return {
      url: typeof url === 'string' ? url : null,
      pid: typeof pid === 'number' ? pid : null,
      settings: readViews(settings),
    }
  } catch {
    return null
  }
}

async function down(context: Context): Promise<void> {
  const client = await context.client()
  const place = await placeOf(context.dataDir)
  await client.ask(client.api.POST('/stop', { body: {} }))
  const isGone = async () => {
    const now = await placeOf(context.dataDir)
    if (now?.url !== place?.url || now?.pid !== place?.pid) return true
    // a node that was killed meanwhile leaves its address behind
    return client.ask(client.api.GET('/health')).then(
      () => false,
      (error: unknown) => error instanceof ProblemError,
    )
  }
  if (!(await until(context, isGone, DOWN_DEADLINE_MS))) {
    throw new WaitedTooLongError(say().failures.stillRuns, say().failures.seeLog)
  }
  // its data folder can be used again when the process has ended
  await until(context, async () => !isRunning(place?.pid ?? null), EXIT_DEADLINE_MS)
  context.print({ state: 'stopped' }, say().system.stopped)
}

async function until(context: Context, isSo: () => Promise<boolean>, deadlineMs: number): Promise<boolean> {
  const end = Date.now() + deadlineMs
  while (!(await isSo())) {
    if (Date.now() > end) return false
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal })
  }
  return true
}

function isRunning(pid: number | null): boolean {
  if (pid === null || pid === process.pid) return false
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function showConfig(context: Context, _args: unknown, options: Options): Promise<void> {
  const place = await placeOf(context.dataDir)
  const url = place?.url ?? null
  const next = (await resolveSettings(context.dataDir, options, process.env)).views
  const running = place?.settings ?? []
  const items: SettingView[] = [
    { name: 'dataDir', value: resolve(context.dataDir), from: context.dataDirFrom },
    {
      name: 'api',
      value: url,
      from: url === null ? say().system.noNodeRuns : join(resolve(context.dataDir), 'api.json'),
    },
    ...(running.length > 0 ? running : next),
  ]
  const columns = [
    { title: 'setting' as const, value: (item: SettingView) => item.name },
    { title: 'value' as const, value: (item: SettingView) => valueText(item) },
    { title: 'settingFrom' as const, value: (item: SettingView) => wordText(item.from) },
  ]
  const waiting = running.flatMap((old) => {
    // flags and environment of the running node are not seen from here
    const now = /^(?:--|MALOTE_)/.test(old.from) ? undefined : next.find(({ name }) => name === old.name)
    return now === undefined || now.value === old.value ? [] : [now]
  })
  context.print(
    { items, ...(waiting.length === 0 ? {} : { afterRestart: waiting }) },
    context.table(items, columns, ''),
  )
  for (const item of waiting)
    context.note(say().system.afterRestart({ ...item, value: valueText(item), from: wordText(item.from) }))
}

/** A node tells its settings in English, since whoever asks may speak another language. */
function valueText({ value }: SettingView): string {
  if (value === null) return '-'
  return wordText(showText(value)).replace(/^(\d+)\.(\d [KMGT]iB)/, `$1${say().decimal}$2`)
}

export const systemCommands: readonly CommandSpec[] = [
  {
    usage: 'status',
    summary: () => say().help.status.summary,
    examples: ['malote status', 'malote status --json'],
    async run(context) {
      const client = await context.client()
      const status = await client.ask(client.api.GET('/status'))
      context.print(status, statusText(status))
    },
  },
  {
    usage: 'doctor',
    summary: () => say().help.doctor.summary,
    examples: ['malote doctor', 'malote doctor --chunks'],
    options: (command) => command.option('--chunks', say().help.doctor.chunks),
    async run(context, _args, { chunks }) {
      const client = await context.client()
      const query = chunks === true ? { chunks: true } : {}
      const report = await client.ask(client.api.GET('/doctor', { params: { query } }))
      context.print(report, report.items.map(checkText).join('\n'))
    },
  },
  {
    usage: 'down',
    summary: () => say().help.down.summary,
    examples: ['malote down'],
    run: down,
  },
  {
    usage: 'config',
    summary: () => say().help.config.summary,
    examples: ['malote config', 'malote config show'],
    subcommands: [
      {
        usage: 'show',
        summary: () => say().help.config.show,
        examples: [
          'malote config show',
          'malote config show --data /srv/malote --json',
          'malote config show --config new.toml --port 5000',
        ],
        options: addSettings,
        run: showConfig,
        isDefault: true,
      },
    ],
  },
  {
    usage: 'open',
    summary: () => say().help.open.summary,
    examples: ['malote open'],
    async run(context) {
      const client = await context.client()
      const { code, expires } = await client.ask(client.api.POST('/session/code', { body: {} }))
      const url = `${client.url}/docs`
      context.print({ url, code, expires }, say().system.open({ url, code, expires }))
    },
  },
]
