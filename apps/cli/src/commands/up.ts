/** `up`: the only command that builds a node. Everything else is a client of what this one runs. */

import { randomBytes } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommandSpec, defined, type Options } from '../command.ts'
import type { Context } from '../context.ts'
import { endInTime } from '../ending.ts'
import { createLog } from '../log.ts'
import { guardMemory } from '../memory-guard.ts'
import { say } from '../messages/index.ts'
import { resolveSettings } from '../settings/resolve.ts'
import { addSettings } from '../settings/table.ts'

export const up: CommandSpec = {
  usage: 'up',
  summary: () => say().help.up.summary,
  examples: [
    'malote up',
    'malote up --data /srv/malote --port 4373 --announce 200.1.2.3:4373',
    'malote up --port 0 --api 127.0.0.1:0 --json',
    'malote up --transports tcp',
    'malote up --config /etc/malote.toml --log-level debug',
    'malote up --rebuild',
  ],
  options: (command) => addSettings(command).option('--rebuild', say().help.up.rebuild),
  run: (context, _args, options) => runNode(context, options),
}

/** Told at `debug`; what comes many times a second at `trace`. */
const EVENTS = [
  ...(['network:joined', 'network:left', 'member:joined', 'member:changed', 'member:connected'] as const),
  ...(['member:disconnected', 'file:published', 'file:updated', 'file:hidden', 'file:deleted'] as const),
  ...(['file:restored', 'file:purged', 'file:owner', 'file:copies', 'file:durable', 'handoff:offered'] as const),
  ...(['handoff:ended', 'transfer:ended', 'leave:progress', 'ledger:entry', 'ledger:diverged', 'warning'] as const),
]
const FREQUENT_EVENTS = ['transfer:progress', 'ledger:progress'] as const

async function runNode(context: Context, options: Options): Promise<void> {
  const { given, settings, views } = await resolveSettings(context.dataDir, options, process.env)
  // late: no other command waits until the node's code is loaded
  const [{ createServer }, { createNode }] = await Promise.all([import('@malote/api'), import('@malote/core')])
  const token = randomBytes(32).toString('base64url')
  const log = await createLog({
    level: context.isQuiet && options.logLevel === undefined ? 'silent' : settings.logLevel,
    format: settings.logFormat,
    write: (line) => process.stderr.write(`${line}\n`),
    secrets: [token],
    dataDir: context.dataDir,
  })
  const { port, transports, listen, announce } = given
  const node = await createNode({
    dataDir: context.dataDir,
    mdns: settings.mdns,
    upnp: settings.upnp,
    lanes: settings.lanes,
    relay: settings.relay === 'auto' ? 'auto' : settings.relay ? 'always' : 'never',
    rebuild: options.rebuild === true,
    signal: context.signal,
    log: log.note,
    handoffs: { ...given.handoffs, ...(given.handoffsFrom === undefined ? {} : { from: [...given.handoffsFrom] }) },
    ...defined({ port, transports, capacity: given.capacity, relayLimit: given.relayLimit?.perSecond }),
    ...(listen === undefined || listen.length === 0 ? {} : { listen: [...listen] }),
    ...(announce === undefined ? {} : { announce: [...announce] }),
  })
  for (const type of EVENTS) node.events.on(type, (data) => log.debug(type, { ...data }))
  for (const type of FREQUENT_EVENTS) node.events.on(type, (data) => log.trace(type, { ...data }))
  let endLate = () => {}
  try {
    const stopped = Promise.withResolvers<void>()
    const endGuard = guardMemory()
    const server = await createServer({
      node,
      ...settings.api,
      token,
      allowRemote: settings.apiAllowRemote,
      onStop: () => stopped.resolve(),
      onFault: (error) => log.note('a fault of the API', error),
      onAnswer: (call) => log.debug('call', { ...call }),
    })
    try {
      await writePrivate(join(context.dataDir, 'api-token'), token)
      await writePrivate(
        join(context.dataDir, 'api.json'),
        JSON.stringify({ url: server.url, pid: process.pid, settings: views }),
      )
      const { id, addresses } = node
      const text = say().system.ready({ url: server.url, id, addresses: addresses.join(', ') })
      context.print({ event: 'ready', api: server.url, id, addresses }, text)
      context.signal.addEventListener('abort', () => stopped.resolve(), { once: true })
      if (context.signal.aborted) stopped.resolve()
      await stopped.promise
    } finally {
      endGuard()
      endLate = endInTime((what) => log.note(what))
      // the address goes first: from here on nobody should find this node
      await Promise.allSettled(
        ['api.json', 'api-token'].map((name) => rm(join(context.dataDir, name), { force: true })),
      )
      await server.close()
    }
  } finally {
    await node.stop()
    endLate()
  }
}

/** Whole or not at all, readable by this user only. */
async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path)
}
