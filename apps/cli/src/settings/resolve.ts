/** What `up` goes by: a flag before the environment, that before the file, that before the default. */
import { join, resolve } from 'node:path'
import type { Options } from '../command.ts'
import { ConfigError } from '../errors.ts'
import { readSettings } from './file.ts'
import { type Settings, settingList, variableOf } from './table.ts'

/** One setting as `config show` tells it. */
export interface SettingView {
  /** `relayLimit`; the API's address, beside that of the running node, is `apiListen` */
  readonly name: string
  /** in words; null: none */
  readonly value: string | null
  /** `--port`, `MALOTE_PORT`, `/srv/malote/config.toml:3` or `default` */
  readonly from: string
}

export interface Resolved {
  readonly settings: Settings
  /** the settings that somebody has chosen */
  readonly given: Partial<Settings>
  readonly views: readonly SettingView[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** @param options as commander gives them @throws {ConfigError} */
export async function resolveSettings(dataDir: string, options: Options, environment: Environment): Promise<Resolved> {
  const named = (options.config as string | undefined) ?? (environment.MALOTE_CONFIG || undefined)
  const path = resolve(named ?? join(dataDir, 'config.toml'))
  const file = await readSettings(path, named !== undefined)
  const given: Record<string, unknown> = {}
  const settings: Record<string, unknown> = {}
  const views = settingList.map(([key, setting]): SettingView => {
    const variable = variableOf(setting)
    const inEnvironment = environment[variable] || undefined
    let from = 'default'
    if (options[key] !== undefined) {
      given[key] = options[key]
      from = options[key] === false ? `--no-${setting.name}` : `--${setting.name}`
    } else if (inEnvironment !== undefined) {
      const isList = setting.kinds.includes('list')
      try {
        given[key] = setting.parse(isList ? inEnvironment.split(',').map((each) => each.trim()) : [inEnvironment])
      } catch (error) {
        throw new ConfigError(variable, error instanceof Error ? error.message : String(error))
      }
      from = variable
    } else {
      const found = file.get(key)
      if (found !== undefined) {
        given[key] = found.value
        from = found.from
      }
    }
    settings[key] = key in given ? given[key] : setting.standard
    return { name: key === 'api' ? 'apiListen' : key, value: setting.show(settings[key]), from }
  })
  // with addresses of its own it listens at no port beside them
  const isUnused = !('port' in given) && (settings.listen as Settings['listen']).length > 0
  const told = views.map((view) => (isUnused && view.name === 'port' ? { ...view, value: null } : view))
  return { settings: settings as unknown as Settings, given: given as Partial<Settings>, views: told }
}

/** Longest list of settings, and longest text in one, that is taken from a file. */
const MAX_SETTINGS = 64
const MAX_TEXT = 4_096

/** Of what `up` has written down; what is no setting is left out. */
export function readViews(found: unknown): SettingView[] {
  const isText = (text: unknown) => typeof text === 'string' && text.length <= MAX_TEXT
  return (Array.isArray(found) ? found.slice(0, MAX_SETTINGS) : []).flatMap((each: unknown) => {
    const { name, value, from } = (each ?? {}) as Partial<SettingView>
    return isText(name) && isText(from) && (value === null || isText(value))
      ? [{ name, value, from } as SettingView]
      : []
  })
}
