import { describe, expect, it } from 'vitest'
import { speak } from '../messages/index.ts'
import { displayWidth, formatBytes, formatDuration, formatTable, showText } from './terminal.ts'

await speak('en')

describe('showText', () => {
  it.each([
    ['plain', 'plain'],
    ['árvore 🏖', 'árvore 🏖'],
    ['\u202eexe.gpj', '\\u{202e}exe.gpj'],
    ['a\u200bb', 'a\\u{200b}b'],
    ['\x1b[31mred', '\\u{1b}[31mred'],
    ['line\nbreak', 'line\\u{a}break'],
  ])('%j is shown as %j', (name, shown) => expect(showText(name)).toBe(shown))
})

describe('formatTable', () => {
  const columns = [
    { title: 'NAME', value: (row: { name: string; size: number }) => row.name },
    { title: 'SIZE', value: (row: { name: string; size: number }) => String(row.size), align: 'right' as const },
  ]

  it('aligns, and leaves no spaces at the end', () => {
    expect(
      formatTable(
        [
          { name: 'a', size: 5 },
          { name: 'árvore', size: 10 },
        ],
        columns,
        80,
      ),
    ).toBe('NAME    SIZE\na          5\nárvore    10')
  })

  it('fits the terminal', () => {
    const table = formatTable([{ name: 'n'.repeat(300), size: 1 }], columns, 40)
    for (const line of table.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40)
    expect(table).toContain('…')
  })
})

describe('figures', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [3 * 1024 ** 3, '3.0 GiB'],
  ])('%i bytes: %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))
  it.each([
    [0.2, '1 s'],
    [61, '1 min 1 s'],
    [3700, '1 h 1 min'],
  ])('%f seconds: %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text))
})
