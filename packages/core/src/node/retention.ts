/**
 * What is kept for a while goes at the end of it: the owner purges what lay in the trash for the retention, holders let go
 * of it also when the owner is not there to say so, and every node lets go of versions that are no longer current. Runs on
 * local clocks and stays outside of the shared state; who is not the owner waits longer, so that a clock that is off loses
 * nothing.
 */
import type { SharedFile, SharedVersion } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { BranchId, FileId, Root } from '../ids.ts'

/** Files looked at before the event loop gets a turn. */
const LOOKS_PER_TURN = 64
const HOUR = 3_600_000
/** How much longer a holder waits than the owner. */
const HOLDER_GRACE_MS = 48 * HOUR

/** Versions that are no longer current may use this share of what the node offers; then the oldest go early. */
export const KEPT_SHARE = 0.25

export interface RetentionInit {
  readonly clock: Clock
  readonly retentionMs: number
  /** @default 1 h */
  readonly intervalMs?: number
  files(): Iterable<SharedFile>
  versions(file: FileId): readonly SharedVersion[]
  ownBranch(): BranchId
  purge(file: FileId): void
  forgetRoot(file: FileId, root: Root): Promise<void>
  /** chunks and boxes, of all versions; nothing to do where there are none */
  forgetFile(file: FileId): Promise<void>
  /** bytes of a version on this disk */
  bytesOf(root: Root): number
  /** bytes that this node offers in all */
  room(): number
  onProblem(error: unknown): void
}

export interface Retention {
  start(): void
  stop(): Promise<void>
}

/** A version that is kept although another is current. */
export interface ReplacedVersion {
  readonly root: Root
  /** ms since the epoch; of a conflict version, when it was made */
  readonly at: number
}

/** All versions but the current one and those with the same content, and since when they are replaced. Pure. */
export function replacedVersions(
  file: Pick<SharedFile, 'version'>,
  versions: readonly Pick<SharedVersion, 'version' | 'conflict' | 'ms' | 'root'>[],
): ReplacedVersion[] {
  const current = versions.find(({ version, conflict }) => version === file.version && !conflict)
  return versions
    .filter((each) => each !== current && each.root !== current?.root)
    .map((each) => {
      const replacedAt = versions
        .filter(({ version, conflict }) => !conflict && version > each.version)
        .reduce((first, { ms }) => Math.min(first, ms), Number.POSITIVE_INFINITY)
      return { root: each.root, at: Math.max(each.ms, Number.isFinite(replacedAt) ? replacedAt : each.ms) }
    })
}

/** What has to go, oldest first, so that the rest fits. Pure. */
export function overQuota<T extends { readonly at: number; readonly bytes: number }>(
  kept: readonly T[],
  quota: number,
): T[] {
  let left = kept.reduce((sum, { bytes }) => sum + bytes, 0)
  const go: T[] = []
  for (const each of [...kept].sort((a, b) => a.at - b.at)) {
    if (left <= quota) break
    go.push(each)
    left -= each.bytes
  }
  return go
}

export function createRetention(init: RetentionInit): Retention {
  let stopped = false
  let working: Promise<void> | undefined
  let cancel = () => {}

  async function look(): Promise<void> {
    const now = init.clock.now()
    const kept: { file: FileId; root: Root; at: number; bytes: number }[] = []
    let looks = 0
    for (const file of init.files()) {
      if (stopped) return
      if (++looks % LOOKS_PER_TURN === 0) await new Promise(setImmediate)
      const isOwn = file.owner === init.ownBranch()
      const before = now - init.retentionMs - (isOwn ? 0 : HOLDER_GRACE_MS)
      const isOver = file.state === 'deleted' && (file.deleted ?? now) < before
      if (isOver && isOwn) init.purge(file.file)
      // of a purged one only what a crash has left
      else if (isOver || file.state === 'purged') await init.forgetFile(file.file)
      if (isOver || file.state === 'purged') continue
      for (const { root, at } of replacedVersions(file, init.versions(file.file))) {
        const bytes = init.bytesOf(root)
        if (at < before) await init.forgetRoot(file.file, root)
        else if (bytes > 0) kept.push({ file: file.file, root, at, bytes })
      }
    }
    for (const { file, root } of overQuota(kept, init.room() * KEPT_SHARE)) await init.forgetRoot(file, root)
  }

  function schedule(): void {
    cancel = init.clock.after(init.intervalMs ?? HOUR, () => {
      working = look().catch(init.onProblem)
      schedule()
    })
  }

  return {
    start: schedule,
    async stop() {
      stopped = true
      cancel()
      await working
    },
  }
}
