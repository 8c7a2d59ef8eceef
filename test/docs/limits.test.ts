/** docs/LIMITS.md and the code say the same: every value in its tables is compared with the constant that it names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  days: 86_400_000,
}

interface Row {
  limit: string
  value: string
  file: string
  name: string
}

const rows = readFileSync(join(repository, 'docs', 'LIMITS.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| limit'))
  .flatMap((line): Row[] => {
    const [, limit = '', value = '', where = ''] = line.split('|').map((cell) => cell.trim())
    return [...where.matchAll(/`([^`]+\.ts)` `([^`]+)`/g)].map(([, file = '', name = '']) => ({
      limit,
      value,
      file,
      name,
    }))
  })

/** The number that a cell means, in bytes or milliseconds; null for what is told in words. */
function meant(value: string): number | null {
  const [, digits, unit] = /^([\d,]+)(?: (\w+))?$/.exec(value) ?? []
  if (digits === undefined) return null
  const factor = unit === undefined ? 1 : UNITS[unit]
  if (factor === undefined) throw new Error(`unknown unit in "${value}"`)
  return Number(digits.replaceAll(',', '')) * factor
}

/** The value of a constant, computed from its text; `OBJECT.key` is a number inside an object. */
function numberOf(source: string, name: string): number {
  const [constant = '', key] = name.split('.')
  const declared = new RegExp(`const ${constant}\\b[^=\\n]*=\\s*([\\s\\S]*?)(?=\\n(?:\\S|$))`).exec(source)?.[1]
  if (declared === undefined) throw new Error(`no constant ${constant}`)
  const text = key === undefined ? declared : new RegExp(`\\b${key}: ([^,}\\n]+)`).exec(declared)?.[1]
  if (text === undefined) throw new Error(`no ${key} in ${constant}`)
  const numbers = text.replace(/\b[A-Z][A-Z0-9_]*\b/g, (other) => String(numberOf(source, other)))
  return runInNewContext(numbers)
}

describe('docs/LIMITS.md', () => {
  it('has tables', () => expect(rows.length).toBeGreaterThan(150))

  it.each(rows)('$file $name: $value', ({ file, name, value }) => {
    const path = /^(?:packages|apps)\//.test(file) ? file : join('packages', 'core', 'src', file)
    const source = readFileSync(join(repository, path), 'utf8')
    const number = meant(value)
    if (number === null || /^[a-z]/.test(name)) expect(source).toContain(name)
    else expect(numberOf(source, name)).toBe(number)
  })
})
