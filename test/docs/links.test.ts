/** The index of specs is complete, and no page points to nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const folders = ['docs', 'docs/guides', 'docs/pt-BR', 'docs/specs', 'docs/decisions']
const pages = ['README.md', ...folders.flatMap(markdownIn)]

function markdownIn(folder: string): string[] {
  return readdirSync(join(repository, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
}

function linksOf(page: string): string[] {
  const text = readFileSync(join(repository, page), 'utf8')
  const links = [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = '']) => target)
  return links.filter((target) => !target.includes('://')).map((target) => join(dirname(page), target))
}

/** As GitHub names them in addresses. */
function headingsOf(page: string): string[] {
  const headings = readFileSync(join(repository, page), 'utf8').matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('the documentation', () => {
  it('has an index of every spec and decision', () => {
    const index = 'docs/specs/README.md'
    const missing = [...markdownIn('docs/specs'), ...markdownIn('docs/decisions')].filter(
      (page) => page !== index && !linksOf(index).includes(page),
    )
    expect(missing).toEqual([])
  })

  it.each(pages)('%s links to what exists', (page) => {
    expect(linksOf(page).filter((target) => !existsSync(join(repository, target)))).toEqual([])
  })

  it.each(pages)('%s names pages and source files that exist', (page) => {
    const text = readFileSync(join(repository, page), 'utf8')
    const named = [...text.matchAll(/`((?:docs|packages|apps|examples|test|scripts)\/[\w./-]+\.(?:md|ts|json|sql))`/g)]
    const paths = named.map(([, path = '']) => path).filter((path) => !path.includes('/generated/'))
    expect(paths.filter((path) => !existsSync(join(repository, path)))).toEqual([])
  })

  it.each(pages)('%s links to headings that exist', (page) => {
    const text = readFileSync(join(repository, page), 'utf8')
    const links = [...text.matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)].map(([, target = '', heading = '']) => ({
      to: target === '' ? page : join(dirname(page), target),
      heading,
    }))
    expect(links.filter(({ to, heading }) => to.endsWith('.md') && !headingsOf(to).includes(heading))).toEqual([])
  })
})
