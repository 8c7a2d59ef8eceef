/**
 * Sources that sent something else than what was asked for: a damaged disk, or changed software. Each is asked about
 * that chunk once more, by a challenge, for which a source reads its disk with care: an honest one finds the damage so,
 * mends it, and is forgiven; one that insists is asked last for a while, by all fetches of the version, and named.
 */
import type { Clock } from '../clock.ts'
import { codeOf } from '../errors.ts'
import type { NodeId, Root } from '../ids.ts'
import type { SourceProblem } from '../transfer/index.ts'

/** So long a source is passed over for a version of which it sent something else (ms). */
export const REMEMBERED_MS = 10 * 60_000
/** Versions and sources that are remembered; the oldest go. */
const REMEMBERED_MAX = 1024
/** Sources that are asked once more at the same time; of more, the damage waits for the next look at the disk. */
const ASKED_MAX = 4

export interface FaultySourcesInit {
  readonly clock: Clock
  /** whether it says now that it has not got this chunk */
  readonly hasLost: (peer: NodeId, root: Root, index: number, signal: AbortSignal) => Promise<boolean>
  readonly log: (message: string) => void
}

export interface FaultySources {
  told(problem: SourceProblem): void
  /** Without those that sent something else, unless there are no others. */
  without(root: Root, sources: readonly NodeId[]): readonly NodeId[]
  list(): { readonly peer: NodeId; readonly root: Root }[]
  stop(): Promise<void>
}

export function createFaultySources({ clock, hasLost, log }: FaultySourcesInit): FaultySources {
  const faulty = new Map<string, { readonly peer: NodeId; readonly root: Root; readonly until: number }>()
  const asking = new Set<Promise<void>>()
  const ended = new AbortController()
  const nameOf = (root: Root, peer: NodeId) => `${root}/${peer}`

  function current(name: string) {
    const found = faulty.get(name)
    if (found === undefined || clock.now() < found.until) return found
    faulty.delete(name)
    return undefined
  }

  async function askOnceMore(peer: NodeId, root: Root, index: number): Promise<void> {
    try {
      if (!(await hasLost(peer, root, index, ended.signal))) return
      faulty.delete(nameOf(root, peer))
      log(`source ${peer}: has found the damage of chunk ${index} of ${root.slice(0, 12)}`)
    } catch (error) {
      if (!ended.signal.aborted) log(`source ${peer}: not asked once more: ${codeOf(error)}`)
    }
  }

  return {
    told({ peer, root, kind, index }) {
      if (kind !== 'wrong-chunk' && kind !== 'wrong-manifest' && kind !== 'protocol') return
      const name = nameOf(root, peer)
      faulty.delete(name)
      faulty.set(name, { peer, root, until: clock.now() + REMEMBERED_MS })
      const [oldest] = faulty.keys()
      if (faulty.size > REMEMBERED_MAX && oldest !== undefined) faulty.delete(oldest)
      if (index === undefined || asking.size >= ASKED_MAX || ended.signal.aborted) return
      const work = askOnceMore(peer, root, index).finally(() => asking.delete(work))
      asking.add(work)
    },
    without(root, sources) {
      const others = sources.filter((peer) => current(nameOf(root, peer)) === undefined)
      return others.length > 0 ? others : sources
    },
    list: () => [...faulty.keys()].flatMap((name) => current(name) ?? []),
    async stop() {
      ended.abort()
      await Promise.all(asking)
    },
  }
}
