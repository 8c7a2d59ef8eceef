import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { typesOf } from '../scripts/types.ts'

it('has the types of the document (else: `npm run generate`)', async () => {
  const read = (name: string) => readFile(new URL(`generated/${name}`, import.meta.url), 'utf8')
  expect(await read('schema.ts')).toBe(await typesOf(JSON.parse(await read('openapi.json'))))
})
