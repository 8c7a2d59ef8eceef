/** What commands read: stdin, which ends with Ctrl-C, and small files. */

import { readFile } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { FileUnreadableError } from '@malote/client'
import type { Context } from './context.ts'
import { UsageError } from './errors.ts'
import { say } from './messages/index.ts'

/** Invites and keys are a few kilobytes. */
const MAX_TEXT_BYTES = 1024 * 1024

/** Bytes of stdin; the read breaks off with the signal. */
export function stdinOf(context: Context): AsyncIterable<Uint8Array> {
  return addAbortSignal(context.signal, process.stdin)
}

/** The whole of stdin, without the white space around it. @throws {UsageError} */
export async function readStdin(context: Context): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of stdinOf(context)) {
    size += part.length
    if (size > MAX_TEXT_BYTES) throw new UsageError(say().wrong.stdinTooMuch)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8').trim()
}

/** The recovery key from where `--key-file` says: a file, or `-` for stdin. */
export async function keyFrom(context: Context, option: unknown): Promise<string | undefined> {
  if (option === undefined) return undefined
  const path = String(option)
  return path === '-' ? await readStdin(context) : await readText(path)
}

/** @throws {FileUnreadableError} */
export async function readText(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new FileUnreadableError(path, error instanceof Error ? error.message : String(error), error)
  }
}
