/** Every failure that a node or the client can report is said in Portuguese, with values that it has. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MaloteError } from '@malote/core'
import { describe, expect, it } from 'vitest'
import { errors, refusals, whys } from './pt-br/reported.ts'
import { valuesOf } from './reported.ts'

const packages = join(import.meta.dirname, '..', '..', '..', '..', 'packages')

function sourcesOf(name: string): string[] {
  const folder = join(packages, name, 'src')
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts') && !/(?:\.test|testing)\.ts$/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
}

/** As the base class of all failures makes it. */
function reasonOf(name: string): string {
  return Object.assign(new MaloteError('internal', ''), { name }).reason ?? ''
}

const node = [...sourcesOf('core'), ...sourcesOf('api')].join('\n')
const client = sourcesOf('client').join('\n')

interface Failure {
  readonly parent: string
  readonly body: string
}

/** Every class by its name in the sources; `new` ones are found wherever they stand. */
const declared = new Map<string, Failure>()
for (const [body, name = '', parent = ''] of node.matchAll(/class (\w+Error) extends (\w*Error) \{[\s\S]*?\n\}/g)) {
  declared.set(declared.has(name) ? `${name} ` : name, { parent, body })
}

/** Null: it is none of Malote's failures, and stays inside. A class has the values of its parent, too. */
function textOf({ parent, body }: Failure): string | null {
  if (parent === 'MaloteError') return body
  const above = declared.get(parent)
  const text = above === undefined ? null : textOf(above)
  return text === null ? null : body + text
}

/** The text of each class by its reason. One without a name of its own goes by its parent's. */
const classes = new Map<string, string>()
for (const failure of declared.values()) {
  const name = /override name = '(\w+)'/.exec(failure.body)?.[1]
  const text = textOf(failure)
  if (name !== undefined && text !== null) classes.set(reasonOf(name), (classes.get(reasonOf(name)) ?? '') + text)
}
const ofClient = [...client.matchAll(/reason: '([a-z-]+)'/g)].map(([, reason = '']) => reason)

/** The values that a message looks at. */
function namesIn(reason: string): string[] {
  const names = new Set<string>()
  const values = new Proxy({} as Record<string, string>, {
    get(_target, name) {
      names.add(String(name))
      return `⟦${String(name)}⟧`
    },
    has: () => true,
  })
  expect(errors[reason]?.(values).join(' ')).not.toMatch(/undefined|null/)
  return [...names].filter((name) => name !== 'detail')
}

describe('a reason', () => {
  it('is the name of its class, if it has one', () => {
    expect(new MaloteError('internal', '').reason).toBeUndefined()
    expect(reasonOf('FileNotFoundError')).toBe('file-not-found')
    expect(reasonOf('NotAMemberError')).toBe('not-a-member')
    expect(reasonOf('UnreadableError')).toBe('unreadable')
  })

  it('is in the catalogue, and none beside them', () => {
    expect(classes.size).toBeGreaterThan(100)
    expect(ofClient.length).toBeGreaterThan(5)
    expect(Object.keys(errors).sort()).toEqual([...new Set([...classes.keys(), ...ofClient])].sort())
  })

  it.each(Object.keys(errors))('%s is said with values that it has', (reason) => {
    const source = `${classes.get(reason) ?? ''}${ofClient.includes(reason) ? client : ''}`
    for (const name of namesIn(reason)) expect(source).toMatch(new RegExp(`\\b${name}\\b`))
  })
})

it('why something is wrong is said, wherever the sources write it down', () => {
  const classesWithWhy =
    'InviteInvalid|WrongNetwork|SinceInvalid|BranchNameInvalid|RecoveryKeyInvalid|DeniedReceiver|Passphrase'
  const found = [
    ...node.matchAll(new RegExp(`new (?:${classesWithWhy})Error\\('([^']+)'`, 'g')),
    ...node.matchAll(/new NameInvalidError\(\w+, '([^']+)'/g),
  ].map(([, text = '']) => text)
  expect(found.length).toBeGreaterThan(20)
  expect(found.filter((text) => whys[text] === undefined)).toEqual([])
})

it('what the rules refuse is said by its code', () => {
  const codes = [...node.matchAll(/\brefuse\(\s*'([a-z-]+)'/g)].map(([, code = '']) => code)
  expect(codes.length).toBeGreaterThan(30)
  expect([...new Set(codes)].sort()).toEqual(Object.keys(refusals).sort())
})

describe('values', () => {
  const values = valuesOf({ size: 3, none: null, list: ['a', 'b'], members: [{ id: 'x', branch: 'Rio' }, { id: 'y' }] })
  it('are texts', () => {
    expect([values.size, values.list, values.members]).toEqual(['3', 'a, b', 'Rio (x), y'])
    expect('size' in values && !('other' in values)).toBe(true)
  })
  it.each(['other', 'none'])('fail where they are missing: %s', (name) => expect(() => values[name]).toThrow(name))
})
