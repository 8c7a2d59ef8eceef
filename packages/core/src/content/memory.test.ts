import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { MIB } from './testing.ts'

/** Runs in a process of its own, so that nothing else is counted. Prints the growth of its memory in bytes. */
const PROGRAM = `
  const { createStore } = await import(process.argv[1] + '/store.ts')
  const { sealStream } = await import(process.argv[1] + '/import.ts')
  const { openStream } = await import(process.argv[1] + '/export.ts')
  const { newKeys } = await import(process.argv[1] + '/testing.ts')
  const store = await createStore({ folder: process.argv[2], floorBytes: 0 })
  const keys = newKeys()
  async function* zeros(count) {
    for (let i = 0; i < count; i++) yield new Uint8Array(${MIB})
  }
  const seal = (count) => sealStream({ store, keys, source: zeros(count), chunk: ${MIB}, signal: new AbortController().signal })
  await seal(32)
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => { most = Math.max(most, process.memoryUsage().rss) }, 5)
  const { file } = await seal(1024)
  for await (const part of openStream({ file, keys, end: 256 * ${MIB} })) if (part.length !== ${MIB}) throw new Error('short')
  clearInterval(timer)
  await store.stop()
  process.stdout.write(String(most - before))
`

it('sealing a stream of 1 GiB takes no memory to speak of', { timeout: 60_000 }, async () => {
  // in memory where there is such a folder: the disk is not what is measured
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'malote-memory-'))
  try {
    const args = ['--input-type=module', '--eval', PROGRAM, import.meta.dirname, folder]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 55_000 })
    expect(Number(stdout)).toBeLessThan(100 * MIB)
    expect(stdout).not.toBe('')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
