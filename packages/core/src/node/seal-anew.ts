/**
 * Seals here what another reader has sealed anew, so that no chunk has to travel: whoever has the old seal and both keys
 * makes the same bytes (docs/specs/sealing.md). Nothing is kept of a run that a crash or an error ended; it is begun again.
 */
import type { SharedState, Sharing } from '../catalogue/index.ts'
import { type ContentStore, reseal, type SealedFile } from '../content/index.ts'
import { type EpochKeys, openChunk, SEAL_OVERHEAD } from '../crypto/index.ts'
import type { FileId, Root } from '../ids.ts'

export interface SealAnewInit {
  readonly state: Pick<SharedState, 'versionOfRoot'>
  readonly sharing: () => Pick<Sharing, 'keyring'>
  readonly store: Pick<ContentStore, 'beginSealing' | 'get' | 'remove' | 'stat'>
  readonly closing: AbortSignal
  /** a seal that its author made of other bytes, or a disk that is full: the version is fetched instead */
  readonly onProblem: (error: unknown) => void
}

export interface SealAnew {
  /** roots that this version had before and that are complete here */
  former(root: Root): Root[]
  /** an older seal is here with the keys of both, and making the new one was not tried in vain */
  can(root: Root): boolean
  /** Starts, or joins, the sealing. @returns false when it did not yield that root */
  seal(root: Root): Promise<boolean>
  /** Resolves when nothing is being sealed any more. Abort `closing` before. */
  stop(): Promise<void>
}

export function createSealAnew(init: SealAnewInit): SealAnew {
  const { state, store } = init
  const running = new Map<Root, Promise<boolean>>()
  const inVain = new Set<Root>()

  const former = (root: Root): Root[] =>
    (state.versionOfRoot(root)?.formerRoots ?? []).filter((each) => store.stat(each)?.complete === true)

  function keysOf(file: FileId, epoch: number): EpochKeys | null {
    return init.sharing().keyring.fileKey(file, epoch)
  }

  /** The row does not say in which epoch a former seal was made, but only its key opens it. */
  async function oldKeysFor(from: SealedFile, file: FileId, before: number): Promise<EpochKeys | null> {
    for (let epoch = before - 1; epoch > 0; epoch--) {
      const keys = keysOf(file, epoch)
      if (keys === null) return null // older ones are reached through newer ones only
      if (from.count === 0) return keys
      const sealed = await from.read(0)
      try {
        openChunk(keys, 0, sealed.length - SEAL_OVERHEAD, sealed)
        return keys
      } catch {
        // sealed in an older epoch
      }
    }
    return null
  }

  async function run(root: Root): Promise<boolean> {
    const version = state.versionOfRoot(root)
    const [old] = former(root)
    if (version === null || old === undefined) return false
    const from = await store.get(old)
    const newKeys = keysOf(version.file, version.epoch)
    const oldKeys = from === null ? null : await oldKeysFor(from, version.file, version.epoch)
    if (from === null || oldKeys === null || newKeys === null) return false
    const { file } = await reseal({ store, from, oldKeys, newKeys, signal: init.closing })
    if (file.root === root) return true
    await store.remove(file.root)
    return false
  }

  return {
    former,
    can(root) {
      const version = state.versionOfRoot(root)
      if (version === null || inVain.has(root) || former(root).length === 0) return false
      return keysOf(version.file, version.epoch) !== null && keysOf(version.file, version.epoch - 1) !== null
    },
    seal(root) {
      const known = running.get(root)
      if (known !== undefined) return known
      const started = run(root)
        .catch((error: unknown) => {
          if (!init.closing.aborted) init.onProblem(error)
          return false
        })
        .then((done) => {
          if (!done) inVain.add(root)
          return done
        })
        .finally(() => running.delete(root))
      running.set(root, started)
      return started
    },
    async stop() {
      await Promise.all(running.values())
    },
  }
}
