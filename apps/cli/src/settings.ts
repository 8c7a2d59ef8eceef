/** What a node was started with, in words, and where each comes from: `up` writes it down, `config show` shows it. Pure. */
import type { Options } from './command.ts'
import { formatBytes } from './output/terminal.ts'

export interface Setting {
  readonly name: string
  /** null: none */
  readonly value: string | null
  /** the flag, or `default` */
  readonly from: string
}

/** Longest list of settings, and longest text in one, that is taken from a file. */
const MAX_SETTINGS = 64
const MAX_TEXT = 4_096

/** @param options those of `up`, as commander gives them: absent where nothing was said */
export function settingsOf(options: Options): Setting[] {
  const said = (name: string, flag: string, otherwise: string | null, text: (value: unknown) => string = String) => {
    const value = options[name]
    return value === undefined
      ? { name, value: otherwise, from: 'default' }
      : { name, value: text(value), from: `--${flag}` }
  }
  const list = (value: unknown) => (Array.isArray(value) ? value.join(',') : String(value))
  // commander makes those true that can only be switched off
  const on = (name: string) =>
    options[name] === false
      ? { name, value: 'off', from: `--no-${name}` }
      : { name, value: 'on', from: options[name] === true && name === 'upnp' ? `--${name}` : 'default' }
  const { relay } = options
  return [
    said('port', 'port', options.listen === undefined ? '4373' : null),
    said('transports', 'transports', 'tcp,udp', list),
    said('listen', 'listen', null, list),
    said('announce', 'announce', null, list),
    relay === undefined
      ? { name: 'relay', value: 'auto', from: 'default' }
      : { name: 'relay', value: relay === true ? 'always' : 'never', from: relay === true ? '--relay' : '--no-relay' },
    said('relayLimit', 'relay-limit', `${formatBytes(10 * 1024 ** 2)}/s`, rateText),
    on('upnp'),
    on('mdns'),
    on('lanes'),
    said('capacity', 'capacity', 'what is free', (value) => formatBytes(Number(value))),
    said('handoffs', 'handoffs', 'fits', handoffsText),
    said('handoffsFrom', 'handoffs-from', 'anybody', list),
  ]
}

/** Of what a file holds; what is none is left out. */
export function readSettings(found: unknown): Setting[] {
  const isText = (text: unknown) => typeof text === 'string' && text.length <= MAX_TEXT
  return (Array.isArray(found) ? found.slice(0, MAX_SETTINGS) : []).flatMap((each: unknown) => {
    const { name, value, from } = (each ?? {}) as Partial<Setting>
    return isText(name) && isText(from) && (value === null || isText(value)) ? [{ name, value, from } as Setting] : []
  })
}

function rateText(value: unknown): string {
  const { perSecond } = value as { perSecond: number | null }
  return perSecond === null ? 'unlimited' : `${formatBytes(perSecond)}/s`
}

function handoffsText(value: unknown): string {
  const { accept, maxBytes } = value as { accept: string; maxBytes: number | null }
  return maxBytes === null ? accept : formatBytes(maxBytes)
}
