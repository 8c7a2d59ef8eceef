/** The sources of the command line have no text for people beside the catalogue. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAst } from 'rolldown/parseAst'
import { expect, it } from 'vitest'

const src = join(import.meta.dirname, '..')
/** What these say is read by programs, or in a log: it is the same in every language. */
const NOT_FOR_PEOPLE = ['service/unit.ts', 'log.ts', 'ending.ts']
/** In the others: a folder of macOS, a shell's words, a line of the log, and a setting, which the API tells in English. */
const PLAIN = new Set(['Application Support', 'sudo systemctl', 'a fault of the API', 'what is free'])
const SCRIPT = /^#(?:compdef malote| completion of malote for)/
/** What is typed is the same in every language: examples, usages, options. */
const TYPED = /^\s*(?:(?:sudo |tar .*\| )?malote .*|(?:[a-z]+ )?(?:(?:-{1,2}[a-z-]+|[<[][^>\]]+[>\]]),? ?)+)$/
/** Two words with a blank between them. */
const SENTENCE = /\p{L}{2,}[,:;]? +\p{L}{2,}/u

interface Node {
  readonly type: string
  readonly start: number
  readonly [field: string]: unknown
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value

/** Texts in a syntax tree; a template's without its values. */
function* textsIn(node: Node): Generator<{ text: string; start: number }> {
  // faults of ours, which come with a stack
  if (node.type === 'NewExpression' && (node.callee as Node).name === 'Error') return
  if (node.type === 'Literal' && typeof node.value === 'string') yield { text: node.value, start: node.start }
  if (node.type === 'TemplateLiteral') {
    const parts = (node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked)
    yield { text: parts.join('…'), start: node.start }
  }
  for (const value of Object.values(node)) {
    for (const each of Array.isArray(value) ? value : [value]) if (isNode(each)) yield* textsIn(each)
  }
}

function sentencesOf(source: string): string[] {
  const tree = parseAst(source, { lang: 'ts' }) as unknown as Node
  return [...textsIn(tree)]
    .filter(({ text }) => SENTENCE.test(text) && !PLAIN.has(text) && !SCRIPT.test(text))
    .filter(({ text }) => !text.split('\n').every((line) => TYPED.test(line)))
    .map(({ text, start }) => `${source.slice(0, start).split('\n').length}: ${text}`)
}

const files = readdirSync(src, { recursive: true })
  .map((name) => String(name).replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('messages/'))
  .filter((name) => !NOT_FOR_PEOPLE.includes(name))

it('notices a sentence', () => {
  expect(sentencesOf("context.print(x, 'no files')")).toEqual(['1: no files'])
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a source
  expect(sentencesOf('const a = `${name} is here`')).toEqual(['1: … is here'])
  expect(sentencesOf("const examples = ['malote ls poster']")).toEqual([])
})

it.each(files)('%s says nothing of its own', (file) => {
  expect(sentencesOf(readFileSync(join(src, file), 'utf8'))).toEqual([])
})
