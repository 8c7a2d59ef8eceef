/**
 * "Durable" is checked, not believed: a holder counts once it has answered a challenge about a random chunk, which it
 * can only answer with the sealed bytes at hand; and what holders claim is asked about for good.
 * Spec: docs/specs/placement.md, section "Durability".
 */
import { type Clock, sleep } from '../clock.ts'
import type { NodeId, Root } from '../ids.ts'
import { type Random, shuffled } from '../random.ts'
import type { LiveVersion } from './types.ts'

/** Holders beside the owner that must have proved themselves; fewer where the network has fewer members. */
export const DURABLE_HOLDERS = 2
/** Challenges of new copies that wait for an answer at once. */
const ASKING_MAX = 4
/** For what is on its way: others that come with a member, the word that a copy is given up (ms). */
const RETRY_MS = 1000
/** Between two spot checks, ms, and up to as much again. */
export const SPOT_EVERY_MS = 30_000
/** A holder whose copy is doubted, or that stays silent, is asked again after this, ms. */
export const ASK_AGAIN_MS = 600_000
/** Silences in a row, while it is connected, after which its copy is doubted. */
export const SILENCES_MAX = 3
/** Doubted and silent copies that are remembered. */
const SUSPECTS_MAX = 4096

/**
 * `right`, or another answer than the chunk's bytes give; `silent`: connected, and no answer; `unknown`: nothing can be
 * said, because it is away, or because this node itself lacks the chunk.
 */
export type Verdict = 'right' | 'wrong' | 'silent' | 'unknown'

export interface DurabilityInit {
  readonly clock: Clock
  readonly random: Random
  /** asks one holder about one random chunk */
  challenge(holder: NodeId, version: LiveVersion, signal: AbortSignal): Promise<Verdict>
  /** members beside this one */
  otherMembers(): number
  /** of the live files that this node owns each in its turn, without end; null when it owns none */
  nextOwnVersion(): LiveVersion | null
  /** of a file that this node owns and that is live; else null */
  ownVersion(root: Root): LiveVersion | null
  /** members that say they have all of it, this node not among them */
  claimants(root: Root): readonly NodeId[]
  /** copies that were not believed when the node stopped */
  formerDoubts(): Iterable<readonly [Root, Iterable<NodeId>]>
  /** Copies of a version that are not believed now: all of them, after a change. */
  onDoubt(version: LiveVersion, doubted: readonly NodeId[]): void
  /** the answers now suffice */
  onDurable(root: Root): void
  /** a listener threw */
  onProblem(error: unknown): void
}

export interface Durability {
  /** Spot checks from now on. */
  start(): void
  /** Challenges claimants of an own version that have not proved themselves yet, as far as proofs are wanting. */
  check(root: Root): void
  /** A member has come: it may answer for what nobody could answer for. */
  memberCame(): void
  isDurable(root: Root): boolean
  /** its claim failed a challenge, and no later one was answered right */
  isDoubted(root: Root, holder: NodeId): boolean
  stop(): Promise<void>
}

interface Suspect {
  readonly root: Root
  readonly holder: NodeId
  silences: number
  doubted: boolean
  askAt: number
}

export function createDurability(init: DurabilityInit): Durability {
  const { clock } = init
  const proved = new Map<Root, Set<NodeId>>()
  const suspects = new Map<string, Suspect>()
  /** own versions whose proofs are wanting */
  const waiting = new Set<Root>()
  /** those for which whoever was there did not suffice */
  const unproved = new Set<Root>()
  const working = new Set<Promise<void>>()
  /** who is being asked: never twice at once about the same */
  const asking = new Set<string>()
  const ended = new AbortController()
  let cancel = () => {}
  let cancelRetry: (() => void) | null = null

  const nameOf = (root: Root, holder: NodeId) => `${root}/${holder}`
  const isDoubted = (root: Root, holder: NodeId) => suspects.get(nameOf(root, holder))?.doubted === true
  const isDurable = (root: Root) =>
    (proved.get(root)?.size ?? 0) >= Math.min(DURABLE_HOLDERS, Math.max(0, init.otherMembers()))

  function tellDoubts(version: LiveVersion): void {
    const { root } = version.shape
    const doubted = [...suspects.values()].filter((each) => each.root === root && each.doubted)
    init.onDoubt(
      version,
      doubted.map(({ holder }) => holder),
    )
  }

  function believe(version: LiveVersion, holder: NodeId): void {
    const { root } = version.shape
    const before = isDurable(root)
    proved.set(root, (proved.get(root) ?? new Set()).add(holder))
    const suspect = suspects.get(nameOf(root, holder))
    suspects.delete(nameOf(root, holder))
    if (suspect?.doubted === true) tellDoubts(version)
    if (!before && isDurable(root)) init.onDurable(root)
  }

  function suspect(version: LiveVersion, holder: NodeId, verdict: 'wrong' | 'silent'): void {
    const { root } = version.shape
    const name = nameOf(root, holder)
    const found = suspects.get(name) ?? { root, holder, silences: 0, doubted: false, askAt: 0 }
    if (!suspects.has(name) && suspects.size >= SUSPECTS_MAX) return
    suspects.set(name, found)
    // one that is busy for a minute is silent once, however often it is asked meanwhile
    if (verdict === 'silent' && clock.now() < found.askAt) return
    found.askAt = clock.now() + ASK_AGAIN_MS
    found.silences = verdict === 'silent' ? found.silences + 1 : SILENCES_MAX
    if (found.doubted || found.silences < SILENCES_MAX) return
    found.doubted = true
    proved.get(root)?.delete(holder)
    tellDoubts(version)
  }

  async function ask(version: LiveVersion, holder: NodeId): Promise<void> {
    const verdict = await init.challenge(holder, version, ended.signal).catch((): Verdict => 'unknown')
    if (ended.signal.aborted) return
    if (verdict === 'right') believe(version, holder)
    if (verdict === 'right' || verdict === 'unknown') return
    if (verdict === 'wrong') {
      // it may have dropped its copy, and the word of that be on its way
      await sleep(clock, RETRY_MS, ended.signal)
      if (!init.claimants(version.shape.root).includes(holder)) return
    }
    suspect(version, holder, verdict)
  }

  async function askOnce(version: LiveVersion, holder: NodeId): Promise<void> {
    const name = nameOf(version.shape.root, holder)
    if (asking.has(name) || ended.signal.aborted) return
    asking.add(name)
    await ask(version, holder)
      .catch((error: unknown) => {
        if (!ended.signal.aborted) init.onProblem(error)
      })
      .finally(() => asking.delete(name))
  }

  /** One claimant after the other until the proofs suffice, and whoever is doubted once more. */
  async function prove(root: Root): Promise<void> {
    const version = init.ownVersion(root)
    unproved.delete(root)
    if (version === null) {
      proved.delete(root)
      return
    }
    for (const holder of shuffled(init.claimants(root), init.random)) {
      if (proved.get(root)?.has(holder) === true || (isDurable(root) && !isDoubted(root, holder))) continue
      await askOnce(version, holder)
    }
    if (!isDurable(root)) unproved.add(root)
  }

  function inBackground(work: Promise<void>): void {
    const done = work.catch(init.onProblem).finally(() => {
      working.delete(done)
      next()
    })
    working.add(done)
  }

  function next(): void {
    for (const root of waiting) {
      if (working.size >= ASKING_MAX || ended.signal.aborted) return
      waiting.delete(root)
      inBackground(prove(root))
    }
  }

  /** A suspect whose time has come, else somebody's copy of what is next in turn. */
  function spot(): void {
    const now = clock.now()
    for (const [name, { root, holder, askAt }] of suspects) {
      // a clock that was set back must not keep it from being asked
      if (askAt > now && askAt - now <= ASK_AGAIN_MS) continue
      const version = init.ownVersion(root)
      if (version !== null && init.claimants(root).includes(holder)) {
        inBackground(askOnce(version, holder))
        return
      }
      // it is not ours any more, or nobody claims it: nothing to doubt
      suspects.delete(name)
      if (version !== null) tellDoubts(version)
    }
    const version = init.nextOwnVersion()
    const claimants = version === null ? [] : init.claimants(version.shape.root)
    const holder = claimants[claimants.length === 0 ? 0 : init.random.below(claimants.length)]
    if (version !== null && holder !== undefined) inBackground(askOnce(version, holder))
  }

  function schedule(): void {
    cancel = clock.after(SPOT_EVERY_MS + init.random.below(SPOT_EVERY_MS), () => {
      try {
        spot()
      } catch (error) {
        init.onProblem(error)
      }
      schedule()
    })
  }

  for (const [root, holders] of init.formerDoubts()) {
    for (const holder of holders)
      suspects.set(nameOf(root, holder), { root, holder, silences: SILENCES_MAX, doubted: true, askAt: 0 })
  }

  return {
    start: schedule,
    check(root) {
      if (ended.signal.aborted) return
      waiting.add(root)
      next()
    },
    memberCame() {
      if (ended.signal.aborted) return
      cancelRetry ??= clock.after(RETRY_MS, () => {
        cancelRetry = null
        for (const root of unproved) waiting.add(root)
        next()
      })
    },
    isDurable,
    isDoubted,
    async stop() {
      ended.abort()
      cancel()
      cancelRetry?.()
      waiting.clear()
      await Promise.all(working)
    },
  }
}
