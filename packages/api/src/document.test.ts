import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { buildDocument } from './server.ts'

it('is the document that the client is made from (else: `npm run generate` in packages/client)', async () => {
  const kept = await readFile(new URL('../../client/src/generated/openapi.json', import.meta.url), 'utf8')
  expect(kept).toBe(`${JSON.stringify(await buildDocument(), null, 2)}\n`)
})

it("bears the product's version", async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'))
  expect(await buildDocument()).toMatchObject({ info: { version } })
})
