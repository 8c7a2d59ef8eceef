import { readFile } from 'node:fs/promises'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Compile } from 'typebox/compile'
import { expect, it } from 'vitest'
import { statusOf } from './error-map.ts'
import { routes } from './routes/index.ts'
import { buildDocument } from './server.ts'

it('is the document that the client is made from (else: `npm run generate` in packages/client)', async () => {
  const kept = await readFile(new URL('../../client/src/generated/openapi.json', import.meta.url), 'utf8')
  expect(kept).toBe(`${JSON.stringify(await buildDocument(), null, 2)}\n`)
})

it("bears the product's version", async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'))
  expect(await buildDocument()).toMatchObject({ info: { version } })
})

it('passes the linter of OpenAPI documents, with its strictest rules', async () => {
  const source = JSON.stringify(await buildDocument())
  const config = await createConfig({ extends: ['recommended-strict'] })
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
  // `/files/blacklist/{fileId}` is fixed, and the server never takes "blacklist" for the id of a file
  const known = (message: string) =>
    /two ambiguous paths: /.test(message) && message.includes('/files/blacklist/{fileId}')
  const others = problems.filter(({ ruleId, message }) => ruleId !== 'no-ambiguous-paths' || !known(message))
  expect(others.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([])
})

it('stands beside a page that names every code, with its status', async () => {
  const page = await readFile(new URL('../../../docs/specs/http-api.md', import.meta.url), 'utf8')
  const section = page.split('\n## Errors\n')[1]?.split('\n## ')[0] ?? ''
  const named = [...section.matchAll(/^\| (\d{3}) +\| (.+?) +\|$/gm)].flatMap(([, status, codes = '']) =>
    [...codes.matchAll(/`([a-z-]+)`/g)].map(([, code]) => [code, Number(status)]),
  )
  expect(Object.fromEntries(named)).toEqual(statusOf)
})

it('shows with every JSON body an example that the route would take', async () => {
  const jsonBodies = routes.filter((route) => route.body !== undefined && !route.multipart)
  const document = (await buildDocument()) as unknown as {
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, { example?: unknown }> } }>>
  }
  const shown = jsonBodies.map(({ method, path, body }) => {
    const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    const example = operation?.requestBody?.content['application/json']?.example
    return { route: `${method} ${path}`, isTaken: body !== undefined && Compile(body).Check(example) }
  })
  expect(shown.length).toBeGreaterThan(15)
  expect(shown.filter(({ isTaken }) => !isTaken)).toEqual([])
})
