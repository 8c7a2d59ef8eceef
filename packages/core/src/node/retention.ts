/**
 * What is kept for a while goes at the end of it: the owner purges what lay in the trash for the retention, and every
 * node lets go of versions that are no longer current. Runs on local clocks and stays outside of the shared state; who is
 * not the owner waits longer, so that a clock that is off loses nothing.
 */
import type { SharedFile, SharedVersion } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { BranchId, FileId, Root } from '../ids.ts'

/** Files looked at before the event loop gets a turn. */
const LOOKS_PER_TURN = 64
const HOUR = 3_600_000
/** How much longer a holder waits than the owner. */
const HOLDER_GRACE_MS = 48 * HOUR

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
  onProblem(error: unknown): void
}

export interface Retention {
  start(): void
  stop(): Promise<void>
}

/** Versions that were replaced so long ago that nobody can ask for them any more. Pure. */
export function expiredVersions(
  file: Pick<SharedFile, 'version'>,
  versions: readonly Pick<SharedVersion, 'version' | 'conflict' | 'ms' | 'root'>[],
  before: number,
): Root[] {
  const current = versions.find(({ version, conflict }) => version === file.version && !conflict)
  return versions
    .filter((each) => each !== current && each.root !== current?.root)
    .filter((each) => {
      const replacedAt = versions
        .filter(({ version, conflict }) => !conflict && version > each.version)
        .reduce((first, { ms }) => Math.min(first, ms), Number.POSITIVE_INFINITY)
      return Math.max(each.ms, Number.isFinite(replacedAt) ? replacedAt : each.ms) < before
    })
    .map(({ root }) => root)
}

export function createRetention(init: RetentionInit): Retention {
  let stopped = false
  let working: Promise<void> | undefined
  let cancel = () => {}

  async function look(): Promise<void> {
    const now = init.clock.now()
    let looks = 0
    for (const file of init.files()) {
      if (stopped) return
      if (++looks % LOOKS_PER_TURN === 0) await new Promise(setImmediate)
      const isOwn = file.owner === init.ownBranch()
      if (file.state === 'deleted' && isOwn && (file.deleted ?? now) + init.retentionMs < now) init.purge(file.file)
      if (file.state === 'purged') continue
      const before = now - init.retentionMs - (isOwn ? 0 : HOLDER_GRACE_MS)
      for (const root of expiredVersions(file, init.versions(file.file), before)) await init.forgetRoot(file.file, root)
    }
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
