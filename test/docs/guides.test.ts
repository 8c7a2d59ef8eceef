/** The guides are true: every command in them is typed on real nodes of this machine, and prints what the page shows. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../apps/cli/src/commands/index.ts'
import { speak } from '../../apps/cli/src/messages/index.ts'
import { buildProgram } from '../../apps/cli/src/program.ts'
import { parseSettings } from '../../apps/cli/src/settings/file.ts'
import { keepCompiled } from '../support/branch.ts'
import { type Step, stepsOf } from './guide.ts'
import { Machines } from './guide-machines.ts'

await speak('en')

const docs = join(import.meta.dirname, '..', '..', 'docs')
/** In the order in which a network lives: each goes on where the one before it ended. */
const GUIDES = ['guides/getting-started.md', 'guides/everyday.md', 'guides/operations.md']
/** Typed on machines that speak the language. */
const TRANSLATIONS = { 'pt-BR/primeiros-passos.md': GUIDES[0], 'pt-BR/dia-a-dia.md': GUIDES[1] }
const STORIES = [
  ['English', 'C.UTF-8', GUIDES],
  ['Portuguese', 'pt_BR.UTF-8', Object.keys(TRANSLATIONS)],
] as const

const read = (page: string) => stepsOf(`docs/${page}`, readFileSync(join(docs, page), 'utf8'))

describe('the guides', () => {
  const started: Machines[] = []
  beforeAll(() => keepCompiled())
  afterAll(() => Promise.all(started.map((machines) => machines.end())))

  // one story each: what comes after a failure would only fail because of it
  it.concurrent.each(STORIES)('print in %s what they show', { timeout: 300_000 }, async (_name, language, pages) => {
    const machines = new Machines(language)
    started.push(machines)
    for (const step of pages.flatMap(read)) await machines.run(step)
  })

  it('have commands', () => {
    const shown = GUIDES.map((page) => read(page).filter(({ isShown }) => isShown).length)
    expect(Math.min(...shown)).toBeGreaterThan(7)
  })
})

describe('the guides in Portuguese', () => {
  const typed = (steps: Step[]) => steps.map(({ machine, command }) => ({ machine, command }))

  it.each(Object.entries(TRANSLATIONS))('%s has the commands of %s', (page, original) => {
    expect(typed(read(page))).toEqual(typed(read(String(original))))
  })
})

describe('settings in the text', () => {
  it.each([...GUIDES, ...Object.keys(TRANSLATIONS)])('of %s can stand in config.toml', (page) => {
    const blocks = readFileSync(join(docs, page), 'utf8').matchAll(/^```toml\n([\s\S]*?)^```$/gm)
    for (const [, text = ''] of blocks) expect(parseSettings(text, page).size).toBeGreaterThan(0)
  })
})

describe('commands named in the text', () => {
  const program = buildProgram(commands, new AbortController().signal)
  const pages = [...GUIDES, 'guides/faq.md', 'sdk.md', ...Object.keys(TRANSLATIONS), 'SECURITY.md', 'README.md']

  /** What commander would say of the words, without running them: command or option that is not there. */
  function unknownIn(text: string): string[] {
    let command: typeof program = program
    const words = text.match(/"[^"]*"|\S+/g)?.slice(1) ?? []
    for (const word of words) {
      const next = command.commands.find((each) => each.name() === word)
      if (next === undefined) break
      command = next
    }
    const known = [command, ...command.commands].flatMap(({ options }) => options)
    const options = words.filter((word) => /^--?[a-z]/.test(word) && word !== '--help')
    const strange = options.filter((word) => !known.some((each) => each.long === word || each.short === word))
    return command === program && words.length > 0 ? [text] : strange.map((option) => `${text}: ${option}`)
  }

  it('are noticed when they are not there', () => {
    expect(unknownIn('malote uplaod poster.png')).toEqual(['malote uplaod poster.png'])
    expect(unknownIn('malote ls --naem a')).toEqual(['malote ls --naem a: --naem'])
    expect(unknownIn('malote invite ls')).toEqual([])
  })

  it.each(pages)('%s names none that is not there', (page) => {
    const text = readFileSync(join(docs, page), 'utf8')
    const named = [...text.matchAll(/`(malote [^`]+)`/g)].map(([, command = '']) => command)
    expect(named.flatMap(unknownIn)).toEqual([])
  })
})
