/**
 * What a decoded value must look like, said once: a shape checks, bounds and types it. Unknown keys are refused, so a
 * format has no room for what its spec does not name.
 */
import type { CborValue } from './cbor.ts'
import { DecodeError } from './errors.ts'

export interface Shape<T> {
  /**
   * @param name of the value, in the error
   * @throws {DecodeError} naming the path of the first thing that is wrong
   */
  (value: CborValue | undefined, name?: string): T
  readonly isOptional?: boolean
}

export type ShapeOf<S> = S extends Shape<infer T> ? T : never

type Fields = Record<string, Shape<unknown>>
type OptionalKeys<F extends Fields> = { [K in keyof F]: undefined extends ShapeOf<F[K]> ? K : never }[keyof F]
type ObjectOf<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: ShapeOf<F[K]> } & {
  [K in OptionalKeys<F>]?: Exclude<ShapeOf<F[K]>, undefined>
}

export function bytes(length: number): Shape<Uint8Array> {
  return (value, path = '') => {
    if (!(value instanceof Uint8Array) || value.length !== length) throw wrong(path, `${length} bytes`)
    return value
  }
}

export function bytesUpTo(max: number): Shape<Uint8Array> {
  return (value, path = '') => {
    if (!(value instanceof Uint8Array) || value.length > max) throw wrong(path, `at most ${max} bytes`)
    return value
  }
}

/** Length in UTF-16 units, as in the limits that users see. */
export function text(max: number, min = 0): Shape<string> {
  return (value, path = '') => {
    if (typeof value !== 'string' || value.length > max || value.length < min)
      throw wrong(path, `text of ${min} to ${max}`)
    return value
  }
}

export function uint(max = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, path = '') => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw wrong(path, `an integer from 0 to ${max}`)
    }
    return value
  }
}

export const bool: Shape<boolean> = (value, path = '') => {
  if (typeof value !== 'boolean') throw wrong(path, 'true or false')
  return value
}

export function oneOf<const T extends string>(...allowed: T[]): Shape<T> {
  return (value, path = '') => {
    if (typeof value !== 'string' || !allowed.includes(value as T)) throw wrong(path, `one of ${allowed.join(', ')}`)
    return value as T
  }
}

export function array<T>(item: Shape<T>, max: number): Shape<T[]> {
  return (value, path = '') => {
    if (!Array.isArray(value) || value.length > max) throw wrong(path, `a list of at most ${max}`)
    const items: T[] = []
    try {
      for (const each of value) items.push(item(each as CborValue))
    } catch (error) {
      throw within(error, `${path}[${items.length}]`)
    }
    return items
  }
}

/** A fixed list of differently shaped items. */
export function tuple<const S extends readonly Shape<unknown>[]>(
  ...items: S
): Shape<{ -readonly [K in keyof S]: ShapeOf<S[K]> }> {
  return (value, path = '') => {
    if (!Array.isArray(value) || value.length !== items.length) throw wrong(path, `a list of ${items.length}`)
    const checked: unknown[] = []
    try {
      for (const item of items) checked.push(item(value[checked.length] as CborValue))
    } catch (error) {
      throw within(error, `${path}[${checked.length}]`)
    }
    return checked as never
  }
}

export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  const check: Shape<T | undefined> = (value, path) => (value === undefined ? undefined : shape(value, path))
  return Object.assign(check, { isOptional: true })
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path))
}

export function object<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  const known = Object.entries(fields)
  return (value, path = '') => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      throw wrong(path, 'a map')
    }
    const map = value as Record<string, CborValue>
    const result: Record<string, unknown> = {}
    let at = ''
    let found = 0
    try {
      for (const [key, shape] of known) {
        at = key
        const isThere = Object.hasOwn(map, key)
        if (isThere) found += 1
        const checked = shape(isThere ? map[key] : undefined)
        if (checked !== undefined) result[key] = checked
      }
    } catch (error) {
      throw within(error, `${path}.${at}`)
    }
    const keys = Object.keys(map)
    if (keys.length > found) {
      const unknown = keys.find((key) => !Object.hasOwn(fields, key)) ?? ''
      throw wrong(`${path}.${unknown}`, 'absent')
    }
    return result as ObjectOf<F>
  }
}

/** Paths are put together when something is wrong, and only then: most values are right. */
class ShapeError extends DecodeError {
  readonly path: string
  readonly expected: string
  constructor(path: string, expected: string) {
    super(`${path || 'value'} must be ${expected}`)
    this.path = path
    this.expected = expected
  }
}

function within(error: unknown, path: string): unknown {
  return error instanceof ShapeError ? new ShapeError(`${path}${error.path}`, error.expected) : error
}

function wrong(path: string, expected: string): DecodeError {
  return new ShapeError(path, expected)
}
