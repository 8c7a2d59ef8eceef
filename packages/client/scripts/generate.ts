/** `npm run generate` in this folder: writes the document of the server's routes, and the types made from it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { typesOf } from './types.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
// A process of its own: the client knows nothing of the server's modules, not even here.
const document = execFileSync(process.execPath, [path('../../api/scripts/document.ts')], { encoding: 'utf8' })
mkdirSync(path('../src/generated'), { recursive: true })
writeFileSync(path('../src/generated/openapi.json'), document)
writeFileSync(path('../src/generated/schema.ts'), await typesOf(JSON.parse(document)))
