/** Parameters and small translations that several routes share. */
import { Type } from 'typebox'
import { RequestInvalidError } from './errors.ts'
import { closed } from './schemas.ts'

const reference = (description: string) => Type.String({ minLength: 1, maxLength: 1024, description })
export const nodeRef = reference('a node: branch name, PeerId, or a unique prefix of it (6+)')
export const fileRef = reference('a file: id, unique id prefix (6+), or exact name')

export const fileParams = closed({ id: fileRef })
export const nodeParams = closed({ id: nodeRef })
export const plainIdParams = closed({ id: Type.String({ minLength: 1, maxLength: 256 }) })

/** `30s`, `15m`, `72h`, `7d`, or a time (RFC 3339). @returns milliseconds from now */
export function durationMs(text: string, now: number): number {
  const match = /^(\d{1,9})(s|m|h|d)$/.exec(text)
  const unit = match?.[2]
  if (match?.[1] !== undefined && unit !== undefined) return Number(match[1]) * (UNIT_MS[unit] ?? 1)
  const at = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) {
    throw new RequestInvalidError(`not a duration like 72h, nor a time: ${JSON.stringify(text)}`)
  }
  if (at <= now) throw new RequestInvalidError(`the time ${text} has passed`)
  return at - now
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** An object without the fields that are undefined (`exactOptionalPropertyTypes`). */
export function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}
