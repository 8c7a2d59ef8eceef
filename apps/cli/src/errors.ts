/** Failures on this side of the API, told like those from the other side. */

import { ConnectionLostError } from '@malote/client'
import { say } from './messages/index.ts'
import { ValueMissingError, valuesOf } from './messages/reported.ts'

export class UsageError extends Error {
  override name = 'UsageError'
  readonly code = 'usage'
}

/** A setting that makes no sense, in the configuration file or in the environment. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly code = 'config-invalid'
  readonly advice = say().config.advice
  /** @param where `config.toml:3`, or the name of a variable */
  constructor(where: string, what: string) {
    super(`${where}: ${what}`)
  }
}

/** What this machine has not got. */
export class UnsupportedError extends Error {
  override name = 'UnsupportedError'
  readonly code = 'unsupported'
  readonly advice: string
  constructor(message: string, advice: string) {
    super(message)
    this.advice = advice
  }
}

export class InterruptedError extends Error {
  override name = 'InterruptedError'
  readonly code = 'interrupted'
  constructor() {
    super(say().failures.interrupted)
  }
}

/** The file that was to be written is there already, or cannot be written. */
export class OutputError extends Error {
  override name = 'OutputError'
  readonly code: string
  readonly advice: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
  constructor(
    code: 'conflict' | 'disk-full' | 'quota' | 'read-only' | 'usage',
    message: string,
    options: { path: string; advice?: string; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.advice = options.advice
    this.fields = { path: options.path }
  }
}

/** An invite longer than any that a node makes. */
export class InviteTooLongError extends Error {
  override name = 'InviteTooLongError'
  readonly code = 'invite-invalid'
  readonly advice = say().failures.inviteTooLongAdvice
  constructor() {
    super(say().failures.inviteTooLong)
  }
}

/** A transfer ended without the file. The code is the one that the node gives. */
export class TransferEndedError extends Error {
  override name = 'TransferEndedError'
  readonly code: string
  readonly advice = say().failures.transferAdvice
  readonly fields: Readonly<Record<string, unknown>>
  constructor(code: string, message: string, transfer: unknown) {
    super(message)
    this.code = code
    this.fields = { transfer }
  }
}

/** The receiver has declined, or the offer was cancelled. */
export class NotAcceptedError extends Error {
  override name = 'NotAcceptedError'
  readonly code = 'not-accepted'
  readonly fields: Readonly<Record<string, unknown>>
  constructor(message: string, file: unknown) {
    super(message)
    this.fields = { file }
  }
}

/** The file has no such version. */
export class NoVersionError extends Error {
  override name = 'NoVersionError'
  readonly code = 'not-found'
  readonly fields: Readonly<Record<string, unknown>>
  constructor(name: string, version: number, versions: readonly number[]) {
    const sorted = [...new Set(versions)].sort((a, b) => a - b)
    const { noVersion, noVersionOne } = say().failures
    super((sorted.length === 1 ? noVersionOne : noVersion)({ name, version, versions: rangesText(sorted) }))
    this.fields = { versions: sorted }
  }
}

/** The file has no preview. */
export class NoPreviewError extends Error {
  override name = 'NoPreviewError'
  readonly code = 'not-found'
  readonly advice = say().failures.noPreviewAdvice
  constructor(name: string) {
    super(say().failures.noPreview({ name }))
  }
}

/** `1 to 4, 7`. @param numbers ascending */
function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : say().failures.range({ from, to }))).join(', ')
}

/** What was waited for did not come. */
export class WaitedTooLongError extends Error {
  override name = 'WaitedTooLongError'
  readonly code = 'timeout'
  readonly advice: string
  constructor(message: string, advice: string) {
    super(message)
    this.advice = advice
  }
}

/** The node stopped while it was being followed. */
export class StoppedError extends Error {
  override name = 'StoppedError'
  readonly code = 'not-running'
  readonly advice = say().failures.startNode
  constructor() {
    super(say().failures.nodeStopped)
  }
}

export interface Told {
  readonly code: string
  readonly detail: string
  readonly advice?: string
  /** further fields of the problem document */
  readonly fields: Readonly<Record<string, unknown>>
}

type SystemAdvice = 'freeSpace' | 'permissions' | 'addressInUse' | 'noSuchAddress'

/** Failures of the operating system that are nobody's fault here. */
const SYSTEM: Readonly<Record<string, { code: string; advice?: SystemAdvice }>> = {
  ENOSPC: { code: 'disk-full', advice: 'freeSpace' },
  EDQUOT: { code: 'quota' },
  EROFS: { code: 'read-only' },
  EACCES: { code: 'read-only', advice: 'permissions' },
  EPERM: { code: 'read-only', advice: 'permissions' },
  EADDRINUSE: { code: 'usage', advice: 'addressInUse' },
  EADDRNOTAVAIL: { code: 'usage', advice: 'noSuchAddress' },
}

/** Anything thrown, as code, words and fields. */
export function toldOf(error: unknown): Told {
  if (!(error instanceof Error)) return { code: 'internal', detail: String(error), fields: {} }
  if (error.name === 'AbortError') return { code: 'interrupted', detail: say().failures.interrupted, fields: {} }
  // to whoever waits for the exit code, a node that went away is one that does not run; 130 is for Ctrl-C
  if (error instanceof ConnectionLostError) {
    const { detail, advice, fields } = error
    const { reason } = fields
    return inLanguage({ code: 'not-running', detail, fields: { reason }, ...(advice === undefined ? {} : { advice }) })
  }
  if (error.name === 'TimeoutError') return { code: 'timeout', detail: error.message, fields: {} }
  const { code, reason, advice, fields, details } = error as Error & Record<string, unknown>
  const system = typeof code === 'string' ? SYSTEM[code] : undefined
  if (system !== undefined) {
    const words = system.advice === undefined ? {} : { advice: say().failures[system.advice] }
    return { code: system.code, detail: error.message, fields: {}, ...words }
  }
  const known = typeof code === 'string' && /^[a-z][a-z-]*$/.test(code) ? code : 'internal'
  const english = { code: known, detail: error.message, ...(typeof advice === 'string' ? { advice } : {}) }
  // the SDK's errors (`up`) have reason and `details`, the client's `fields`: the whole problem document
  const all = { ...(details as object), ...(typeof reason === 'string' ? { reason } : {}), ...(fields as object) }
  return inLanguage({ ...english, fields: all })
}

/** What the node or the client says in English, as the catalogue says it; English where it does not know the reason. */
function inLanguage(told: Told): Told {
  const { reason } = told.fields
  const { errors } = say()
  const words = typeof reason === 'string' && Object.hasOwn(errors, reason) ? errors[reason] : undefined
  if (words === undefined) return told
  try {
    const [detail, advice] = words(valuesOf({ ...told.fields, detail: told.detail }))
    return { code: told.code, detail, fields: told.fields, ...(advice === undefined ? {} : { advice }) }
  } catch (error) {
    if (error instanceof ValueMissingError) return told
    throw error
  }
}

/** Failures of commands on a file, with the file as the user named it. */
const subjects = new WeakMap<Error, string>()

/** Keeps how the user named the file that a command failed on. */
export function noteSubject(error: unknown, typed: string): void {
  if (error instanceof Error) subjects.set(error, typed)
}

/** What people read: where it names a file by the id alone, the name that the user typed stands in its place. */
export function detailOf(error: unknown, detail: string): string {
  const typed = error instanceof Error ? subjects.get(error) : undefined
  // part of the id says nothing that the whole one does not
  if (typed === undefined || detail.includes(typed)) return detail
  return detail.replace(/\b[0-9a-f]{32}\b/, () => typed)
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly advice?: string
  readonly [field: string]: unknown
}

/** The problem document of `--json` (RFC 9457); status 0 when the failure did not come from the server. */
export function problemOf({ code, detail, advice, fields }: Told): Problem {
  const { advice: _, ...rest } = fields
  const title = code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ')
  const document = { type: 'about:blank', title, status: 0, ...rest, code, detail }
  return advice === undefined ? document : { ...document, advice }
}
