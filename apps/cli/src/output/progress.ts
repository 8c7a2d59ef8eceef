/** One line on stderr that is written over; nothing at all when nobody watches. */
import { say } from '../messages/index.ts'
import { fitText, formatDuration, rateText, showText, sizeText } from './terminal.ts'

const REDRAW_MS = 100
const BAR = 16

export interface Progress {
  /** @param total null when it is not known beforehand */
  update(done: number, total: number | null, note?: string): void
  /** Takes the line away. */
  end(): void
}

export function createProgress(label: string, options: { enabled: boolean; unit?: 'bytes' | 'count' }): Progress {
  const stream = process.stderr
  if (!options.enabled || !stream.isTTY || (process.env.NO_COLOR ?? '') !== '') return { update() {}, end() {} }
  const began = Date.now()
  let drawn = 0
  return {
    update(done, total, note = '') {
      const now = Date.now()
      if (now - drawn < REDRAW_MS && (total === null || done < total)) return
      drawn = now
      const seconds = (now - began) / 1000
      const text = progressText({ done, total, seconds, unit: options.unit ?? 'bytes' })
      const line = `${showText(label)} ${text}${note === '' ? '' : `  ${showText(note)}`}`
      stream.write(`\r\x1b[K${fitText(line, (stream.columns || 80) - 1)}`)
    },
    end() {
      if (drawn > 0) stream.write('\r\x1b[K')
    },
  }
}

/** Bar, share, bytes, speed and time left, as far as they are known. */
export function progressText(state: {
  done: number
  total: number | null
  seconds: number
  unit: 'bytes' | 'count'
}): string {
  const { done, total, seconds, unit } = state
  const rate = seconds > 0.2 && unit === 'bytes' ? done / seconds : 0
  const speed = rate > 0 ? `  ${rateText(Math.round(rate))}` : ''
  const figure = (value: number) => (unit === 'count' ? String(value) : sizeText(value))
  if (total === null) return `${figure(done)}${speed}`
  const share = total > 0 ? Math.min(1, done / total) : 0
  const bar = '█'.repeat(Math.round(share * BAR)).padEnd(BAR, '·')
  const left =
    rate > 0 && total > done ? `  ${say().progress.left({ time: formatDuration((total - done) / rate) })}` : ''
  const figures = say().progress.of({ done: figure(done), total: figure(total) })
  return `${bar} ${Math.floor(share * 100)} %  ${figures}${speed}${left}`
}
