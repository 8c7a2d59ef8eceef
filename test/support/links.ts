/**
 * Branches behind links of a given speed: a network namespace for each, joined to a bridge in one more, with token
 * buckets (`tc tbf`) for what leaves the branch and what comes to it. Needs root and iproute2; adds no delay.
 *
 * Each namespace has a second link, to this process alone and not capped, for its API. Everything goes with `close`,
 * with the end of this process, and on Ctrl-C; what a killed process left behind goes at the next start.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Place } from './branch.ts'
import { atEnd, batch, freeControlNet, removeSpaces, removeStaleSpaces } from './namespaces.ts'

/** Mbit/s, of everything on the wire; null: as fast as the machine. */
export interface LinkRates {
  readonly up: number | null
  readonly down: number | null
}

export interface CappedLinks {
  /** Where that branch's processes run. */
  place(at: number): Place & { readonly listen: string }
  setRates(at: number, rates: LinkRates): void
  /** Bytes on the wire since the start, of a branch whose process runs. */
  traffic(pid: number): { up: number; down: number }
  /** Ends what runs there, and removes it. */
  close(): void
}

const PREFIX = 'malote-test'
const BURST = '64kb'
/** what may wait in front of a link: longer queues only delay what is small and urgent */
const QUEUE = '50ms'
/** members take it for a public network, so that nothing of theirs that spares local links applies */
const SWARM = '11.22.33'
const MAX_BRANCHES = 120

/** Why there are no capped links on this machine; null: there are. */
export function linksMissing(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  for (const tool of ['ip', 'tc'])
    if (spawnSync(tool, ['-V']).error !== undefined) return `${tool} (iproute2) is missing`
  const trial = `${PREFIX}-${process.pid}-trial`
  try {
    batch('ip', [], [`netns add ${trial}`])
    batch('ip', ['-n', trial], ['link add one type veth peer name two', 'link set one up'])
    batch('tc', ['-n', trial], [`qdisc add dev one root tbf rate 1mbit burst ${BURST} latency ${QUEUE}`])
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    spawnSync('ip', ['netns', 'del', trial])
  }
}

let made = 0

/** @throws where `linksMissing` says why */
export function createLinks(rates: readonly LinkRates[]): CappedLinks {
  if (rates.length > MAX_BRANCHES) throw new RangeError(`at most ${MAX_BRANCHES} branches`)
  removeStaleSpaces(PREFIX)
  made += 1
  const name = `${PREFIX}-${process.pid}-${made}`
  const hub = `${name}-hub`
  const spaceOf = (at: number) => `${name}-${at}`
  const net = freeControlNet()
  const control = (at: number) => ({ ours: `${net}.${2 * at}`, theirs: `${net}.${2 * at + 1}` })

  const close = () => {
    forget()
    removeSpaces([...rates.map((_, at) => spaceOf(at)), hub])
  }
  const forget = atEnd(close)

  const setRates = (at: number, { up, down }: LinkRates) => {
    cap(spaceOf(at), 'wan', up)
    cap(hub, `port${at}`, down)
  }
  try {
    const spaces = rates.map((_, at) => `netns add ${spaceOf(at)}`)
    batch('ip', [], [`netns add ${hub}`, ...spaces])
    batch('ip', ['-n', hub], ['link add hub type bridge', 'link set hub up'])
    rates.forEach((rate, at) => {
      const outside = `ml${process.pid}x${made}x${at}`.slice(-15)
      const { ours, theirs } = control(at)
      batch(
        'ip',
        ['-n', spaceOf(at)],
        [
          'link set lo up',
          `link add wan type veth peer name port${at} netns ${hub}`,
          `addr add ${SWARM}.${at + 1}/24 dev wan`,
          'link set wan up',
        ],
      )
      batch('ip', ['-n', hub], [`link set port${at} master hub`, `link set port${at} up`])
      batch(
        'ip',
        [],
        [
          `link add ${outside} type veth peer name control netns ${spaceOf(at)}`,
          `addr add ${ours}/31 dev ${outside}`,
          `link set ${outside} up`,
        ],
      )
      batch('ip', ['-n', spaceOf(at)], [`addr add ${theirs}/31 dev control`, 'link set control up'])
      setRates(at, rate)
    })
  } catch (error) {
    close()
    throw error
  }
  return {
    place: (at) => ({
      command: ['ip', 'netns', 'exec', spaceOf(at)],
      listen: `/ip4/${SWARM}.${at + 1}/tcp/4373`,
      api: `${control(at).theirs}:0`,
    }),
    setRates,
    traffic: trafficOf,
    close,
  }
}

function cap(space: string, device: string, mbit: number | null): void {
  spawnSync('tc', ['-n', space, 'qdisc', 'del', 'dev', device, 'root'])
  if (mbit === null) return
  batch('tc', ['-n', space], [`qdisc add dev ${device} root tbf rate ${mbit}mbit burst ${BURST} latency ${QUEUE}`])
}

/** A process sees the interfaces of its own namespace there (proc(5)). */
function trafficOf(pid: number): { up: number; down: number } {
  const line = /^\s*wan:(.*)$/m.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))?.[1]
  if (line === undefined) throw new Error(`process ${pid} is not behind a capped link`)
  const fields = line.trim().split(/\s+/).map(Number)
  return { down: fields[0] ?? 0, up: fields[8] ?? 0 }
}
