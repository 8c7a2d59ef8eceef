import { ConnectionLostError, NotRunningError, ProblemError } from '@malote/client'
import { describe, expect, it } from 'vitest'
import { InterruptedError, OutputError, problemOf, toldOf, UsageError } from './errors.ts'

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
    [new NotRunningError('nothing answers'), { code: 'not-running', status: 0, detail: 'nothing answers' }],
    [new ConnectionLostError(null), { code: 'not-running', advice: expect.stringContaining('malote status') }],
    [new UsageError('no'), { type: 'about:blank', title: 'Usage', status: 0, code: 'usage', detail: 'no' }],
    [new OutputError('conflict', 'there already', { path: '/x' }), { code: 'conflict', path: '/x' }],
    [new InterruptedError(), { code: 'interrupted', detail: 'interrupted' }],
    [new DOMException('aborted', 'AbortError'), { code: 'interrupted' }],
    [new DOMException('late', 'TimeoutError'), { code: 'timeout' }],
    [Object.assign(new Error('no space'), { code: 'ENOSPC' }), { code: 'disk-full' }],
    [Object.assign(new Error('listen'), { code: 'EADDRINUSE' }), { code: 'conflict' }],
    [Object.assign(new Error('an SDK error'), { code: 'locked', details: { folder: '/x' } }), { folder: '/x' }],
    [new Error('a fault'), { code: 'internal', detail: 'a fault' }],
    ['thrown text', { code: 'internal', detail: 'thrown text' }],
  ])('of %s', (error, expected) => expect(problem(error)).toMatchObject(expected))
})
