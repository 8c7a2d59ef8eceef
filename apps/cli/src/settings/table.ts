/** Every setting of `up`: its flags, what the configuration file and the environment may say, and its default. */

import { type Command, Option } from 'commander'
import { list } from '../command.ts'
import { UsageError } from '../errors.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../log.ts'
import { say } from '../messages/index.ts'
import { formatBytes } from '../output/terminal.ts'
import { parseHandoffs, parseHostPort, parsePort, parseRateOption, parseSize, parseTransports } from '../parse.ts'

type Rate = ReturnType<typeof parseRateOption>
type Handoffs = ReturnType<typeof parseHandoffs>
/** what a TOML value of this setting may be */
export type Kind = 'integer' | 'text' | 'boolean' | 'list'

export interface Setting<Value> {
  /** as in the file; `--<name>` and `MALOTE_<NAME>` say the same */
  readonly name: string
  readonly kinds: readonly Kind[]
  /** with their help in the language that is spoken */
  readonly options: () => readonly Option[]
  /** of one text, or of each member of a list @throws {UsageError} */
  readonly parse: (texts: readonly string[]) => Value
  /** in words; null: none */
  readonly show: (value: Value) => string | null
  readonly standard: Value
}

function text<Value>(
  flag: string,
  init: { help: () => string; standard: Value },
  parse: (text: string) => Value,
  show: (value: Value) => string | null,
  kinds: readonly Kind[] = ['text'],
): Setting<Value> {
  return {
    name: nameOf(flag),
    kinds,
    options: () => [new Option(`--${flag}`, init.help()).argParser(parse)],
    parse: ([given = '']) => parse(given),
    show,
    standard: init.standard,
  }
}

/** @param none what an empty list stands for, in words */
function texts(flag: string, help: () => string, none: string | null = null): Setting<readonly string[]> {
  return {
    name: nameOf(flag),
    kinds: ['list'],
    options: () => [new Option(`--${flag}`, help()).argParser(list)],
    parse: (given) => given,
    show: (value) => (value.length === 0 ? none : value.join(',')),
    standard: [],
  }
}

/** @param yes @param no what the two flags do */
function yesOrNo(name: string, standard: boolean, yes: () => string, no: () => string): Setting<boolean> {
  return {
    name,
    kinds: ['boolean'],
    options: () => [new Option(`--${name}`, yes()), new Option(`--no-${name}`, no())],
    parse: ([given = '']) => parseBoolean(given),
    show: (value) => (value ? 'on' : 'off'),
    standard,
  }
}

function nameOf(flag: string): string {
  return flag.split(' ', 1)[0] ?? flag
}

function parseBoolean(given: string): boolean {
  if (given === 'true' || given === '1') return true
  if (given === 'false' || given === '0') return false
  throw new UsageError(say().wrong.boolean({ given: JSON.stringify(given) }))
}

function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (given) => {
    const word = words.find((each) => each === given)
    if (word === undefined)
      throw new UsageError(say().wrong.choice({ words: words.join(', '), given: JSON.stringify(given) }))
    return word
  }
}

const rateText = ({ perSecond }: Rate) => (perSecond === null ? 'unlimited' : `${formatBytes(perSecond)}/s`)
const handoffsText = ({ accept, maxBytes }: Handoffs) => (maxBytes === null ? accept : formatBytes(maxBytes))
const hostText = ({ host, port }: { host: string; port: number }) =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/** In the order in which `config show` lists them. */
export const SETTINGS = {
  port: text('port <port>', { help: () => say().help.settings.port, standard: 4373 }, parsePort, String, ['integer']),
  transports: {
    ...text(
      'transports <names>',
      {
        help: () => say().help.settings.transports,
        standard: ['tcp', 'udp'] as ReturnType<typeof parseTransports>,
      },
      parseTransports,
      (value) => value.join(','),
      ['text', 'list'],
    ),
    parse: (given: readonly string[]) => parseTransports(given.join(',')),
  },
  listen: texts('listen <multiaddr>', () => say().help.settings.listen),
  announce: texts('announce <address>', () => say().help.settings.announce),
  relay: {
    name: 'relay',
    kinds: ['boolean', 'text'],
    options: () => [
      new Option('--relay', say().help.settings.relay),
      new Option('--no-relay', say().help.settings.noRelay),
    ],
    parse: ([given = '']: readonly string[]) => (given === 'auto' ? ('auto' as const) : parseBoolean(given)),
    show: (value: boolean | 'auto') => (value === 'auto' ? value : value ? 'always' : 'never'),
    standard: 'auto',
  } as Setting<boolean | 'auto'>,
  relayLimit: text<Rate>(
    'relay-limit <rate>',
    {
      help: () => say().help.settings.relayLimit,
      standard: { perSecond: 10 * 1024 * 1024 },
    },
    parseRateOption,
    rateText,
    ['text', 'integer'],
  ),
  upnp: yesOrNo(
    'upnp',
    true,
    () => say().help.settings.upnp,
    () => say().help.settings.noUpnp,
  ),
  mdns: yesOrNo(
    'mdns',
    true,
    () => say().help.settings.mdns,
    () => say().help.settings.noMdns,
  ),
  lanes: yesOrNo(
    'lanes',
    true,
    () => say().help.settings.lanes,
    () => say().help.settings.noLanes,
  ),
  capacity: text<number | null>(
    'capacity <bytes>',
    { help: () => say().help.settings.capacity, standard: null },
    parseSize,
    (value) => (value === null ? 'what is free' : formatBytes(value)),
    ['text', 'integer'],
  ),
  handoffs: text<Handoffs>(
    'handoffs <rule>',
    {
      help: () => say().help.settings.handoffs,
      standard: { accept: 'fits', maxBytes: null },
    },
    parseHandoffs,
    handoffsText,
    ['text', 'integer'],
  ),
  handoffsFrom: texts('handoffs-from <node>', () => say().help.settings.handoffsFrom, 'anybody'),
  api: text(
    'api <host:port>',
    { help: () => say().help.settings.api, standard: { host: '127.0.0.1', port: 7373 } },
    parseHostPort,
    hostText,
  ),
  apiAllowRemote: yesOrNo(
    'api-allow-remote',
    false,
    () => say().help.settings.apiAllowRemote,
    () => say().help.settings.noApiAllowRemote,
  ),
  logLevel: text<LogLevel>(
    'log-level <level>',
    { help: () => say().help.settings.logLevel({ levels: LOG_LEVELS.join(', ') }), standard: 'info' },
    oneOf(LOG_LEVELS),
    String,
  ),
  logFormat: text<LogFormat>(
    'log-format <format>',
    { help: () => say().help.settings.logFormat({ formats: LOG_FORMATS.join(', ') }), standard: 'text' },
    oneOf(LOG_FORMATS),
    String,
  ),
}

export type SettingKey = keyof typeof SETTINGS
export type Settings = { -readonly [Key in SettingKey]: (typeof SETTINGS)[Key]['standard'] }

/** In order, without the types of their values. */
export const settingList = Object.entries(SETTINGS) as readonly (readonly [SettingKey, Setting<unknown>])[]

/** `MALOTE_RELAY_LIMIT` */
export function variableOf(setting: { readonly name: string }): string {
  return `MALOTE_${setting.name.toUpperCase().replaceAll('-', '_')}`
}

/** Adds the flag of every setting, and `--config`. */
export function addSettings(command: Command): Command {
  for (const [, { options }] of settingList) for (const option of options()) command.addOption(option)
  return command.option('--config <file>', say().help.settings.config)
}
