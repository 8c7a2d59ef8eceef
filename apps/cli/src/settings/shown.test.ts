import { describe, expect, it } from 'vitest'
import { up } from '../commands/up.ts'
import { speak } from '../messages/index.ts'
import { buildProgram } from '../program.ts'
import { readViews, resolveSettings } from './resolve.ts'

await speak('en')

/** As `up` is given them on a command line. */
async function settings(...flags: string[]): Promise<Record<string, [string | null, string]>> {
  const program = buildProgram([{ ...up, run: async () => {} }], new AbortController().signal)
  program.parse(['node', 'malote', 'up', ...flags])
  const [command] = program.commands.filter((each) => each.name() === 'up')
  const { views } = await resolveSettings('/nowhere', command?.opts() ?? {}, {})
  return Object.fromEntries(views.map(({ name, value, from }) => [name, [value, from]]))
}

describe('the settings of a node', () => {
  it('are the defaults, where nothing was said', async () => {
    expect(await settings()).toEqual({
      port: ['4373', 'default'],
      transports: ['tcp,udp', 'default'],
      listen: [null, 'default'],
      announce: [null, 'default'],
      relay: ['auto', 'default'],
      relayLimit: ['10.0 MiB/s', 'default'],
      upnp: ['on', 'default'],
      mdns: ['on', 'default'],
      lanes: ['on', 'default'],
      capacity: ['what is free', 'default'],
      handoffs: ['fits', 'default'],
      handoffsFrom: ['anybody', 'default'],
      apiListen: ['127.0.0.1:7373', 'default'],
      apiAllowRemote: ['off', 'default'],
      logLevel: ['info', 'default'],
      logFormat: ['text', 'default'],
    })
  })

  it.each([
    [['--port', '0'], { port: ['0', '--port'] }],
    [['--transports', 'tcp'], { transports: ['tcp', '--transports'] }],
    [['--listen', '/ip4/0.0.0.0/tcp/1'], { port: [null, 'default'], listen: ['/ip4/0.0.0.0/tcp/1', '--listen'] }],
    [['--announce', 'a.example', '--announce', '8.8.8.8:1'], { announce: ['a.example,8.8.8.8:1', '--announce'] }],
    [['--relay'], { relay: ['always', '--relay'] }],
    [['--no-relay'], { relay: ['never', '--no-relay'] }],
    [['--relay-limit', '1MiB/s'], { relayLimit: ['1.0 MiB/s', '--relay-limit'] }],
    [['--relay-limit', 'unlimited'], { relayLimit: ['unlimited', '--relay-limit'] }],
    [['--upnp'], { upnp: ['on', '--upnp'] }],
    [['--no-upnp', '--no-mdns', '--no-lanes'], { upnp: ['off', '--no-upnp'], mdns: ['off', '--no-mdns'] }],
    [['--capacity', '2TiB'], { capacity: ['2.0 TiB', '--capacity'] }],
    [
      ['--handoffs', 'ask', '--handoffs-from', 'Rio'],
      { handoffs: ['ask', '--handoffs'], handoffsFrom: ['Rio', '--handoffs-from'] },
    ],
  ])('are what was said: %j', async (flags, expected) => {
    expect(await settings(...flags)).toMatchObject(expected)
  })

  it('are read from a file as far as they are settings', async () => {
    const { views: all } = await resolveSettings('/nowhere', {}, {})
    expect(readViews(JSON.parse(JSON.stringify(all)))).toEqual(all)
    expect(readViews([null, 1, {}, { name: 'x', value: 1, from: 'y' }, ...all])).toEqual(all)
    for (const other of [undefined, null, 'x', {}]) expect(readViews(other)).toEqual([])
  })
})
