/**
 * What people read. Names come from other branches: whatever could steer a terminal or hide what it says is shown
 * escaped before it is printed.
 */

import { stripVTControlCharacters } from 'node:util'
import { showText } from '@malote/core/show-text'
import { type Messages, say } from '../messages/index.ts'
import { createTranslator } from '../messages/sentences.ts'

export { showText }

/** @param decimal between the whole and the tenths */
export function formatBytes(bytes: number, decimal = '.'): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1).replace('.', decimal)} ${units[unit]}`
}

/** As people read it, in the language that is spoken. */
export function sizeText(bytes: number): string {
  return formatBytes(bytes, say().decimal)
}

export function rateText(bytesPerSecond: number): string {
  return `${sizeText(bytesPerSecond)}/s`
}

/** A word of the API, as people read it. */
export function wordText(word: string): string {
  return Object.hasOwn(say().words, word) ? (say().words[word] ?? word) : word
}

let translator: { readonly of: Messages; readonly translate: (text: string) => string } | undefined

/** A whole sentence of the API, as people read it; English where it is not known. */
export function sentenceText(text: string): string {
  const of = say()
  if (translator?.of !== of) {
    const valueText = (value: string) => wordText(value).replace(/^(\d+)\.(\d [KMGT]iB)$/, `$1${of.decimal}$2`)
    translator = { of, translate: createTranslator(of.sentences, valueText) }
  }
  return translator.translate(text)
}

/** A line each: a title, and what it is. */
export function formatLines(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(TITLE_WIDTH, ...lines.map(([title]) => title.length))
  return lines.map(([title, value]) => `${title.padEnd(width)} ${showText(value)}`).join('\n')
}

export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'left' | 'right'
}

const GAP = 2
/** Of a line with a title; characters. */
const TITLE_WIDTH = 9
const MIN_WIDTH = 8

/** A table that fits the terminal: where it does not, the widest columns are cut with an ellipsis. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string {
  const cells = rows.map((row) => columns.map((column) => showText(column.value(row))))
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...cells.map((line) => displayWidth(line[at] ?? ''))),
  )
  for (let over = total(widths) - width; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] ?? 0) <= MIN_WIDTH) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  const line = (texts: readonly string[]) =>
    texts
      .map((text, at) => pad(fitText(text, widths[at] ?? 0), widths[at] ?? 0, columns[at]?.align ?? 'left'))
      .join(' '.repeat(GAP))
      .trimEnd()
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join('\n')
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each, 0) + GAP * (widths.length - 1)
}

/** Terminal columns: wide East Asian characters and emoji take two, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of stripVTControlCharacters(text)) {
    if (/\p{M}/u.test(character)) continue
    width += /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(
      character,
    )
      ? 2
      : 1
  }
  return width
}

/** Cut with an ellipsis where it is wider. */
export function fitText(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  for (const character of text) {
    if (displayWidth(kept + character) > width - 1) break
    kept += character
  }
  return `${kept}…`
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'left' ? text + space : space + text
}
