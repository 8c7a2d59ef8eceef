/** What reads the guides notices what is not so. */
import { describe, expect, it } from 'vitest'
import { type Bindings, matchOutput, realCommand, stepsOf } from './guide.ts'

const none: Bindings = new Map()
const peer = (letter: string) => `12D3KooW${letter.repeat(44)}`
const match = (shown: string, printed: string, bindings = none) => matchOutput(shown.split('\n'), printed, bindings)

describe('the commands of a page', () => {
  it('are those of its console blocks, with the machine that they name', () => {
    const text = [
      'Type `$ no`:',
      '```console',
      '$ malote ls',
      'no files',
      '```',
      '<!-- console Rio',
      '$ touch a',
      '-->',
      '```sh',
      '$ no',
      '```',
    ].join('\n')
    expect(stepsOf('a.md', text)).toEqual([
      { at: 'a.md:3', machine: 'São Paulo', command: 'malote ls', expected: ['no files'], isShown: true },
      { at: 'a.md:7', machine: 'Rio', command: 'touch a', expected: [], isShown: false },
    ])
  })

  it('are complete', () => {
    expect(() => stepsOf('a.md', '```console\nno files\n```')).toThrow('a.md:2: output without a command')
    expect(() => stepsOf('a.md', '```console\n$ malote ls')).toThrow('does not end')
  })
})

describe('what was printed', () => {
  it.each([
    ['no files', 'no files\n'],
    ['', ''],
    ['ready: API at http://127.0.0.1:7373, node …', 'ready: API at http://127.0.0.1:40001, node 12D3\n'],
    ['id    1f2e3d4c5b6a', 'id  abcdefabcdef\n'],
    ['first\n…\nlast', 'first\n2\n3\nlast\n'],
    ['first\n…\nlast', 'first\nlast\n'],
    ['open  2026-01-02T03:04:05.678Z', 'open      2027-11-12T13:14:15.000Z   \n'],
    ['disk  1.0 KiB used, 9.5 GiB free', 'disk  1.0 KiB used, 912 MiB free\n'],
  ])('%j may be %j', (shown, printed) => expect(match(shown, printed)).not.toBeNull())

  it.each([
    ['no files', 'no file\n'],
    ['no files', 'no files\nmore\n'],
    ['no files', ''],
    ['', 'something\n'],
    ['a  b', 'a b\n'],
    ['a.b', 'a-b\n'],
    ['id  1f2e3d4c5b6a', 'id  abcdefabcdefabcd\n'],
    ['id  1f2e3d4c5b6a', 'id  poster\n'],
    ['first\n…\nlast', 'first\nlast but one\n'],
    ['open  2026-01-02T03:04:05.678Z', 'open  tomorrow\n'],
    ['disk  1.0 KiB used, 9.5 GiB free', 'disk  2.0 KiB used, 9.5 GiB free\n'],
  ])('%j is not %j', (shown, printed) => expect(match(shown, printed)).toBeNull())

  it('has the same id where the page has', () => {
    const shown = '12D3KooWaaa… and 12D3KooWbbb… and 12D3KooWaaa…'
    expect(match(shown, `${peer('x')} and ${peer('y')} and ${peer('x')}\n`)?.get('12D3KooWbbb…')).toBe(peer('y'))
    expect(match(shown, `${peer('x')} and ${peer('y')} and ${peer('z')}\n`)).toBeNull()
  })

  it('has the id that an earlier command has printed', () => {
    const bindings = match('1f2e3d4c5b6a', 'abcdefabcdef\n') ?? none
    expect(match('1f2e3d4c5b6a', 'abcdefabcdef\n', bindings)).not.toBeNull()
    expect(match('1f2e3d4c5b6a', '0123456789ab\n', bindings)).toBeNull()
    expect(realCommand('malote show 1f2e3d4c5b6a', bindings)).toBe('malote show abcdefabcdef')
  })
})
