/** The configuration file: TOML, one key for each setting of `up`, no tables. */

import { readFile, stat } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import { ConfigError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { type Kind, type Setting, type SettingKey, settingList } from './table.ts'

const MAX_BYTES = 64 * 1024

export interface FromFile {
  readonly value: unknown
  /** `/srv/malote/config.toml:3` */
  readonly from: string
}
export type FileSettings = ReadonlyMap<SettingKey, FromFile>

/** @param isWanted false: a file that is not there says nothing @throws {ConfigError} */
export async function readSettings(path: string, isWanted: boolean): Promise<FileSettings> {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw new ConfigError(path, say().config.tooLong({ max: MAX_BYTES }))
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    // a data folder that is none is told by whoever needs it
    const { code } = error as NodeJS.ErrnoException
    if (!isWanted && (code === 'ENOENT' || code === 'ENOTDIR')) return new Map()
    throw new ConfigError(path, error instanceof Error ? error.message : String(error))
  }
  return parseSettings(text, path)
}

/** @throws {ConfigError} with the line of what is wrong */
export function parseSettings(text: string, path: string): FileSettings {
  checkSyntax(text, path)
  const found = new Map<SettingKey, FromFile>()
  for (const { key, value, line } of statements(text)) {
    const from = `${path}:${line}`
    const [id, setting] = settingList.find(([, { name }]) => name === key) ?? []
    if (id === undefined || setting === undefined) throw new ConfigError(from, unknownKey(key, value))
    found.set(id, { value: readValue(setting, value, from), from })
  }
  return found
}

/** Of the whole: what is said twice shows only there. */
function checkSyntax(text: string, path: string): void {
  try {
    parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [what = ''] = error.message.split('\n', 1)
    const said = what.replace(/^Invalid TOML document: /, '')
    // what it took for a number or a date
    const hint = /literal|invalid value/.test(said) ? `; ${say().config.quotes}` : ''
    throw new ConfigError(`${path}:${error.line}`, said + hint)
  }
}

interface Statement {
  readonly key: string
  readonly value: unknown
  readonly line: number
}

/** Each key of a sound document with its line. The parser tells none, so it is given one statement after the other. */
function* statements(text: string): Generator<Statement> {
  const lines = text.split(/\r?\n/)
  let start = 0
  for (let end = 1; end <= lines.length; end++) {
    let read: Record<string, unknown>
    try {
      read = parse(lines.slice(start, end).join('\n'))
    } catch (error) {
      if (error instanceof TomlError) continue // a value that goes on in the next line
      throw error
    }
    for (const [key, value] of Object.entries(read)) yield { key, value, line: start + 1 }
    start = end
  }
}

function unknownKey(key: string, value: unknown): string {
  if (key === 'rebuild') return say().config.rebuild
  if (key === 'data' || key === 'config') return say().config.notHere({ key })
  if (kindOf(value) === 'table') return say().config.noTables({ key: JSON.stringify(key) })
  const known = settingList.map(([, { name }]) => name).join(', ')
  return say().config.unknown({ key: JSON.stringify(key), known })
}

function readValue(setting: Setting<unknown>, value: unknown, from: string): unknown {
  const isKnown = setting.kinds.some((kind) => MATCHES[kind](value))
  if (!isKnown) {
    const wanted = setting.kinds.map((kind) => say().config[kind]).join(` ${say().config.or} `)
    throw new ConfigError(from, say().config.kind({ name: setting.name, wanted, found: say().config[kindOf(value)] }))
  }
  try {
    return setting.parse(Array.isArray(value) ? (value as string[]) : [String(value)])
  } catch (error) {
    throw new ConfigError(from, `${setting.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const MATCHES: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  integer: (value) => Number.isSafeInteger(value),
  text: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
}

type Found = 'thisList' | 'date' | 'table' | 'aText' | 'boolean' | 'thisNumber'

function kindOf(value: unknown): Found {
  if (Array.isArray(value)) return 'thisList'
  if (value instanceof Date) return 'date'
  if (typeof value === 'object') return 'table'
  return typeof value === 'string' ? 'aText' : typeof value === 'boolean' ? 'boolean' : 'thisNumber'
}
