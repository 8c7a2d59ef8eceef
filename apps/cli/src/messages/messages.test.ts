/** The catalogue: nothing is lost on the way into another language. */
import { describe, expect, it } from 'vitest'
import { messages as english } from './en.ts'
import { messages as portuguese } from './pt-br.ts'

/** Each message by its path: a text, or a function of values. */
function flat(value: unknown, path = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([key, each]) => flat(each, path === '' ? key : `${path}.${key}`))
}

/** Stands for the values of a message: each is a text with its name, or what it is told to be. */
function marked(used: Set<string>, all?: unknown): unknown {
  const get = (_target: object, name: string) => {
    used.add(name)
    return all ?? `⟦${name}⟧`
  }
  return new Proxy({}, { get })
}

/** What is said, and which values it looked at. */
function said(message: unknown, all?: unknown): { text: string; used: Set<string> } {
  const used = new Set<string>()
  const text = typeof message === 'function' ? message(marked(used, all)) : message
  return { text: String(text), used }
}

/** In no language another: names, signs and words that both have. */
const SAME = new Set([
  'columns.id',
  'columns.v',
  'columns.n',
  'columns.seq',
  'files.id',
  'upload.stdin',
  'status.nodeText',
])

const other = new Map(flat(portuguese))
/** Words of the API are English; they are only in the other catalogue. */
const shared = flat(english)

describe.each([
  ['English', english],
  ['Portuguese', portuguese],
])('in %s', (_language, messages) => {
  // failures are looked at in reasons.test.ts: what they say depends on their values
  it.each(flat(messages).filter(([path]) => !path.startsWith('errors.')))(
    '%s says each of its values',
    (_path, message) => {
      const { text, used } = said(message)
      expect(text).not.toMatch(/undefined|\[object|NaN|null/)
      expect(text.trim()).not.toBe('')
      for (const name of used) expect(text).toContain(`⟦${name}⟧`)
    },
  )
})

it.each(shared)('%s has the same values in both languages, and other words', (path, message) => {
  const [here, there] = [said(message), said(other.get(path))]
  expect([...there.used].sort()).toEqual([...here.used].sort())
  if (SAME.has(path)) expect(there.text).toBe(here.text)
  else expect(there.text).not.toBe(here.text)
  if (here.used.size > 0) expect(said(other.get(path), 1).text).not.toContain('⟦')
})

it('names commands and options alike in both languages', () => {
  const names = (text: string) => (text.match(/--[a-z][a-z-]+|"malote [a-z]+|MALOTE_\w+/g) ?? []).sort()
  for (const [path, message] of shared)
    expect(names(said(other.get(path)).text), path).toEqual(names(said(message).text))
})
