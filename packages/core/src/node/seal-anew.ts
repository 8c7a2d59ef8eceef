/**
 * Seals here what another reader has sealed anew, so that no chunk has to travel: whoever has the old seal and both keys
 * makes the same bytes (docs/specs/sealing.md). What a crash or a stop cuts short goes on where it was; nothing is kept of
 * what an error ended.
 */
import type { SharedState, Sharing } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { ContentStore, SealedFile } from '../content/index.ts'
import { type EpochKeys, openChunk, SEAL_OVERHEAD } from '../crypto/index.ts'
import type { FileId, Root } from '../ids.ts'
import type { AnewSealer } from './anew-sealer.ts'
import { type OlderSeal, unlessSpoilt } from './older-seal.ts'

/** For a reader that was off when the file was denied to others, and gets the new key from any other reader. */
const KEY_WAIT_MS = 60_000

export interface SealAnewInit {
  readonly state: Pick<SharedState, 'versionOfRoot'>
  readonly sharing: () => { readonly keyring: Pick<Sharing['keyring'], 'fileKey' | 'gaveUp'> }
  readonly store: Pick<ContentStore, 'get' | 'remove' | 'stat'>
  readonly sealer: AnewSealer
  readonly clock: Clock
  readonly closing: AbortSignal
  /** a seal that its author made of other bytes, or a disk that is full: the version is fetched instead */
  readonly onProblem: (error: unknown) => void
  /** the file may be looked at again: what was waited for did not come */
  readonly onWaited: (file: FileId) => void
}

export interface SealAnew {
  /** roots that this version had before and that are complete here */
  former(root: Root): Root[]
  /** an older seal is here with the keys of both, and making the new one was not tried in vain */
  can(root: Root): boolean
  /** An older seal of the same plain bytes, complete and with its keys, while this one is not. */
  older(root: Root): Promise<OlderSeal | null>
  /** The older seal and its key are here and the new key may come any moment: fetching chunks is not due yet. */
  awaitsKey(root: Root): boolean
  /** Starts, or joins, the sealing. @returns false when it did not yield that root */
  seal(root: Root): Promise<boolean>
  /** Resolves when nothing is being sealed any more. Abort `closing` before. */
  stop(): Promise<void>
}

export function createSealAnew(init: SealAnewInit): SealAnew {
  const { state, store } = init
  const running = new Map<Root, Promise<boolean>>()
  const inVain = new Set<Root>()
  /** what the new key is waited for; null when it was long enough */
  const waits = new Map<Root, (() => void) | null>()

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

  async function older(root: Root): Promise<OlderSeal | null> {
    const version = state.versionOfRoot(root)
    const [old] = former(root)
    if (version === null || old === undefined) return null
    const file = await store.get(old)
    const keys = file === null ? null : await oldKeysFor(file, version.file, version.epoch)
    return file === null || keys === null ? null : { file, keys }
  }

  async function run(root: Root): Promise<boolean> {
    const version = state.versionOfRoot(root)
    const from = await older(root)
    const newKeys = version === null ? null : keysOf(version.file, version.epoch)
    if (from === null || newKeys === null) return false
    const sealed = await init.sealer.seal({
      from: from.file,
      oldKeys: from.keys,
      newKeys,
      ...unlessSpoilt(from, init.closing),
    })
    if (sealed.root === root) return true
    await store.remove(sealed.root)
    return false
  }

  /** Has the key of an older epoch, not the one of this, and was not told by the owner that it is denied. */
  function isReaderOfOlder(file: FileId, epoch: number): boolean {
    const { keyring } = init.sharing()
    if (keyring.gaveUp(file) !== null || keyring.fileKey(file, epoch) !== null) return false
    for (let older = epoch - 1; older > 0; older--) if (keyring.fileKey(file, older) !== null) return true
    return false
  }

  return {
    former,
    older,
    awaitsKey(root) {
      const version = state.versionOfRoot(root)
      const known = waits.get(root)
      if (version === null || former(root).length === 0 || !isReaderOfOlder(version.file, version.epoch)) {
        known?.()
        waits.delete(root)
        return false
      }
      if (known !== undefined) return known !== null
      const over = () => {
        waits.set(root, null)
        init.onWaited(version.file)
      }
      waits.set(root, init.clock.after(KEY_WAIT_MS, over))
      return true
    },
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
      for (const cancel of waits.values()) cancel?.()
      await Promise.all(running.values())
    },
  }
}
