/** An upload by HTTP as a program makes it that streams: nothing of it lies on a disk of ours, and its end waits. */
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Branch } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { eventOf, peakOf } from './measure.ts'

const PIECE = 256 * 1024
const DEADLINE_MS = 900_000

export interface Posted {
  /** what the list had of it, and how many events told of it, when all its bytes but the closing boundary were sent */
  readonly listedBefore: number
  readonly eventsBefore: number
  readonly seconds: number
  /** MiB of the node, at its highest */
  readonly peak: number
}

/** MiB of memory now. */
export function rssOf(branch: Branch): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${branch.pid}/status`, 'utf8'))?.[1]) / 1024
}

/** The highest memory is that from now on (proc(5), clear_refs). */
export function resetPeak(branch: Branch): void {
  writeFileSync(`/proc/${branch.pid}/clear_refs`, '5')
}

export async function postSlowly(branch: Branch, name: string, bytes: number): Promise<Posted> {
  let eventsBefore = 0
  const told = await eventOf(branch, (type, data) => type === 'file:published' && data.name === name)
  told.at.then(
    () => {
      eventsBefore += 1
    },
    () => undefined,
  )
  const boundary = 'malote-bench'
  const head = Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\ncontent-type: video/mp4\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const sending = request(`${branch.ready?.api}/api/v1/files`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${branch.token}`,
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': head.length + bytes + tail.length,
    },
    signal: AbortSignal.timeout(DEADLINE_MS),
  })
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>
  const began = performance.now()
  await send(sending, head)
  const piece = randomFillSync(Buffer.alloc(PIECE))
  for (let left = bytes; left > 0; left -= PIECE) {
    piece.writeUIntBE(left, 0, 6) // no two are equal
    await send(sending, Buffer.from(piece.subarray(0, Math.min(PIECE, left))))
  }
  const sent = performance.now()
  await eventually('it has taken what was sent', () => sending.socket?.writableLength === 0, DEADLINE_MS)
  const { items } = await branch.api(`/files?q=${encodeURIComponent(name)}`)
  const atEnd = { listedBefore: items.length, eventsBefore }
  const waited = performance.now() - sent
  sending.end(tail)
  const [answer] = await answered
  answer.resume()
  await once(answer, 'end')
  const seconds = (performance.now() - began - waited) / 1000
  if (answer.statusCode !== 201) throw new Error(`upload: ${answer.statusCode}`)
  await told.at
  return { ...atEnd, seconds, peak: peakOf(branch) }
}

async function send(sending: ClientRequest, bytes: Buffer): Promise<void> {
  if (!sending.write(bytes)) await once(sending, 'drain')
}
