/**
 * SQLite's own check of a whole file: every page, every index against its table. Takes seconds for a large one, so it
 * runs in a thread with a connection of its own, which sees one moment of the database whatever is written meanwhile.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'

/** Findings that are named; the rest would say the same. */
const FINDINGS = 10
/** A disk that hangs must not hang whoever asked. */
const DEADLINE_MS = 30 * 60_000

/** Plain text, so that it is the same in source and build. */
const CHECK = `
  const { workerData, parentPort } = require('node:worker_threads')
  const Sqlite = require(workerData.sqlite)
  let findings
  try {
    const db = new Sqlite(workerData.path, { readonly: true, fileMustExist: true })
    findings = db.pragma('integrity_check(' + workerData.limit + ')').map((row) => String(row.integrity_check))
    db.close()
  } catch (error) {
    findings = [String(error && error.message)]
  }
  parentPort.postMessage(findings.filter((line) => line !== 'ok'))
`

/** @returns what is wrong with the file, in SQLite's words; empty when nothing is */
export async function checkPages(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<string[]> {
  const sqlite = createRequire(import.meta.url).resolve('better-sqlite3')
  const worker = new Worker(CHECK, { eval: true, workerData: { path, sqlite, limit: FINDINGS } })
  const ended = AbortSignal.any([
    AbortSignal.timeout(DEADLINE_MS),
    ...(options.signal === undefined ? [] : [options.signal]),
  ])
  try {
    return await new Promise<string[]>((resolve, reject) => {
      ended.throwIfAborted()
      ended.addEventListener('abort', () => reject(ended.reason), { once: true })
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  } finally {
    await worker.terminate()
  }
}
