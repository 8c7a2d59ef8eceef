/** What `up` tells of itself: pino's records on stderr, as lines for people or as JSON. Never tokens, invites, keys or names. */
import { showText } from './output/terminal.ts'

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

type Fields = Readonly<Record<string, unknown>>

export interface Log {
  /** What the node or the server has noticed; with an error it is a warning. */
  note(message: string, error?: unknown): void
  /** What only somebody who looks for a fault wants to see. Fields other than ids, counts and codes are left out. */
  debug(message: string, fields: Fields): void
  /** What comes many times a second. */
  trace(message: string, fields: Fields): void
}

export interface LogInit {
  readonly level: LogLevel
  readonly format: LogFormat
  /** takes one line without its end */
  readonly write: (line: string) => void
  /** texts that must not appear, whatever says them */
  readonly secrets: readonly string[]
  /** paths below it may be told: they are made of ids */
  readonly dataDir: string
}

/** Fields of events and calls that are told; none of them is chosen by a person. */
const TOLD = new Set(
  'id fileId node network author feed seq kind version from to owner outcome held target phase done total code state role method route status ms have expected bytes size'.split(
    ' ',
  ),
)
/** The second net, should one of these ever be given as a field. */
const HIDDEN = ['token', 'invite', 'recoveryKey', 'passphrase', 'authorization', 'cookie', 'name', 'branch', 'campaign']

export async function createLog(init: LogInit): Promise<Log> {
  const { pino } = await import('pino')
  const { level, format, write } = init
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...HIDDEN, ...HIDDEN.map((each) => `*.${each}`)], censor: '[hidden]' },
    },
    { write: (line) => write(format === 'json' ? line.trimEnd() : textOf(JSON.parse(line))) },
  )
  const clean = (text: string) => scrub(text, init.secrets)
  return {
    note(message, error) {
      if (error === undefined) logger.info(clean(message))
      else logger.warn({ why: whyOf(error, init) }, clean(message))
    },
    debug: (message, fields) => logger.debug(told(fields), message),
    trace: (message, fields) => logger.trace(told(fields), message),
  }
}

function told(fields: Fields): Fields {
  const isPlain = (value: unknown) => typeof value === 'string' || typeof value === 'number'
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => TOLD.has(name) && isPlain(value)))
}

/** `2026-11-23T20:00:00.000Z warn source X: timeout` */
function textOf({ time, level, msg, why, ...fields }: Record<string, unknown>): string {
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${String(value)}`)
  const word = level === 'info' ? '' : ` ${String(level)}`
  return showText(`${String(time)}${word} ${String(msg)}${why === undefined ? '' : `: ${String(why)}`}${rest.join('')}`)
}

/** An error in words. What people have named stands in quotes in messages of ours, and in paths of the system. */
function whyOf(error: unknown, { secrets, dataDir }: LogInit): string {
  const text = error instanceof Error ? error.message : String(error)
  const unnamed = text
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"')
    .replace(/'([^']*)'/g, (whole, path: string) => (path.startsWith(dataDir) ? whole : "'…'"))
  return scrub(unnamed, secrets)
}

/** Without whatever looks like a credential: an invite (a JWT), a bearer token, 32 bytes in base64url. */
export function scrub(text: string, secrets: readonly string[]): string {
  const known = secrets.reduce((before, secret) => before.replaceAll(secret, '[hidden]'), text)
  return known
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, '[hidden]')
    .replace(/\b(?:[0-9A-Z]{4}-){6,}[0-9A-Z]{1,4}\b/gi, '[hidden]') // a recovery key
    .replace(/\bBearer +\S+/gi, 'Bearer [hidden]')
    .replace(/(?<![\w/+-])[\w-]{43}=?(?![\w/+-])/g, '[hidden]')
}
