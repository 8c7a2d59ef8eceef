/** What would be published: complete, nothing of the workspace in it, and found by who imports it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Packed, packAll } from './pack.ts'

const repository = join(import.meta.dirname, '..', '..')
const names = ['@malote/core', '@malote/client', '@malote/punch', '@malote/api', '@malote/cli']
const folder = mkdtempSync(join(tmpdir(), 'malote-pack-'))
let packed: readonly Packed[]

beforeAll(async () => {
  packed = await packAll(folder)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const packageOf = (name: string): Packed => {
  const found = packed.find(({ manifest }) => manifest.name === name)
  if (found === undefined) throw new Error(`${name} is not packed`)
  return found
}
const bytesOf = ({ tarball }: Packed) => new Uint8Array(readFileSync(tarball))

describe.each(names)('%s', (name) => {
  it('says what every package says', () => {
    const { manifest, files, folder: at } = packageOf(name)
    expect(manifest).toMatchObject({ license: 'MIT', type: 'module', engines: { node: '>=22.12' } })
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(readFileSync(join(at, 'LICENSE'), 'utf8')).toBe(readFileSync(join(repository, 'LICENSE'), 'utf8'))
  })

  it('names the others by the version that they have, everything else exactly', () => {
    const { dependencies, optionalDependencies } = packageOf(name).manifest
    for (const [other, wanted] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      expect([other, wanted]).toEqual([other, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
      if (names.includes(other)) expect([other, wanted]).toEqual([other, packageOf(other).manifest.version])
    }
  })

  it('holds what it exports and runs, and neither tests nor sources', () => {
    const { manifest, files } = packageOf(name)
    const named = [
      ...Object.values(manifest.exports ?? {}).flatMap((conditions) => Object.values(conditions)),
      ...Object.values(manifest.bin ?? {}),
    ].map((path) => path.replace(/^\.\//, ''))
    expect(named.length).toBeGreaterThan(0)
    expect(files).toEqual(expect.arrayContaining(named))
    expect(
      files.filter((path) => /\.test\.|(^|\/)testing\.|(?<!\.d)\.ts$|tsbuildinfo|node_modules/.test(path)),
    ).toEqual([])
  })

  it('passes publint', async () => {
    const { messages, pkg } = await publint({ pack: { tarball: bytesOf(packageOf(name)).buffer } })
    expect(messages.map((message) => formatMessage(message, pkg as Record<string, unknown>))).toEqual([])
  })
})

// the command line is a program: it has no types
it.each(names.slice(0, -1))('%s: its types are found, and fit the code', async (name) => {
  const result = await checkPackage(createPackageFromTarballData(bytesOf(packageOf(name))))
  if (result.types === false) throw new Error(`${name} has no types`)
  // ES modules alone: `require` of them works from Node.js 22.12 on, and resolution from before there were modules does not
  const old = (problem: object) =>
    'resolutionKind' in problem && ['node10', 'node16-cjs'].includes(String(problem.resolutionKind))
  expect(result.problems.filter((problem) => !old(problem))).toEqual([])
  for (const entry of Object.values(result.entrypoints))
    expect([entry.subpath, entry.resolutions['node16-esm'].resolution?.isTypeScript]).toEqual([entry.subpath, true])
})
