/** What the benches measure with: files to send, processor time, memory, and when something has arrived. */
import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Branch, Json } from '../support/branch.ts'

const PIECE = 1024 * 1024

export function makeFile(path: string, bytes: number): void {
  const handle = openSync(path, 'w')
  const piece = Buffer.alloc(PIECE)
  for (let left = bytes; left > 0; left -= PIECE) writeSync(handle, randomFillSync(piece), 0, Math.min(PIECE, left))
  closeSync(handle)
}

/** Seconds that the process has taken of the processor (proc(5), stat, fields 14 and 15 in hundredths). */
export function cpuOf(branch: Branch): number {
  const stat = readFileSync(`/proc/${branch.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Seconds that programs which this process has started, and which have ended, took of it (fields 16 and 17). */
export function cpuOfEnded(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}

/** MiB of memory at its highest. */
export function peakOf(branch: Branch): number {
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${branch.pid}/status`, 'utf8'))?.[1]
  return Number(peak) / 1024
}

/** Begins to watch the processor. @returns a function that tells how busy it was since, by all and by these branches */
export function watchProcessor(branches: readonly Branch[]): () => { all: number; ours: number } {
  const pids = new Map(branches.map((branch) => [branch.pid, cpuOf(branch)]))
  const began = { ...machine(), at: performance.now() }
  return () => {
    const now = machine()
    const seconds = (performance.now() - began.at) / 1000
    const all = (now.busy - began.busy) / Math.max(1, now.total - began.total)
    // what a killed one has taken is lost with it
    const living = branches.filter(({ isRunning, pid }) => isRunning && pids.has(pid))
    const ours = living.reduce((sum, branch) => sum + cpuOf(branch) - (pids.get(branch.pid) ?? 0), 0)
    return { all, ours: ours / seconds / availableParallelism() }
  }
}

function machine(): { busy: number; total: number } {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = (
    /^cpu\s+(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  )
    .split(' ')
    .map(Number)
  const busy = user + nice + system + irq + soft + steal
  return { busy, total: busy + idle + wait }
}

export const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

export const percent = (share: number) => `${Math.round(share * 100)} %`

/** When the branch told of that event, by `performance.now()`. Subscribed when this resolves. */
export async function eventOf(
  branch: Branch,
  isIt: (type: string, data: Json) => boolean,
): Promise<{ at: Promise<number> }> {
  const answer = await branch.fetch('/events')
  const find = async () => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const part of answer.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(part, { stream: true })
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const told = /^data: ?(.*)$/m.exec(event)?.[1]
        if (told === undefined) continue
        const { type, data } = JSON.parse(told) as Json
        if (isIt(type, data)) return performance.now()
      }
    }
    throw new Error(`${branch.name}: its events ended`)
  }
  const at = find()
  at.catch(() => undefined) // may fail while nobody waits
  return { at }
}

/** `transfer:ended` of the file there. */
export const arrival = (branch: Branch, isIt: (file: string) => boolean) =>
  eventOf(branch, (type, data) => type === 'transfer:ended' && data.state === 'done' && isIt(data.fileId))
