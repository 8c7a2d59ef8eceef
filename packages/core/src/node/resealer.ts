/** Seals a file's current version in its newest access epoch, so that former readers cannot fetch it any more. */
import { EpochMovedError, type SharedState, type Sharing } from '../catalogue/index.ts'
import type { ContentStore } from '../content/index.ts'
import type { FileId } from '../ids.ts'
import type { Transfers } from '../transfer/index.ts'
import type { AnewSealer } from './anew-sealer.ts'
import { shapeOf } from './session-versions.ts'

/** Chances while others change the audience meanwhile. */
const TRIES = 3

export interface ResealerInit {
  readonly state: SharedState
  readonly sharing: Sharing
  readonly store: ContentStore
  readonly sealer: AnewSealer
  readonly transfers: Transfers
}

/** @returns a function that does nothing for a version that is in the newest epoch already @throws {EpochMovedError} */
export function createResealer(init: ResealerInit): (file: FileId, signal: AbortSignal) => Promise<void> {
  const { state, sharing, store, sealer, transfers } = init

  return async (file, signal) => {
    for (let tries = 1; ; tries++) {
      const shared = state.file(file)
      const version = state.versions(file).find((each) => each.version === shared?.version && !each.conflict)
      if (shared == null || version === undefined || version.epoch === shared.epoch) return
      const oldKeys = sharing.keyring.fileKey(file, version.epoch)
      const newKeys = sharing.keyring.fileKey(file, shared.epoch)
      if (oldKeys === null || newKeys === null) throw new EpochMovedError(file)
      const from = await store.open(shapeOf(version))
      const fetch = () => transfers.want(shapeOf(version), { kind: 'fetch', fileId: file })
      if (!from.complete) await fetch().done
      // a chunk that the disk has spoilt is fetched again
      const sealed = await sealer.seal({ from, oldKeys, newKeys, signal, want: () => void fetch() })
      try {
        sharing.author.publishReseal({ file, version: version.version, keys: newKeys, content: shapeOf(sealed) })
        return
      } catch (error) {
        await store.remove(sealed.root)
        if (!(error instanceof EpochMovedError) || tries === TRIES) throw error
      }
    }
  }
}
