/**
 * Versions and boxes that the disk has spoilt, until they are whole again: which they are, what brings them back, and
 * what is to be said of them. Spec: docs/specs/scrub.md.
 */
import type { SharedState } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import { type CborValue, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { BoxStore, ContentStore } from '../content/index.ts'
import { type BoxHash, idBytes, idFrom, type Root } from '../ids.ts'
import type { LocalSettings } from '../ledger/index.ts'
import type { LiveVersion } from '../replication/index.ts'
import type { Versions } from './session-versions.ts'

const DAMAGED = 'node/damaged'
/** Versions, and boxes, that are remembered over a restart. */
export const DAMAGED_MAX = 4096
/** A box that nothing known names may be one of an audience, or of nothing at all: asked for so often. */
const UNNAMED_TRIES = 1000
const MAX_BYTES = 2 * DAMAGED_MAX * 40

export interface HealingInit {
  readonly settings: LocalSettings
  readonly clock: Clock
  readonly state: Pick<SharedState, 'versionOfRoot' | 'boxOwner'>
  readonly versions: Pick<Versions, 'live' | 'of'>
  readonly store: Pick<ContentStore, 'stat' | 'onChange' | 'onDamage'>
  readonly boxes: Pick<BoxStore, 'has'>
  readonly intervalMs: number
  mayHold(version: LiveVersion): boolean
  /** the file's present version: what is to be done about it is decided where that is always decided */
  look(version: LiveVersion): void
  /** an older version, which nobody else would ask for */
  want(version: LiveVersion): void
  seekBox(hash: BoxHash): void
  /** damage that was not known before */
  onFound(version: LiveVersion): void
  /** whole again: what its manifest was wanted for can be looked at now */
  onHealed(root: Root): void
  onProblem(error: unknown): void
}

export interface Healing {
  start(): void
  isDamaged(root: Root): boolean
  /** versions that are not whole yet */
  versions(): LiveVersion[]
  /** boxes that are not back yet */
  boxes(): number
  /** versions and boxes that came back, ever */
  healed(): number
  boxDamaged(hash: BoxHash): void
  stop(): void
}

const savedShape = shape.object({
  v: shape.uint(1),
  healed: shape.uint(),
  roots: shape.array(shape.bytes(32), DAMAGED_MAX),
  boxes: shape.array(shape.bytes(32), DAMAGED_MAX),
})

export function createHealing(init: HealingInit): Healing {
  const { settings, state, store, boxes } = init
  const roots = new Set<Root>()
  const lostBoxes = new Map<BoxHash, number>()
  let healed = 0
  /** whose loss is told right now: what follows is no removal by this node */
  let losing: Root | null = null
  let cancel = () => {}
  let isStopped = false

  function load(): void {
    const bytes = settings.getSetting(DAMAGED)
    if (bytes === null) return
    const saved = savedShape(decodeCbor(bytes, MAX_BYTES))
    healed = saved.healed
    for (const root of saved.roots) roots.add(idFrom<Root>(root))
    for (const hash of saved.boxes) lostBoxes.set(idFrom<BoxHash>(hash), 0)
  }

  function save(): void {
    const value: CborValue = {
      v: 1,
      healed,
      roots: [...roots].slice(0, DAMAGED_MAX).map(idBytes),
      boxes: [...lostBoxes.keys()].slice(0, DAMAGED_MAX).map(idBytes),
    }
    settings.setSetting(DAMAGED, encodeCbor(value))
  }

  /** null for what is of no use any more: purged, replaced, or never published */
  function versionOf(root: Root): LiveVersion | null {
    const version = state.versionOfRoot(root)
    return version === null ? null : init.versions.of(version)
  }

  function forget(root: Root, isHealed: boolean): void {
    roots.delete(root)
    if (isHealed) healed += 1
    save()
    if (isHealed) init.onHealed(root)
  }

  function heal(root: Root): void {
    const isWhole = store.stat(root)?.complete === true
    const version = versionOf(root)
    if (isWhole || version === null || !init.mayHold(version)) {
      forget(root, isWhole)
      return
    }
    const live = init.versions.live(version.file)
    if (live?.shape.root === root) init.look(live)
    else init.want(version)
  }

  function seekBoxes(): void {
    for (const [hash, tries] of lostBoxes) {
      if (!boxes.has(hash) && (state.boxOwner(hash) !== null || tries < UNNAMED_TRIES)) {
        lostBoxes.set(hash, tries + 1)
        init.seekBox(hash)
        continue
      }
      lostBoxes.delete(hash)
      if (boxes.has(hash)) healed += 1
      save()
    }
  }

  function guarded(work: () => void): void {
    if (isStopped) return
    try {
      work()
    } catch (error) {
      init.onProblem(error)
    }
  }

  function tick(): void {
    guarded(() => {
      for (const root of roots) heal(root)
      seekBoxes()
    })
    if (!isStopped) cancel = init.clock.after(init.intervalMs, tick)
  }

  function found(root: Root): void {
    losing = root
    const version = versionOf(root)
    if (version === null || roots.has(root)) return
    roots.add(root)
    save()
    init.onFound(version)
  }

  function changed(root: Root): void {
    const isLoss = losing === root
    losing = null
    if (!roots.has(root)) return
    const stored = store.stat(root)
    if (stored?.complete === true) forget(root, true)
    else if (stored === null && !isLoss) forget(root, false)
    else if (isLoss) heal(root)
  }

  // a list that cannot be read is made again by the next look; it must not cost the start
  guarded(load)
  const leave = [
    store.onDamage((root) => guarded(() => found(root))),
    store.onChange((root) => guarded(() => changed(root))),
  ]

  return {
    start: tick,
    isDamaged: (root) => roots.has(root),
    versions: () => [...roots].flatMap((root) => versionOf(root) ?? []),
    boxes: () => lostBoxes.size,
    healed: () => healed,
    boxDamaged(hash) {
      guarded(() => {
        lostBoxes.set(hash, 0)
        save()
        init.seekBox(hash)
      })
    },
    stop() {
      isStopped = true
      cancel()
      for (const each of leave) each()
    },
  }
}
