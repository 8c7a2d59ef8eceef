/**
 * Network namespaces of a test: named after the process that made them, ended and removed with it, and what a killed
 * process left behind removed by the next one. Needs root and iproute2.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const FOLDER = '/run/netns'

/** Commands of `ip` or `tc`, one a line, in one go. @throws with what it printed */
export function batch(program: 'ip' | 'tc', options: readonly string[], lines: readonly string[]): void {
  run(program, [...options, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** @returns what it printed @throws with what it complained of */
export function run(program: string, args: readonly string[], input = ''): string {
  const { status, error, stdout, stderr } = spawnSync(program, args, { input })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? String(stderr).trim()}`)
  return String(stdout)
}

let taken = 0

/** First three numbers of a /24 of the range for benchmarks (RFC 2544) in which this machine has no address yet. */
export function freeControlNet(): string {
  const inUse = new Set(
    Object.values(networkInterfaces()).flatMap(
      (each) => each?.map(({ address }) => address.replace(/\.\d+$/, '')) ?? [],
    ),
  )
  taken += 1
  for (let tried = 0; tried < 512; tried++) {
    const slot = (process.pid + taken + tried) % 512
    const net = `198.${18 + (slot >> 8)}.${slot & 255}`
    if (!inUse.has(net)) return net
  }
  throw new Error('198.18.0.0/15 is in use')
}

/** Processes in there first: a namespace lives as long as one does. Interfaces go with their namespace. */
export function removeSpaces(spaces: readonly string[]): void {
  const there = spaces.filter((space) => existsSync(`${FOLDER}/${space}`))
  for (const space of there) {
    const { stdout } = spawnSync('ip', ['netns', 'pids', space])
    for (const pid of String(stdout).trim().split(/\s+/)) {
      try {
        if (pid !== '') process.kill(Number(pid), 'SIGKILL')
      } catch {
        // it has ended meanwhile
      }
    }
  }
  // one that cannot be removed does not keep the others
  spawnSync('ip', ['-force', '-batch', '-'], { input: there.map((space) => `netns del ${space}\n`).join('') })
}

/** Those of processes that are no more; names are `<prefix>-<pid>-…`. */
export function removeStaleSpaces(prefix: string): void {
  if (!existsSync(FOLDER)) return
  const stale = readdirSync(FOLDER).filter((space) => {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(space)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  removeSpaces(stale)
}

/** Calls it when this process ends, also by Ctrl-C. @returns takes that back */
export function atEnd(close: () => void): () => void {
  const forget = () => {
    process.off('exit', close)
    for (const signal of SIGNALS) process.off(signal, interrupted)
  }
  const interrupted = (signal: NodeJS.Signals) => {
    forget()
    close()
    process.kill(process.pid, signal)
  }
  process.on('exit', close)
  for (const signal of SIGNALS) process.on(signal, interrupted)
  return forget
}
