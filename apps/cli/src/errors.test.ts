import { ConnectionLostError, NotRunningError, ProblemError } from '@malote/client'
import { describe, expect, it } from 'vitest'
import {
  detailOf,
  InterruptedError,
  NoVersionError,
  noteSubject,
  OutputError,
  problemOf,
  toldOf,
  UsageError,
} from './errors.ts'
import { speak } from './messages/index.ts'

await speak('en')

const problem = (error: unknown) => problemOf(toldOf(error))

describe('the problem document', () => {
  it('of the server stays as it is', () => {
    const document = {
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code: 'ambiguous',
      detail: 'two files',
      advice: 'Give more of the id.',
      candidates: ['a', 'b'],
    }
    expect(problem(new ProblemError(document))).toEqual(document)
  })

  it('has no advice where there is none', () => {
    const document = { code: 'not-found', status: 404, detail: 'no such file', advice: undefined }
    expect(Object.keys(problem(new ProblemError(document)))).not.toContain('advice')
  })

  it.each([
    [
      new NotRunningError('nothing answers', { reason: 'nothing-answers' }),
      { code: 'not-running', status: 0, detail: 'nothing answers' },
    ],
    [new ConnectionLostError(null), { code: 'not-running', advice: expect.stringContaining('malote status') }],
    [new UsageError('no'), { type: 'about:blank', title: 'Usage', status: 0, code: 'usage', detail: 'no' }],
    [new OutputError('conflict', 'there already', { path: '/x' }), { code: 'conflict', path: '/x' }],
    [new InterruptedError(), { code: 'interrupted', detail: 'interrupted' }],
    [new DOMException('aborted', 'AbortError'), { code: 'interrupted' }],
    [new DOMException('late', 'TimeoutError'), { code: 'timeout' }],
    [Object.assign(new Error('no space'), { code: 'ENOSPC' }), { code: 'disk-full' }],
    [Object.assign(new Error('listen'), { code: 'EADDRINUSE' }), { code: 'usage' }],
    [Object.assign(new Error('an SDK error'), { code: 'locked', details: { folder: '/x' } }), { folder: '/x' }],
    [new Error('a fault'), { code: 'internal', detail: 'a fault' }],
    ['thrown text', { code: 'internal', detail: 'thrown text' }],
  ])('of %s', (error, expected) => expect(problem(error)).toMatchObject(expected))
})

describe('the name that the user typed', () => {
  const id = '0123456789abcdef0123456789abcdef'
  const told = (detail: string, typed?: string) => {
    const error = new Error(detail)
    if (typed !== undefined) noteSubject(error, typed)
    return detailOf(error, detail)
  }
  it.each([
    [`${id} is not yours`, 'a.png', 'a.png is not yours'],
    [`${id} is not yours`, '01234567', `${id} is not yours`],
    ['a.png is not yours', 'a.png', 'a.png is not yours'],
    [`${id} is not yours`, '$&.png', '$&.png is not yours'],
    ['the disk is full', 'a.png', 'the disk is full'],
    [`${id} is not yours`, undefined, `${id} is not yours`],
  ])('%s, of %s', (detail, typed, expected) => expect(told(detail, typed)).toBe(expected))
})

describe('what the node reports', () => {
  const report = {
    code: 'not-owner',
    status: 403,
    detail: 'only the branch that owns 12 may do this',
    reason: 'not-owner',
  }
  const told = async (fields: Record<string, unknown>) => {
    await speak('pt-BR')
    try {
      return toldOf(new ProblemError({ ...report, ...fields }))
    } finally {
      await speak('en')
    }
  }
  it('is said in the language that is spoken', async () => {
    expect((await told({ file: '12' })).detail).toBe('só a filial dona de 12 pode fazer isso, da máquina atual dela')
    expect(await told({ reason: 'file-deleted', file: '12', advice: 'Restore it.' })).toMatchObject({
      code: 'not-owner',
      detail: '12 está na lixeira',
      advice: 'Traga de volta antes: `malote restore`.',
    })
  })
  it('stays English where the reason or one of its values is not known', async () => {
    const english = { detail: report.detail, advice: 'Ask.' }
    expect(await told({ reason: 'new-in-2030', advice: 'Ask.' })).toMatchObject(english)
    expect(await told({ reason: '__proto__', advice: 'Ask.' })).toMatchObject(english)
    expect(await told({ advice: 'Ask.' })).toMatchObject(english)
  })
})

it('lists the versions that there are', () => {
  expect(new NoVersionError('a', 9, [2, 1, 3, 7]).message).toBe('a has no version 9; there are 1 to 3, 7')
  expect(new NoVersionError('a', 9, [1]).message).toBe('a has no version 9; there is 1')
})
