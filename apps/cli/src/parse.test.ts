import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from './errors.ts'
import { speak } from './messages/index.ts'
import {
  parseCount,
  parseDuration,
  parseHandoffs,
  parseHostPort,
  parsePort,
  parsePositive,
  parseRate,
  parseRateOption,
  parseSize,
  parseTransports,
} from './parse.ts'

await speak('en')

describe('parseDuration', () => {
  it.each([
    ['72h', 259_200_000],
    ['30m', 1_800_000],
    [' 90s ', 90_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['7d', 604_800_000],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))
  it.each(['', '72', 'h', '-1h', '1 h', '1w', '1h30m', 'Infinityh', '1e3s'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError)
  })
})

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['1024', 1024],
    ['500GB', 500e9],
    ['2TiB', 2 * 1024 ** 4],
    ['1.5 MiB', 1_572_864],
    ['10k', 10_000],
  ])('%s is %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))
  it.each(['', 'GB', '-1', '1XB', '1,5GB', '0x10', '1PB'])('refuses %j', (text) => {
    expect(() => parseSize(text)).toThrow(UsageError)
  })
})

describe('parseHandoffs', () => {
  it.each([
    ['ask', { accept: 'ask', maxBytes: null }],
    ['fits', { accept: 'fits', maxBytes: null }],
    ['2GB', { accept: 'fits', maxBytes: 2e9 }],
  ])('%s', (text, rule) => expect(parseHandoffs(text)).toEqual(rule))
  it('refuses other words', () => expect(() => parseHandoffs('never')).toThrow(UsageError))
})

describe('parseRate', () => {
  it.each([
    ['10MB/s', 10e6],
    ['512KiB/s', 524_288],
    ['1024', 1024],
    ['unlimited', null],
  ])('%s is %s', (text, rate) => expect(parseRate(text)).toBe(rate))
  it.each(['', '0', '0MB/s', '10MB/min', 'fast', '/s', '10', '1000', '-5MB'])('refuses %j', (text) => {
    expect(() => parseRate(text)).toThrow(UsageError)
  })
})

it('an unlimited rate is something for commander, too', async () => {
  const { Command } = await import('commander')
  const limit = (text: string) =>
    new Command().option('--limit <rate>', '', parseRateOption).parse(['--limit', text], { from: 'user' }).opts().limit
  expect(limit('unlimited')).toEqual({ perSecond: null })
  expect(limit('1MB/s')).toEqual({ perSecond: 1e6 })
})

describe('parseHostPort', () => {
  it.each([
    ['127.0.0.1:7373', { host: '127.0.0.1', port: 7373 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ])('%s', (text, parsed) => expect(parseHostPort(text)).toEqual(parsed))
  it.each(['', '7373', ':7373', '127.0.0.1', '127.0.0.1:65536', '::1:80', '[::1]', 'a:b'])('refuses %j', (text) => {
    expect(() => parseHostPort(text)).toThrow(UsageError)
  })
})

describe('numbers', () => {
  it('take what is whole and no more', () => {
    fc.assert(fc.property(fc.nat(65_535), (port) => parsePort(String(port)) === port))
    fc.assert(fc.property(fc.maxSafeNat(), (count) => count >= 1e15 || parseCount(String(count)) === count))
    for (const text of ['', '-1', '1.5', '65536', '1e3', ' 1']) expect(() => parsePort(text)).toThrow(UsageError)
    for (const text of ['', '-1', '1.5', '9'.repeat(16)]) expect(() => parseCount(text)).toThrow(UsageError)
    for (const text of ['0', '00', '-1']) expect(() => parsePositive(text)).toThrow(UsageError)
    expect(parsePositive('3')).toBe(3)
  })
})

describe('parseTransports', () => {
  it('takes one or both', () => {
    expect(parseTransports('tcp')).toEqual(['tcp'])
    expect(parseTransports('udp, tcp,udp')).toEqual(['udp', 'tcp'])
    for (const text of ['', 'quic', 'tcp,', 'TCP']) expect(() => parseTransports(text)).toThrow(UsageError)
  })
})
