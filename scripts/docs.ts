/** `npm run docs`: pages of reference for `@malote/core` and `@malote/client` in docs/reference, made of their docstrings. */
import { join } from 'node:path'
import { LIBRARIES, makeReference } from '../test/docs/reference.ts'

const folder = join(import.meta.dirname, '..', 'docs', 'reference')
const problems = await makeReference(folder)
for (const problem of problems) console.error(problem)
for (const { name } of LIBRARIES) console.log(join(folder, name, 'index.html'))
process.exitCode = problems.length === 0 ? 0 : 1
