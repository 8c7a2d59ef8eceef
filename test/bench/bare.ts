/** What a transfer is measured beside: pairs of programs that send one file over loopback and do little else. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Took } from './passes.ts'

/** Debian's, whatever else is on the path: its packages are for this one */
const PYTHON = '/usr/bin/python3'
const LIBTORRENT = join(import.meta.dirname, 'by_libtorrent.py')

/**
 * One of `bare-pipe.ts` and `bare-libp2p.ts`: the second program starts when the first has said where it is.
 * @param to is removed again
 */
export async function runBare(
  name: 'bare-pipe' | 'bare-libp2p' | 'bare-quic',
  from: string,
  to: string,
): Promise<Took> {
  const program = join(import.meta.dirname, `${name}.ts`)
  const sender = start(process.execPath, [program, 'send', from])
  const place = await sender.line()
  const receiver = start(process.execPath, [program, 'receive', place, to])
  const received = JSON.parse(await receiver.line()) as Took
  const sent = JSON.parse(await sender.line()) as Took
  await Promise.all([receiver.ended, sender.ended])
  rmSync(to)
  return { ms: received.ms, cpu: received.cpu + sent.cpu }
}

/** Its version; null, and why on stderr, where it is not installed. */
export function findLibtorrent(): string | null {
  try {
    return execFileSync(PYTHON, [LIBTORRENT, 'version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    console.error('no comparison with libtorrent: Debian has it as python3-libtorrent')
    return null
  }
}

/** From connecting to all verified and written. @param folder for what it makes; removed again */
export async function runLibtorrent(from: string, folder: string): Promise<Took> {
  mkdirSync(folder)
  const torrent = join(folder, 'torrent')
  const seed = start(PYTHON, [LIBTORRENT, 'seed', from, torrent])
  const port = await seed.line()
  const leech = start(PYTHON, [LIBTORRENT, 'leech', torrent, folder, port])
  const received = JSON.parse(await leech.line()) as Took
  seed.endInput()
  const sent = JSON.parse(await seed.line()) as Took
  await Promise.all([leech.ended, seed.ended])
  rmSync(folder, { recursive: true })
  return { ms: received.ms, cpu: received.cpu + sent.cpu }
}

function start(program: string, args: readonly string[]) {
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  ended.catch(() => undefined) // told by the line that does not come
  return {
    ended,
    endInput: () => void child.stdin?.end(),
    async line(): Promise<string> {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`${basename(dirname(program))}/${basename(program)} ${args.join(' ')} ended`)
      return value
    },
  }
}
