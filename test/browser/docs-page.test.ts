/** The API's page in a real browser, as a person uses it: paste the token, upload a file, see it listed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Branch, type Json } from '../support/branch.ts'
import { CHROMIUM } from '../support/debian.ts'

const why = existsSync(CHROMIUM) ? null : `${CHROMIUM} is missing`
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
/** Where to leave pictures of the page, for a person to look at. */
const pictures = process.env.MALOTE_PICTURES

describe.skipIf(why !== null)(`Swagger UI${why === null ? '' : ` (not here: ${why})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'malote-browser-'))
  const branch = new Branch('Recife', join(folder, 'branch'))
  const complaints: string[] = []
  let context: BrowserContext
  let page: Page

  beforeAll(async () => {
    await branch.up()
    await branch.api('/network', { method: 'POST', json: { name: 'Agência', branch: 'Recife' } })
    context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: CHROMIUM,
      headless: true,
      args: ARGS,
      // what is drawn costs
      viewport: pictures === undefined ? { width: 800, height: 600 } : { width: 1280, height: 1600 },
    })
    page = await context.newPage()
    // what the page's policy forbids, and what breaks in its scripts, is told here
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
  })
  afterAll(async () => {
    await context?.close()
    await branch.end()
    rmSync(folder, { recursive: true, force: true })
  })

  const picture = async (name: string) => {
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) })
  }
  /** Opens one route, which can be tried at once. */
  async function open(operation: string): Promise<Locator> {
    const block = page.locator(`[id$="-${operation}"].opblock`)
    await block.locator('.opblock-summary-control').click()
    return block
  }
  /** Sends what stands there. @returns status and body as the page shows them */
  async function execute(block: Locator): Promise<{ status: string; body: Json }> {
    const live = block.locator('.live-responses-table')
    // an answer stands until the next has come: the one before would be read
    const clear = block.getByRole('button', { name: 'Clear' })
    if (await clear.isVisible()) await clear.click()
    await live.waitFor({ state: 'detached' })
    await block.getByRole('button', { name: 'Execute' }).click()
    const status = (await live.locator('tbody .response-col_status').first().textContent()) ?? ''
    const text = await live.locator('.highlight-code code').first().textContent()
    return { status: status.trim().slice(0, 3), body: JSON.parse(text ?? 'null') }
  }

  it('drives the node', async () => {
    await page.goto(`${branch.ready?.api}/docs`)
    const denied = await execute(await open('listFiles'))
    expect([denied.status, denied.body.code]).toEqual(['401', 'unauthorized'])
    // the browser itself tells of every answer from 400 on
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')])

    await page.locator('.auth-wrapper .authorize').click()
    const dialog = page.locator('.dialog-ux')
    const token = dialog.locator('.auth-container', { hasText: 'http, Bearer' })
    await token.locator('input').fill(readFileSync(join(branch.data, 'api-token'), 'utf8').trim())
    await token.getByRole('button', { name: 'Apply credentials' }).click()
    // one below each way to authorize
    await dialog.locator('.btn-done').first().click()

    const photo = join(folder, 'foto árvore.jpg')
    writeFileSync(photo, 'the bytes')
    const upload = await open('uploadFile')
    await upload.locator('input[type=file]').setInputFiles(photo)
    await upload.locator('tr[data-property-name=campaign] input').fill('Verão')
    const made = await execute(upload)
    await picture('uploaded')
    expect(made).toMatchObject({
      status: '201',
      body: { name: 'foto árvore.jpg', size: 9, campaign: 'Verão', tags: [], audience: 'everyone', denied: [] },
    })

    const listed = await execute(page.locator('[id$="-listFiles"].opblock'))
    await picture('listed')
    expect(listed).toMatchObject({ status: '200', body: { items: [{ id: made.body.id, name: 'foto árvore.jpg' }] } })
    const { items } = await branch.api('/files')
    expect(items.map(({ id }: Json) => id)).toEqual([made.body.id])

    // what stands there to begin with makes sense as it is
    const limits = await open('setLimits')
    const shown = JSON.parse(await limits.locator('textarea.body-param__text').inputValue())
    expect(shown).toEqual({ up: 10_000_000, down: null })
    expect(await execute(limits)).toEqual({ status: '200', body: shown })
    const invite = await open('createInvite')
    expect(JSON.parse(await invite.locator('textarea.body-param__text').inputValue())).toMatchObject({
      branch: 'Recife',
      expires: '72h',
    })
    await invite.scrollIntoViewIfNeeded()
    await picture('examples')
    expect(complaints).toEqual([])
  })
})
