/** `npm run vectors`: writes docs/vectors as the code makes them. Whether that was meant, the difference shows. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeVectors } from '../test/vectors/make/index.ts'

const folder = join(import.meta.dirname, '..', 'docs', 'vectors')
const files = await makeVectors()
rmSync(join(folder, 'ledgers'), { recursive: true, force: true })
for (const [name, text] of files) {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), text)
}
console.log(`${files.size} files, ${[...files.values()].reduce((sum, text) => sum + text.length, 0)} characters`)
