/** What the libraries export is documented, and no entry point is forgotten. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LIBRARIES, makeReference } from './reference.ts'

const repository = join(import.meta.dirname, '..', '..')

it.each(LIBRARIES)('has every entry point of $name', ({ name, entryPoints }) => {
  const manifest = JSON.parse(readFileSync(join(repository, 'packages', name, 'package.json'), 'utf8'))
  const offered = (Object.values(manifest.exports) as { default: string }[]).map((entry) =>
    entry.default.replace('./dist/', '').replace(/\.js$/, '.ts'),
  )
  expect([...entryPoints].sort()).toEqual(offered.sort())
})

it('is made without a warning: everything exported is documented', async () => {
  expect(await makeReference(null)).toEqual([])
})
