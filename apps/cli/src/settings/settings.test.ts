import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { up } from '../commands/up.ts'
import { speak } from '../messages/index.ts'
import { parseSettings } from './file.ts'
import { resolveSettings } from './resolve.ts'
import { addSettings, settingList, variableOf } from './table.ts'

await speak('en')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malote-settings-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** As `up` reads its flags. */
function flags(words: readonly string[]): Record<string, unknown> {
  const command = addSettings(new Command('up').exitOverride())
  return command.parse([...words], { from: 'user' }).opts()
}

/** @param name as in the file */
async function viewOf(name: string, words: readonly string[], environment = {}) {
  const { views } = await resolveSettings(folder, flags(words), environment)
  const { value, from } = views[settingList.findIndex(([, setting]) => setting.name === name)] ?? {}
  return { value, from }
}

describe('a setting', () => {
  /** for each: what the file says, what the environment says, what flags say, and how each is shown */
  const SAID: Readonly<Record<string, readonly [string, string, string, string, readonly string[], string, string?]>> =
    {
      port: ['1', '1', '2', '2', ['--port', '3'], '3'],
      transports: ['["tcp"]', 'tcp', 'udp', 'udp', ['--transports', 'udp,tcp'], 'udp,tcp'],
      listen: ['["/ip4/1.1.1.1/tcp/1"]', '/ip4/1.1.1.1/tcp/1', 'a, b', 'a,b', ['--listen', 'c'], 'c'],
      announce: ['["a", "b"]', 'a,b', 'c', 'c', ['--announce', 'd', '--announce', 'e'], 'd,e'],
      relay: ['false', 'never', 'true', 'always', ['--no-relay'], 'never', '--no-relay'],
      'relay-limit': ['1024', '1.0 KiB/s', '2KiB/s', '2.0 KiB/s', ['--relay-limit', 'unlimited'], 'unlimited'],
      upnp: ['false', 'off', '1', 'on', ['--no-upnp'], 'off', '--no-upnp'],
      mdns: ['false', 'off', 'true', 'on', ['--no-mdns'], 'off', '--no-mdns'],
      lanes: ['false', 'off', 'true', 'on', ['--no-lanes'], 'off', '--no-lanes'],
      capacity: ['"1KiB"', '1.0 KiB', '2048', '2.0 KiB', ['--capacity', '3KiB'], '3.0 KiB'],
      handoffs: ['"ask"', 'ask', '5KiB', '5.0 KiB', ['--handoffs', 'fits'], 'fits'],
      'handoffs-from': ['["Rio"]', 'Rio', 'Natal,Olinda', 'Natal,Olinda', ['--handoffs-from', 'Recife'], 'Recife'],
      api: ['"127.0.0.1:1"', '127.0.0.1:1', '[::1]:2', '[::1]:2', ['--api', '127.0.0.1:3'], '127.0.0.1:3'],
      'api-allow-remote': ['true', 'on', '0', 'off', ['--api-allow-remote'], 'on'],
      'log-level': ['"debug"', 'debug', 'warn', 'warn', ['--log-level', 'error'], 'error'],
      'log-format': ['"json"', 'json', 'text', 'text', ['--log-format', 'json'], 'json'],
    }

  it.each(settingList.map(([, setting]) => setting.name))('%s: flag before environment before file', async (name) => {
    const [inFile, ofFile, inEnvironment, ofEnvironment, words, ofFlags, flag = `--${name}`] = SAID[
      name
    ] as (typeof SAID)[string]
    const path = join(folder, 'config.toml')
    const variable = variableOf({ name })
    const standard = await viewOf(name, [])
    expect(standard.from).toBe('default')
    await writeFile(path, `# of this branch\n\n${name} = ${inFile}\n`)
    const environment = { [variable]: inEnvironment }
    expect(await viewOf(name, [])).toEqual({ value: ofFile, from: `${path}:3` })
    expect(await viewOf(name, [], { [variable]: '' })).toEqual({ value: ofFile, from: `${path}:3` })
    expect(await viewOf(name, [], environment)).toEqual({ value: ofEnvironment, from: variable })
    expect(await viewOf(name, words, environment)).toEqual({ value: ofFlags, from: flag })
  })

  it('can be switched on again by a flag', async () => {
    for (const name of ['relay', 'mdns', 'upnp', 'lanes']) {
      const environment = { [variableOf({ name })]: 'false' }
      expect(await viewOf(name, [`--${name}`], environment)).toEqual({
        value: name === 'relay' ? 'always' : 'on',
        from: `--${name}`,
      })
    }
    expect(await viewOf('api-allow-remote', ['--no-api-allow-remote'], { MALOTE_API_ALLOW_REMOTE: '1' })).toEqual({
      value: 'off',
      from: '--no-api-allow-remote',
    })
  })

  it('is every flag of "up", but for the one that is for one start', () => {
    const command = up.options?.(new Command('up')) as Command
    const known = new Set(settingList.flatMap(([, { options }]) => options().map(({ long }) => long)))
    expect(command.options.map(({ long }) => long).filter((flag) => !known.has(flag as string))).toEqual([
      '--config',
      '--rebuild',
    ])
  })

  it('of the environment that makes no sense is told by its name', async () => {
    await expect(resolveSettings(folder, {}, { MALOTE_PORT: 'x' })).rejects.toMatchObject({
      code: 'config-invalid',
      message: 'MALOTE_PORT: not a port: "x"',
    })
  })
})

describe('the file', () => {
  it('is named by --config or MALOTE_CONFIG instead, and must be there then', async () => {
    const other = join(folder, 'other.toml')
    const missing = join(folder, 'missing.toml')
    await writeFile(other, 'port = 1')
    await writeFile(join(folder, 'config.toml'), 'port = 2')
    const port = { value: '1', from: `${other}:1` }
    expect(await viewOf('port', ['--config', other], { MALOTE_CONFIG: missing })).toEqual(port)
    expect(await viewOf('port', [], { MALOTE_CONFIG: other })).toEqual(port)
    await expect(viewOf('port', ['--config', missing])).rejects.toMatchObject({ code: 'config-invalid' })
    await writeFile(other, `# ${'x'.repeat(70_000)}`)
    await expect(viewOf('port', ['--config', other])).rejects.toThrow('longer than')
  })

  it.each([
    ['prot = 4373', 1, 'unknown setting "prot"'],
    ['\n\nport = "4373"', 3, 'port wants a whole number, not a text'],
    ['port = 1.5', 1, 'port wants a whole number, not this number'],
    ['port = 70000', 1, 'port: not a port: "70000"'],
    ['port = 1979-05-27', 1, 'port wants a whole number, not a date'],
    ['mdns = "no"', 1, 'mdns wants true or false, not a text'],
    ['relay = "yes"', 1, 'relay: neither true nor false: "yes"'],
    ['announce = "1.2.3.4"', 1, 'announce wants a list of texts, not a text'],
    ['announce = [\n  "a",\n]\nlisten = [\n 1 ]', 4, 'listen wants a list of texts, not this list'],
    ['capacity = true', 1, 'capacity wants a text in quotes or a whole number, not true or false'],
    ['handoffs-from = ["""\nmdns = 1\n"""]\nmdns = 1', 4, 'mdns wants true or false, not this number'],
    ['log-level = "loud"', 1, 'log-level: not one of'],
    ['[network]\nport = 1', 1, 'there are no tables'],
    ['network.port = 1', 1, 'there are no tables'],
    ['rebuild = true', 1, 'rebuild is no setting'],
    ['data = "/srv"', 1, 'data can be told by --data'],
    ['port = 1\nport = 2', 2, ''],
    ['port 4373', 1, ''],
    ['port = 1\r\nmdns = tru', 2, ''],
  ])('%j is wrong at line %i: %s', (text, line, words) => {
    const parsed = () => parseSettings(text, '/x/config.toml')
    expect(parsed).toThrow(expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining(words) }))
    expect(parsed).toThrow(`/x/config.toml:${line}: `)
  })

  it('is read or refused with a line, whatever it says', () => {
    const line = fc.constantFrom(
      'port = 1',
      'mdns = false',
      'announce = [',
      '"a",',
      ']',
      '# x',
      '',
      '"""',
      "x = '",
      '[a]',
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          for (const { from } of parseSettings(lines.join('\n'), 'f').values()) {
            const at = Number(/^f:(\d+)$/.exec(from)?.[1])
            expect(lines[at - 1]).toMatch(/=/)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'config-invalid', message: expect.stringMatching(/^f:\d+: /) })
        }
      }),
    )
  })
})
