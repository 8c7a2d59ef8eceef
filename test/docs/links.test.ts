/** The index of specs is complete, and no page points to nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const pages = ['README.md', ...markdownIn('docs'), ...markdownIn('docs/specs'), ...markdownIn('docs/decisions')]

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
})
