/**
 * What the author of file entries needs of keys, boxes and views. The simulation is about the ledger: who may have a key
 * is decided by the list of the access epoch, the keys themselves lie in one vault for all nodes.
 */

import { listId } from '../../packages/core/src/catalogue/audience-list.ts'
import type { AuthorInit } from '../../packages/core/src/catalogue/author.ts'
import type {
  AudienceList,
  Audiences,
  FileMeta,
  SharedState,
  VisibleFile,
  WritingKey,
} from '../../packages/core/src/catalogue/index.ts'
import { EVERYONE_LIST, entitled } from '../../packages/core/src/catalogue/index.ts'
import {
  blake3,
  deriveEpochKeys,
  type EpochKeys,
  type SigningKey,
  sign,
  signingKeyFromSeed,
} from '../../packages/core/src/crypto/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  EVERYONE,
  type FileId,
  idBytes,
  idFrom,
  type KeyId,
  type NetworkId,
  type NodeId,
  toHex,
} from '../../packages/core/src/ids.ts'
import type { Ledger } from '../../packages/core/src/ledger/index.ts'
import type { Prng } from './prng.ts'

interface EpochSecret {
  readonly keys: EpochKeys
  readonly list: AudienceList
}

/** Every key of the run. A node reads what its branch is entitled to. */
export class Vault {
  readonly #epochs = new Map<string, EpochSecret>()
  readonly #audienceKeys = new Map<KeyId, SigningKey>()

  putEpoch(keys: EpochKeys, list: AudienceList): void {
    this.#epochs.set(toHex(keys.proof.publicKey), { keys, list })
  }

  /** The epoch that this proof key belongs to; undefined for one that some hostile member made up. */
  epoch(proof: Uint8Array): EpochSecret | undefined {
    return this.#epochs.get(toHex(proof))
  }

  putAudienceKey(key: KeyId, proof: SigningKey): void {
    this.#audienceKeys.set(key, proof)
  }

  audienceKey(key: KeyId): SigningKey | undefined {
    return this.#audienceKeys.get(key)
  }
}

export interface StandInsInit {
  readonly network: NetworkId
  readonly self: NodeId
  readonly state: SharedState
  readonly ledger: Ledger
  readonly vault: Vault
  readonly random: Prng
}

export type StandIns = Pick<AuthorInit, 'keyring' | 'audiences' | 'views' | 'boxes'> & {
  /** Makes the next key of an audience, as the first writer after a removal does. */
  renew(audience: AudienceId): void
}

export function createStandIns(init: StandInsInit): StandIns {
  const { network, self, state, ledger, vault, random } = init
  /** the list of the key that is being written with */
  let writing: AudienceList = EVERYONE_LIST

  const ownBranch = (): BranchId | undefined => state.membership().members.get(self)?.branch

  function secretOf(file: FileId, epoch: number): EpochSecret | undefined {
    const row = state.epochs(file).find((each) => each.epoch === epoch)
    const secret = row === undefined ? undefined : vault.epoch(row.proof)
    const branch = ownBranch()
    return secret !== undefined && branch !== undefined && entitled(secret.list, branch) ? secret : undefined
  }

  const keyring = {
    fileKey: (file: FileId, epoch: number) => secretOf(file, epoch)?.keys ?? null,
    putFileKey: (file: FileId, epoch: number, secret: Uint8Array) =>
      vault.putEpoch(deriveEpochKeys(network, file, epoch, secret), writing),
    forgetEpoch: () => undefined,
    noteBox: () => undefined,
  } as unknown as AuthorInit['keyring']

  function makeKey(audience: AudienceId, previous: KeyId | undefined): KeyId {
    const key = idFrom<KeyId>(random.bytes(16))
    const proof = signingKeyFromSeed(random.bytes(32))
    const before = previous === undefined ? undefined : vault.audienceKey(previous)
    const renews =
      previous === undefined || before === undefined
        ? {}
        : {
            renews: {
              key: idBytes(previous),
              signature: sign(before, 'audience-renewal', network, idBytes(audience), idBytes(key)),
            },
          }
    const list = audience === EVERYONE ? {} : { list: random.bytes(32) }
    const body = { audience: idBytes(audience), key: idBytes(key), proof: proof.publicKey, grants: random.bytes(32) }
    vault.putAudienceKey(key, proof)
    ledger.append('audience', { ...body, ...list, ...renews })
    return key
  }

  const lastKey = (audience: AudienceId) => state.audience(audience)?.keys.at(-1)?.key

  const audiences: Audiences = {
    async writingKey(list): Promise<WritingKey> {
      writing = list
      const audience = list.mode === 'everyone' ? EVERYONE : idFrom<AudienceId>(listId(list).slice(0, 16))
      return { audience, key: lastKey(audience) ?? makeKey(audience, undefined), secret: new Uint8Array(32) }
    },
    isUsable: () => true,
    ensureEveryone: async () => undefined,
    membersChanged: () => undefined,
  }

  function viewOf(file: FileId): VisibleFile | null {
    const shared = state.file(file)
    const secret = shared === null || shared.state === 'purged' ? undefined : secretOf(file, shared.epoch)
    if (shared === null || shared.state === 'purged' || secret === undefined) return null
    return {
      file,
      version: shared.version,
      epoch: shared.epoch,
      name: `file-${file.slice(0, 8)}`,
      type: 'image/png',
      tags: [],
      campaign: null,
      plainHash: new Uint8Array(32),
      list: secret.list,
      size: 0,
      owner: shared.owner,
      state: shared.state,
      preview: shared.preview,
      created: shared.created,
      updated: shared.updated,
    }
  }

  function metaOf(file: FileId): FileMeta | null {
    const view = viewOf(file)
    if (view === null) return null
    const { name, type, tags, campaign, created, plainHash, list } = view
    return { name, type, tags, campaign, created, plainHash, list }
  }

  const views = {
    get: viewOf,
    metaOf,
    preview: async () => null,
    refresh: () => undefined,
  } as unknown as AuthorInit['views']
  const boxes: AuthorInit['boxes'] = {
    put: (bytes) => idFrom<BoxHash>(blake3(bytes)),
    local: () => null,
    get: async () => null,
    remove: () => undefined,
  }
  return { keyring, audiences, views, boxes, renew: (audience) => void makeKey(audience, lastKey(audience)) }
}
