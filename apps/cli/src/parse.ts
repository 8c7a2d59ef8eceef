/** Durations, sizes and rates as people type them. */

import { UsageError } from './errors.ts'
import { say } from './messages/index.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `72h`, `30m`, `90s` in milliseconds. @throws {UsageError} */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  const factor = unit === undefined ? undefined : UNITS[unit]
  if (number === undefined || factor === undefined)
    throw new UsageError(say().wrong.duration({ given: JSON.stringify(text) }))
  return Math.round(Number(number) * factor)
}

/** Caps below this (bytes a second) are no caps that anybody means. */
const MIN_RATE = 1024

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 1024,
  m: 1e6,
  mb: 1e6,
  mib: 1024 ** 2,
  g: 1e9,
  gb: 1e9,
  gib: 1024 ** 3,
  t: 1e12,
  tb: 1e12,
  tib: 1024 ** 4,
}

/** `500GB`, `2TiB`, plain bytes. @throws {UsageError} */
export function parseSize(text: string): number {
  const size = sizeOf(text)
  if (size === null) throw new UsageError(say().wrong.size({ given: JSON.stringify(text) }))
  return size
}

function sizeOf(text: string): number | null {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const factor = unit === undefined ? undefined : SIZES[unit.toLowerCase()]
  return number === undefined || factor === undefined ? null : Math.round(Number(number) * factor)
}

/** Which offered files are accepted without asking: `ask` (none), `fits`, or those up to a size. @throws {UsageError} */
export function parseHandoffs(text: string): { accept: 'ask' | 'fits'; maxBytes: number | null } {
  if (text === 'ask' || text === 'fits') return { accept: text, maxBytes: null }
  return { accept: 'fits', maxBytes: parseSize(text) }
}

/** `10MB/s` in bytes per second; null for `unlimited`. @throws {UsageError} */
export function parseRate(text: string): number | null {
  if (text === 'unlimited') return null
  const rate = sizeOf(text.replace(/\/s$/i, ''))
  const given = JSON.stringify(text)
  if (rate === null) throw new UsageError(say().wrong.rate({ given }))
  if (rate === 0) throw new UsageError(say().wrong.zeroRate)
  // the unit forgotten: nobody wants ten bytes a second
  if (rate < MIN_RATE) throw new UsageError(say().wrong.lowRate({ given }))
  return rate
}

/** As `parseRate`, in an object: of an option's value commander takes null for an empty text. @throws {UsageError} */
export function parseRateOption(text: string): { perSecond: number | null } {
  return { perSecond: parseRate(text) }
}

/** `tcp`, `udp`, or both with a comma between them. @throws {UsageError} */
export function parseTransports(text: string): ('tcp' | 'udp')[] {
  const names = text.split(',').map((name) => name.trim())
  const known = names.filter((name) => name === 'tcp' || name === 'udp')
  if (known.length < names.length) throw new UsageError(say().wrong.transports({ given: JSON.stringify(text) }))
  return [...new Set(known)]
}

/** `127.0.0.1:7373`, `[::1]:0`. @throws {UsageError} */
export function parseHostPort(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  if (host === undefined || port === undefined || Number(port) > 65_535)
    throw new UsageError(say().wrong.address({ given: JSON.stringify(text) }))
  return { host, port: Number(port) }
}

/** @throws {UsageError} */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(say().wrong.port({ given: JSON.stringify(text) }))
  return Number(text)
}

/** @throws {UsageError} */
export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(say().wrong.count({ given: JSON.stringify(text) }))
  return Number(text)
}

/** A whole number from 1. @throws {UsageError} */
export function parsePositive(text: string): number {
  const count = parseCount(text)
  if (count === 0) throw new UsageError(say().wrong.positive({ given: JSON.stringify(text) }))
  return count
}
