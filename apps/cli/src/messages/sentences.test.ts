/** Sentences of the API that the command line says in another language: each is one that the API says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAst } from 'rolldown/parseAst'
import { describe, expect, it } from 'vitest'
import { sentences } from './pt-br/sentences.ts'
import { createTranslator } from './sentences.ts'

const core = join(import.meta.dirname, '..', '..', '..', '..', 'packages', 'core', 'src')
const SOURCES = [
  ...[
    'status',
    'path-report',
    'feed-warnings',
    'key-checks',
    'chunk-checks',
    'copy-warnings',
    'integrity-warnings',
  ].map((name) => `node/${name}.ts`),
  'replication/leave.ts',
  'membership/commands.ts',
]

function* textsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  const {
    type,
    value: text,
    quasis,
  } = value as { type?: string; value?: unknown; quasis?: { value: { cooked: string } }[] }
  if (type === 'Literal' && typeof text === 'string') yield text
  if (type === 'TemplateLiteral' && quasis !== undefined) yield quasis.map(({ value }) => value.cooked).join('{}')
  for (const each of Object.values(value)) for (const part of Array.isArray(each) ? each : [each]) yield* textsIn(part)
}

const said = SOURCES.flatMap((file) => [...textsIn(parseAst(readFileSync(join(core, file), 'utf8'), { lang: 'ts' }))])

/** Whether the sources say it, as a whole or put together of what they say. */
function isSaid(english: string): boolean {
  if (said.includes(english)) return true
  return said.some((text) => {
    const parts = text.split('{}')
    if (parts.length < 2 || parts.join('').trim().length < 3) return false
    let at = 0
    return parts.every((part) => {
      const found = english.indexOf(part, at)
      at = found + part.length
      return found >= 0
    })
  })
}

it.each(sentences)('%s is what the API says', (english, other) => {
  expect(isSaid(english)).toBe(true)
  expect(other.split('{}').length).toBe(english.split('{}').length)
})

it('are no others', () => {
  expect(isSaid('this is not said anywhere')).toBe(false)
  expect(new Set(sentences.map(([english]) => english)).size).toBe(sentences.length)
})

describe('a sentence', () => {
  const translate = createTranslator(sentences, (text) => (text === 'none' ? 'nenhum' : text))
  it.each([
    ['the network has only one admin', 'a rede tem só um administrador'],
    ['listening on /ip4/127.0.0.1/tcp/1', 'escutando em /ip4/127.0.0.1/tcp/1'],
    ['-3 ms off from 1 other branch', '-3 ms de diferença para 1 outra filial'],
    [
      'this node serves as relay (TCP public, UDP none; relay: server; NAT: none)',
      'este nó serve de relay (TCP public, UDP nenhum; relay: server; NAT: nenhum)',
    ],
    ['something new in 2030', 'something new in 2030'],
    ['none', 'none'],
  ])('%s', (english, other) => expect(translate(english)).toBe(other))
})
