/** The terms of everything of others that the bundle carries: most ask that their text goes with the code. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Terms under which code may be passed on inside of a program under the MIT licence. */
const FREE = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'Apache-2.0 OR MIT'])
const TEXT = /^(licen[cs]e|copying|notice)/i

/** @param modules paths of the files that went in @throws on a package whose terms nobody has looked at */
export function licencesOf(modules: readonly string[]): string {
  const folders = new Set(modules.map((path) => /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]))
  const parts = [...folders].filter((folder) => folder !== undefined).map(partOf)
  return `Malote contains the following packages.\n\n${parts.sort().join('\n')}`
}

function partOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (!FREE.has(license)) throw new Error(`${name} ${version}: is its licence (${license}) one to ship?`)
  const texts = readdirSync(folder)
    .filter((file) => TEXT.test(file) && !file.endsWith('.js'))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return `== ${name} ${version} (${license})\n\n${texts.map((text) => `${text}\n`).join('\n')}`
}
