/**
 * Keeps a folder equal to one campaign: every file of it that this branch may see, at its newest version.
 *
 *     node examples/mirror-a-campaign.ts <data folder> <campaign> <target folder> [--once]
 *
 * Runs until Ctrl-C, or with `--once` ends after the first pass. What it has written it notes in `.mirror.json`; other
 * files in the folder it leaves alone.
 */
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { connectTo, type FileView } from '@malote/client'
import { safeFileName } from '@malote/core'

type Copy = { name: string; version: number }
const { values, positionals } = parseArgs({ allowPositionals: true, options: { once: { type: 'boolean' } } })
const [dataDir = '', campaign = '', folder = ''] = positionals
if (folder === '') throw new Error('usage: mirror-a-campaign <data folder> <campaign> <target folder> [--once]')
const stop = new AbortController()
const { signal } = stop
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())

const client = await connectTo(dataDir)
await mkdir(folder, { recursive: true })
const index = join(folder, '.mirror.json')
const mirrored = new Map<string, Copy>(JSON.parse(await readFile(index, 'utf8').catch(() => '[]')))
try {
  let began = await pass()
  console.log('up to date')
  // Number 0: also what happened during the first pass. A member that connects may hold what could not be fetched.
  const types = ['published', 'updated', 'restored', 'hidden', 'deleted', 'purged'].map((each) => `file:${each}`)
  const events = values.once ? [] : client.events({ lastEventId: 0, types: [...types, 'member:connected'], signal })
  for await (const { time } of events) if (Date.parse(time) >= began) began = await pass()
} catch (error) {
  if (!signal.aborted) throw error
}

/** @returns when it began: whatever happened before that moment, it has seen */
async function pass(): Promise<number> {
  const began = Date.now()
  const gone = new Set(mirrored.keys())
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: { campaign: string; cursor?: string } = { campaign, ...(cursor === '' ? {} : { cursor }) }
    const { items, next } = await client.ask(client.api.GET('/files', { params: { query }, signal }))
    for (const file of items) {
      gone.delete(file.id)
      // one file that nobody can deliver now does not keep the others away
      if (mirrored.get(file.id)?.version !== file.version) await take(file).catch((error) => console.error(`${error}`))
    }
    cursor = next
  }
  for (const id of gone) await replace(id, undefined) // deleted, moved, or not for this branch any more
  return began
}

async function take(file: FileView): Promise<void> {
  const part = join(folder, `.${file.id}.part`)
  try {
    const { stream } = await client.download(file.id, { version: file.version, signal })
    await pipeline(stream, createWriteStream(part), { signal })
    // The name was chosen by another branch: it is data, and becomes a path only through here.
    const taken = (await readdir(folder)).filter((each) => each !== mirrored.get(file.id)?.name)
    const name = safeFileName(file.name, taken)
    await rename(part, join(folder, name)) // all of it, or nothing
    await replace(file.id, { name, version: file.version })
  } finally {
    await rm(part, { force: true })
  }
}

async function replace(id: string, after: Copy | undefined): Promise<void> {
  const before = mirrored.get(id)
  if (before !== undefined && before.name !== after?.name) await rm(join(folder, before.name), { force: true })
  if (after === undefined) mirrored.delete(id)
  else mirrored.set(id, after)
  await writeFile(index, JSON.stringify([...mirrored]))
  console.log(after === undefined ? `- ${before?.name}` : `+ ${after.name} (version ${after.version})`)
}
