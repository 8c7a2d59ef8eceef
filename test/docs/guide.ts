/**
 * The guides as tests: the commands of a page, and whether what they print is what the page shows.
 *
 * A page's blocks are ` ```console ` or ` ```console <machine> `; a line `$ …` is typed there, the lines below it are
 * what it prints. `<!-- console … -->` is the same, unseen by readers. What differs at every run (ids, times, ports, the
 * free disk) is shown as it was once and has to be of the same kind; an id that is shown twice has to be the same twice,
 * and stands for the real one in later commands. `…` behind a part of an id leaves out its rest, elsewhere the rest of the
 * line, and on a line of its own any lines.
 */

export interface Step {
  /** page and line, for messages */
  readonly at: string
  /** branch at whose machine it is typed */
  readonly machine: string
  readonly command: string
  readonly expected: readonly string[]
  readonly isShown: boolean
}

/** Where a block does not say. */
export const FIRST_MACHINE = 'São Paulo'

const OPENING = /^(?:```|(<!-- ))console(?: (.+))?$/

/** The commands of a page in order. @throws {Error} a block that does not begin with a command, or does not end */
export function stepsOf(page: string, text: string): Step[] {
  const steps: Step[] = []
  let block: { machine: string; end: string; first: number } | null = null
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${page}:${index + 1}`
    if (block === null) {
      const [opening, comment, machine = FIRST_MACHINE] = OPENING.exec(line) ?? []
      if (opening !== undefined) block = { machine, end: comment === undefined ? '```' : '-->', first: steps.length }
    } else if (line === block.end) block = null
    else if (line.startsWith('$ ')) {
      const { machine, end } = block
      steps.push({ at, machine, command: line.slice(2), expected: [], isShown: end === '```' })
    } else {
      const step = steps.length > block.first ? steps.at(-1) : undefined
      if (step === undefined) throw new Error(`${at}: output without a command`)
      ;(step.expected as string[]).push(line)
    }
  }
  if (block !== null) throw new Error(`${page}: a console block does not end`)
  return steps
}

/** What a page shows, and the real thing that it stands for in this run. */
export type Bindings = ReadonlyMap<string, string>

interface Kind {
  readonly shown: string
  /** as a pattern, for what the page shows */
  readonly real: (shown: string) => string
  /** it is the same thing wherever it is shown */
  readonly isName: boolean
}

const like = (pattern: string): Kind => ({ shown: pattern, real: () => pattern, isName: false })
const named = (shown: string, real: Kind['real']): Kind => ({ shown, real, isName: true })

const KINDS: readonly Kind[] = [
  named('eyJ[\\w.-]+…?', () => 'eyJ[\\w-]+\\.[\\w-]+\\.[\\w-]+'),
  named('12D3KooW\\w+…?', () => '12D3KooW\\w{44}'),
  named('(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}', () => '(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}'),
  named('\\b[0-9a-f]{8,64}(?:…|\\b)', (shown) => `[0-9a-f]{${shown.endsWith('…') ? '8,64' : shown.length}}`),
  like('\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z'),
  like('127\\.0\\.0\\.1:\\d+'),
  like('-?\\d+ ms\\b'),
  like('\\d+(?:[.,]\\d+)? [KMGT]iB (?:free|livres)'),
  like('(?<=, (?:up|ligado há) )\\d+ \\w+'),
  like('(?<=Node\\.js )[\\d.]+'),
  like('(?<=Malote )\\d[\\w.-]*'),
]
const VOLATILE = new RegExp(KINDS.map(({ shown }) => `(${shown})`).join('|'), 'g')

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
/** Columns are as wide as what stands in them; `…` is the rest of a line. */
const literal = (text: string) => escaped(text).replace(/ {2,}/g, ' {2,}').replace(/ ?…/g, '.*')

/** The command with the real ids in the place of those that the page shows. */
export function realCommand(command: string, bindings: Bindings): string {
  return command.replace(VOLATILE, (shown) => bindings.get(shown) ?? shown)
}

/**
 * Compares what was printed with what the page shows.
 * @returns what the page's names stand for, those known before included; null when it is not the same
 */
export function matchOutput(expected: readonly string[], printed: string, bindings: Bindings): Bindings | null {
  const groups: string[] = []
  const line = (text: string) => {
    let pattern = ''
    let from = 0
    for (const found of text.matchAll(VOLATILE)) {
      const [shown] = found
      pattern += literal(text.slice(from, found.index)) + token(shown, KINDS[found.slice(1).indexOf(shown)] as Kind)
      from = found.index + shown.length
    }
    return pattern + literal(text.slice(from))
  }
  const token = (shown: string, kind: Kind) => {
    if (!kind.isName) return kind.real(shown)
    const known = bindings.get(shown)
    if (known !== undefined) return escaped(known)
    const before = groups.indexOf(shown)
    if (before >= 0) return `\\${before + 1}`
    groups.push(shown)
    return `(${kind.real(shown)})`
  }
  const trimmed = expected.join('\n').trimEnd().split('\n')
  const body = trimmed.map((text) => (text === '…' ? '(?:.*\\n)*?' : `${line(text)} *\\n`)).join('')
  const match = new RegExp(`^${body}$`).exec(`${printed.trimEnd()}\n`)
  if (match === null) return null
  return new Map([...bindings, ...groups.map((shown, index) => [shown, match[index + 1] as string] as const)])
}
