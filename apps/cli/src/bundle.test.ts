/** The built command line, which is made of the sources before the tests. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const dist = join(import.meta.dirname, '..', 'dist')
const migrations = join(import.meta.dirname, '..', '..', '..', 'packages', 'core', 'src', 'database', 'migrations')
const read = (name: string) => readFileSync(join(dist, name), 'utf8')
/** what a chunk loads at once, and what later */
const importsOf = (name: string) => {
  const text = read(name)
  const found = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, specifier = '']) => specifier)
  return { atOnce: found(/^(?:import|export) .*?"([^"]+)";$/gm), later: found(/\bimport\("([^"]+)"\)/g) }
}

it('loads nothing of the node but for `up`', () => {
  const seen = new Set<string>()
  const visit = (name: string) => {
    if (seen.has(name)) return
    seen.add(name)
    for (const specifier of importsOf(name).atOnce) {
      if (specifier.startsWith('./')) visit(specifier.slice(2))
      else expect(specifier).toMatch(/^node:/)
    }
  }
  visit('main.js')
  expect([...seen]).not.toContain('core.js')
  expect([...seen]).not.toContain('api.js')
  expect(importsOf('main.js').later).toEqual(expect.arrayContaining(['./core.js', './api.js']))
})

it('brings the process of previews along, which loads nothing of ours', () => {
  expect(importsOf('preview-process.js')).toEqual({ atOnce: [], later: ['sharp'] })
  expect(read('core.js')).toContain('preview-process$' + '{extname(')
})

it('loads only the language that is spoken', () => {
  const { atOnce, later } = importsOf('main.js')
  for (const language of ['./en.js', './pt-br.js']) {
    expect(later).toContain(language)
    expect(atOnce).not.toContain(language)
  }
})

it('brings the migrations along', () => {
  const files = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort()
  expect(files(join(dist, 'migrations'))).toEqual(files(migrations))
})

it('names the terms of what it contains', () => {
  const licences = read('THIRD-PARTY-LICENSES.txt')
  for (const name of ['commander', 'libp2p', 'fastify'])
    expect(licences).toMatch(new RegExp(`^== ${name} .*\\(.+\\)$`, 'm'))
  expect(licences).not.toContain('@malote')
})
