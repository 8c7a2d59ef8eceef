/** `up`: the only command that builds a node. Everything else is a client of what this one runs. */
import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommandSpec, defined, list, type Options } from '../command.ts'
import type { Context } from '../context.ts'
import { guardMemory } from '../memory-guard.ts'
import { showText } from '../output/terminal.ts'
import { parseHandoffs, parseHostPort, parsePort, parseRateOption, parseSize, parseTransports } from '../parse.ts'
import { settingsOf } from '../settings.ts'

export const up: CommandSpec = {
  usage: 'up',
  summary: 'run the node in the foreground',
  examples: [
    'malote up',
    'malote up --data /srv/malote --port 4373 --announce 200.1.2.3:4373',
    'malote up --port 0 --api 127.0.0.1:0 --json',
    'malote up --transports tcp',
    'malote up --rebuild',
  ],
  options: (command) =>
    command
      .option('--port <port>', 'swarm port, TCP and UDP; 0 means any free one (4373)', parsePort)
      .option(
        '--transports <names>',
        'tcp, udp or both; the other is neither listened for nor dialled (tcp,udp)',
        parseTransports,
      )
      .option('--listen <multiaddr>', 'listen there instead; repeatable', list)
      .option('--announce <address>', 'address under which others reach this node; repeatable', list)
      .option('--api <host:port>', 'address of the local API (127.0.0.1:7373)', parseHostPort)
      .option('--api-allow-remote', 'let the API listen on an address that is not loopback')
      .option('--relay', 'serve as relay for other members (once others are seen to reach this node from outside)')
      .option('--no-relay', 'never serve as relay')
      .option(
        '--relay-limit <rate>',
        'pass on at most so much as relay: 10MB/s, or unlimited (10MiB/s)',
        parseRateOption,
      )
      .option('--rebuild', 'make damaged databases anew from what can be read and from the other members')
      .option('--no-mdns', 'do not look for members on the LAN')
      .option('--upnp', 'have the router lead a port here, where this machine has no public address (so by itself)')
      .option('--no-upnp', 'do not ask the router to lead a port here')
      .option('--no-lanes', 'carry everything over libp2p, for a firewall that lets nothing else through')
      .option('--capacity <bytes>', 'bytes offered to the network, e.g. 2TB', parseSize)
      .option(
        '--handoffs <rule>',
        'files offered to this branch: ask, or accept what fits, or up to a size (fits)',
        parseHandoffs,
      )
      .option('--handoffs-from <node>', 'accept only from this branch; repeatable', list),
  run: (context, _args, options) => runNode(context, options),
}

const DEFAULT_API = { host: '127.0.0.1', port: 7373 }

async function runNode(context: Context, options: Options): Promise<void> {
  // late: no other command waits until the node's code is loaded
  const [{ createServer }, { createNode }] = await Promise.all([import('@malote/api'), import('@malote/core')])
  await mkdir(context.dataDir, { recursive: true, mode: 0o700 })
  const { port, transports, listen, announce, capacity, relayLimit } = options as {
    port?: number
    transports?: ReturnType<typeof parseTransports>
    listen?: string[]
    announce?: string[]
    capacity?: number
    relayLimit?: ReturnType<typeof parseRateOption>
  }
  const { handoffs, handoffsFrom } = options as {
    handoffs?: ReturnType<typeof parseHandoffs>
    handoffsFrom?: string[]
  }
  const log = (message: string, error?: unknown) => {
    const why = error === undefined ? '' : `: ${error instanceof Error ? error.message : String(error)}`
    context.note(`${new Date().toISOString()} ${showText(message + why)}`)
  }
  const node = await createNode({
    dataDir: context.dataDir,
    mdns: options.mdns !== false,
    upnp: options.upnp !== false,
    lanes: options.lanes !== false,
    relay: options.relay === undefined ? 'auto' : options.relay === true ? 'always' : 'never',
    rebuild: options.rebuild === true,
    signal: context.signal,
    log,
    handoffs: { ...handoffs, ...defined({ from: handoffsFrom }) },
    ...defined({ port, transports, listen, announce, capacity, relayLimit: relayLimit?.perSecond }),
  })
  try {
    const token = randomBytes(32).toString('base64url')
    const stopped = Promise.withResolvers<void>()
    const endGuard = guardMemory()
    const server = await createServer({
      node,
      ...((options.api as typeof DEFAULT_API | undefined) ?? DEFAULT_API),
      token,
      allowRemote: options.apiAllowRemote === true,
      onStop: () => stopped.resolve(),
      onFault: (error) => log('a fault of the API', error),
    })
    try {
      await writePrivate(join(context.dataDir, 'api-token'), token)
      await writePrivate(
        join(context.dataDir, 'api.json'),
        JSON.stringify({ url: server.url, pid: process.pid, settings: settingsOf(options) }),
      )
      const { id, addresses } = node
      const text = `ready: API at ${server.url} (page: ${server.url}/docs), node ${id}, listening on ${addresses.join(', ')}`
      context.print({ event: 'ready', api: server.url, id, addresses }, text)
      context.signal.addEventListener('abort', () => stopped.resolve(), { once: true })
      if (context.signal.aborted) stopped.resolve()
      await stopped.promise
    } finally {
      endGuard()
      // the address goes first: from here on nobody should find this node
      await Promise.allSettled(
        ['api.json', 'api-token'].map((name) => rm(join(context.dataDir, name), { force: true })),
      )
      await server.close()
    }
  } finally {
    await node.stop()
  }
}

/** Whole or not at all, readable by this user only. */
async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path)
}
