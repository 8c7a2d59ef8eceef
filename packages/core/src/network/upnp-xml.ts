/**
 * As much of XML as routers speak: elements with text. Attributes, comments and prefixes of names are passed over. What
 * can grow in the reader's hands (document types, entities of one's own) is refused. One pass over the text. Pure.
 */
import { RouterAnswerError } from './errors.ts'

/** Elements inside of each other, and in all: the descriptions of real routers have 8 and 300. */
const MAX_DEPTH = 32
const MAX_ELEMENTS = 4_096

export interface XmlElement {
  /** without the prefix of its namespace */
  readonly name: string
  /** what stands directly in it, trimmed, entities replaced */
  readonly text: string
  readonly children: readonly XmlElement[]
}

interface Open {
  readonly name: string
  readonly text: string[]
  readonly children: XmlElement[]
}

/** @throws {RouterAnswerError} when it is not one whole element */
export function parseXml(source: string): XmlElement {
  const top: Open = { name: '', text: [], children: [] }
  const open: Open[] = [top]
  let elements = 0
  let at = 0
  while (at < source.length) {
    const inner = open.at(-1) as Open
    const start = source.indexOf('<', at)
    const text = source.slice(at, start < 0 ? source.length : start)
    if (text.trim() !== '') inner.text.push(withoutEntities(text))
    if (start < 0) break
    if (source.startsWith('<!--', start)) at = after(source, '-->', start)
    else if (source.startsWith('<?', start)) at = after(source, '?>', start)
    else if (source.startsWith('<![CDATA[', start)) {
      at = after(source, ']]>', start)
      inner.text.push(source.slice(start + 9, at - 3))
    } else if (source.startsWith('<!', start)) throw new RouterAnswerError('XML with a document type')
    else {
      const end = endOfTag(source, start + 1)
      const tag = source.slice(start + 1, end)
      at = end + 1
      if (tag.startsWith('/')) {
        if (open.length === 1 || nameOf(tag.slice(1)) !== inner.name) throw new RouterAnswerError('XML out of order')
        open.pop()
        open.at(-1)?.children.push(closed(inner))
        continue
      }
      elements += 1
      if (elements > MAX_ELEMENTS || open.length > MAX_DEPTH) throw new RouterAnswerError('XML without end')
      const element: Open = { name: nameOf(tag), text: [], children: [] }
      if (tag.endsWith('/')) inner.children.push(closed(element))
      else open.push(element)
    }
  }
  const [root, more] = top.children
  if (open.length > 1 || root === undefined || more !== undefined) throw new RouterAnswerError('XML that is not whole')
  return root
}

/** All of that name, wherever they are, in the order of the text. */
export function elementsNamed(root: XmlElement, name: string): XmlElement[] {
  return [...(root.name === name ? [root] : []), ...root.children.flatMap((child) => elementsNamed(child, name))]
}

/** Text of the first child of that name; '' where there is none. */
export function childText(element: XmlElement, name: string): string {
  return element.children.find((child) => child.name === name)?.text ?? ''
}

/** What may stand in XML as text. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

function closed({ name, text, children }: Open): XmlElement {
  return { name, text: text.join('').trim(), children }
}

function after(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from)
  if (found < 0) throw new RouterAnswerError('XML that is not whole')
  return found + mark.length
}

/** A `>` within quotes is part of a value. */
function endOfTag(source: string, from: number): number {
  let quote = ''
  for (let at = from; at < source.length; at++) {
    const sign = source[at] as string
    if (quote !== '') quote = sign === quote ? '' : quote
    else if (sign === '"' || sign === "'") quote = sign
    else if (sign === '>') return at
  }
  throw new RouterAnswerError('XML that is not whole')
}

function nameOf(tag: string): string {
  const [name] = /^[^\s/]+/.exec(tag) ?? ['']
  if (name === '') throw new RouterAnswerError('XML without a name')
  return name.slice(name.lastIndexOf(':') + 1)
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function withoutEntities(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,4});/gi, (all, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()] ?? all
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return code > 0x10ffff ? all : String.fromCodePoint(code)
  })
}
