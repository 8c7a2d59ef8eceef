/**
 * What a decoded value must look like, said once: a shape checks, bounds and types it. Unknown keys are refused, so a
 * format has no room for what its spec does not name.
 */
import type { CborValue } from './cbor.ts'
import { DecodeError } from './errors.ts'

export interface Shape<T> {
  /** @throws {DecodeError} naming the path of the first thing that is wrong */
  (value: CborValue | undefined, path?: string): T
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
    return value.map((each, index) => item(each as CborValue, `${path}[${index}]`))
  }
}

/** A fixed list of differently shaped items. */
export function tuple<const S extends readonly Shape<unknown>[]>(
  ...items: S
): Shape<{ -readonly [K in keyof S]: ShapeOf<S[K]> }> {
  return (value, path = '') => {
    if (!Array.isArray(value) || value.length !== items.length) throw wrong(path, `a list of ${items.length}`)
    return items.map((item, index) => item(value[index] as CborValue, `${path}[${index}]`)) as never
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
  return (value, path = '') => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      throw wrong(path, 'a map')
    }
    const map = value as Record<string, CborValue>
    for (const key of Object.keys(map)) if (!Object.hasOwn(fields, key)) throw wrong(`${path}.${key}`, 'absent')
    const result: Record<string, unknown> = {}
    for (const [key, shape] of Object.entries(fields)) {
      const field = Object.hasOwn(map, key) ? map[key] : undefined
      const checked = shape(field, `${path}.${key}`)
      if (checked !== undefined) result[key] = checked
    }
    return result as ObjectOf<F>
  }
}

function wrong(path: string, expected: string): DecodeError {
  return new DecodeError(`${path || 'value'} must be ${expected}`)
}
