/**
 * Writes entries about files: checks, seals boxes, wraps keys, and only then appends. What is slow (sealing a new
 * audience key to its members) comes before the last check; from that check to the append nothing waits.
 */
import type { Clock } from '../clock.ts'
import type { CborValue } from '../codec/index.ts'
import {
  deriveEpochKeys,
  type EpochKeys,
  equalBytes,
  newFileKey,
  type SigningKey,
  wrapFileKey,
} from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import {
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  type NetworkId,
  type NodeId,
  type Root,
} from '../ids.ts'
import { fileIdFor, RefusedError } from '../membership/index.ts'
import type { Random } from '../random.ts'
import { type AudienceList, entitledBy, sameList } from './audience-list.ts'
import type { Audiences, WritingKey } from './audiences.ts'
import { buildsOn, type ChangeOptions, type Checks } from './author-checks.ts'
import { type FileMeta, type Preview, sealMeta, sealOlder, sealPreview } from './boxes-format.ts'
import { EpochMovedError, FileNotDeletedError, FileNotFoundError } from './errors.ts'
import type { Keyring } from './keyring.ts'
import { checkDetails, type FileDetails } from './names.ts'
import type { AppendEntry, Boxes, SharedReads } from './reads.ts'
import type { SharedFile } from './types.ts'
import type { Views } from './views.ts'
import type { VisibleFile } from './views-table.ts'

/** The first access epoch of every file. */
export const FIRST_EPOCH = 1

export interface SealedContent {
  readonly root: Root
  /** plain bytes */
  readonly size: number
  /** plain bytes per chunk */
  readonly chunk: number
}

/** A file before it is published: its content is sealed with `keys`. */
export interface BegunFile {
  readonly file: FileId
  readonly salt: Uint8Array
  readonly keys: EpochKeys
}

export interface UploadInit {
  readonly begun: BegunFile
  readonly content: SealedContent
  readonly plainHash: Uint8Array
  readonly details: FileDetails
  readonly list: AudienceList
  readonly preview?: Preview | null
}

export interface UpdateInit extends ChangeOptions {
  readonly file: FileId
  /** as given by `epochForUpdate` */
  readonly keys: EpochKeys
  readonly content: SealedContent
  readonly plainHash: Uint8Array
  readonly details?: Partial<FileDetails>
  readonly preview?: Preview | null
}

/** From the list that a file has; the owner is in every list. */
export type ListChange = (list: AudienceList, owner: BranchId) => AudienceList

export interface AuthorInit {
  /** of keys and boxes: what belongs together is written together, and waited for once */
  db: Pick<Database, 'write'>
  network: NetworkId
  signer: SigningKey
  clock: Clock
  random: Random
  reads: SharedReads
  keyring: Keyring
  audiences: Audiences
  views: Views
  boxes: Boxes
  checks: Checks
  append: AppendEntry
  /** called right after a `share`, also one that denies nobody: queues notices */
  notify(file: FileId, share: EntryId, nodes: readonly NodeId[]): void
}

export interface Author {
  /** A new file's id and keys, for sealing its content. Nothing is stored. @throws {BranchLeavingError} and of `Checks.me` */
  beginFile(): BegunFile
  /** @throws {NameInvalidError} @throws {NotAMemberError} @throws {AudienceKeyMissingError} */
  publishUpload(init: UploadInit): Promise<EntryId>
  /** The keys that the next version must be sealed with: the present epoch's, or those of a new one. */
  epochForUpdate(file: FileId): EpochKeys
  /** @throws {EpochMovedError} when the content was sealed for an epoch that is over: seal it anew and try again */
  publishUpdate(init: UpdateInit): Promise<EntryId>
  /** Moves the file to the audience of this list; null when it is there already. A change is one of the list at its turn. */
  share(file: FileId, to: AudienceList | ListChange, options?: ChangeOptions): Promise<EntryId | null>
  /** Changes name, type, tags or campaign; null when nothing would change. */
  describe(file: FileId, changes: Partial<FileDetails>, options?: ChangeOptions): Promise<EntryId | null>
  /** The present version's content, sealed in the present epoch. @throws {EpochMovedError} */
  publishReseal(init: { file: FileId; version: number; keys: EpochKeys; content: SealedContent }): EntryId
  /** Into the trash. @throws {FileDeletedError} */
  trash(file: FileId, options?: ChangeOptions): EntryId
  /** Out of the trash, or back to a version. @throws {FileNotDeletedError} @throws {FileNotFoundError} */
  restore(file: FileId, options?: ChangeOptions & { version?: number | undefined }): Promise<EntryId>
  /** For good. By its owner, or by an admin if it is an orphan. */
  purge(file: FileId, options?: ChangeOptions): EntryId
}

export function createAuthor(init: AuthorInit): Author {
  const { network, reads, keyring, audiences, views, boxes, checks } = init
  const turns = new Map<FileId, Promise<unknown>>()

  /** Changes of one file one after the other, so that each builds on the one before. */
  function inTurn<T>(file: FileId, work: () => Promise<T>): Promise<T> {
    const done = (turns.get(file) ?? Promise.resolve()).then(work, work)
    const settled = done.then(
      () => undefined,
      () => undefined,
    )
    turns.set(file, settled)
    void settled.then(() => {
      if (turns.get(file) === settled) turns.delete(file)
    })
    return done
  }

  /** Runs `act` at once after a key was found that may be used at that moment. */
  async function withWritingKey<T>(list: AudienceList, act: (key: WritingKey) => T): Promise<T> {
    for (;;) {
      const key = await audiences.writingKey(list)
      try {
        if (audiences.isUsable(list, key.audience, key.key)) return act(key)
      } finally {
        key.secret.fill(0)
      }
    }
  }

  function opens(keys: EpochKeys, key: WritingKey, older: EpochKeys | null): CborValue {
    return {
      epoch: keys.epoch,
      audience: idBytes(key.audience),
      key: idBytes(key.key),
      wrap: wrapFileKey(network, key.secret, keys.file, keys.epoch, keys.fileKey),
      proof: keys.proof.publicKey,
      ...(older === null ? {} : { older: sealOlder(keys, older) }),
    }
  }

  function contentBody(content: SealedContent): CborValue {
    return { root: idBytes(content.root), size: content.size, chunk: content.chunk }
  }

  /** Boxes and keys are here before the entry is, and gone again when it could not be written. */
  function write(
    kind: string,
    keys: EpochKeys,
    meta: FileMeta,
    preview: Preview | null,
    body: Record<string, CborValue>,
  ): EntryId {
    const { file, epoch } = keys
    const isNewKey = keyring.fileKey(file, epoch) === null
    const made: BoxHash[] = []
    const put = (sealed: Uint8Array) => {
      const hash = boxes.put(sealed)
      made.push(hash)
      keyring.noteBox(file, epoch, hash)
      return idBytes(hash)
    }
    try {
      const whole = init.db.write(() => {
        if (isNewKey) keyring.putFileKey(file, epoch, keys.fileKey)
        return {
          ...body,
          meta: put(sealMeta(keys, meta)),
          ...(preview === null ? {} : { preview: put(sealPreview(keys, preview)) }),
        }
      })
      const { id } = init.append(kind, whole)
      views.refresh(file)
      assertEffect(id)
      return id
    } catch (error) {
      // the entry may stand all the same, when what failed came after it
      if (made.every((hash) => reads.file(file)?.meta !== hash)) {
        if (isNewKey) keyring.forgetEpoch(file, epoch)
        for (const hash of made) boxes.remove(hash)
      }
      throw error
    }
  }

  /**
   * What was checked may still be refused: with a clock that was set back an entry sorts before what it builds on.
   * @throws {RefusedError}
   */
  function assertEffect(entry: EntryId): void {
    const refusal = reads.refusalOf(entry)
    if (refusal !== null) throw new RefusedError(refusal)
  }

  function plain(kind: string, shared: SharedFile, body: Record<string, CborValue> = {}): EntryId {
    const { id } = init.append(kind, { ...buildsOn(shared), ...body })
    views.refresh(shared.file)
    assertEffect(id)
    return id
  }

  function metaFrom(
    view: VisibleFile,
    changes: Partial<FileDetails>,
    rest: { plainHash?: Uint8Array; list?: AudienceList } = {},
  ): FileMeta {
    const details = checkDetails({
      name: changes.name ?? view.name,
      type: changes.type ?? view.type,
      tags: changes.tags ?? view.tags,
      campaign: changes.campaign === undefined ? view.campaign : changes.campaign,
    })
    return {
      ...details,
      created: view.created,
      plainHash: rest.plainHash ?? view.plainHash,
      list: rest.list ?? view.list,
    }
  }

  /** The present epoch's keys; the owner has them. @throws {FileNotFoundError} */
  function currentKeys(shared: SharedFile): EpochKeys {
    const keys = keyring.fileKey(shared.file, shared.epoch)
    if (keys === null) throw new FileNotFoundError(shared.file)
    return keys
  }

  /** Two updates begun at once may each have drawn a key for the same next epoch; only one of the keys is the epoch's. */
  function isSameKey(keys: EpochKeys, shared: SharedFile): boolean {
    const current = currentKeys(shared)
    return keys.epoch === current.epoch && equalBytes(keys.proof.publicKey, current.proof.publicKey)
  }

  function nextKeys(shared: SharedFile): EpochKeys {
    return deriveEpochKeys(network, shared.file, shared.epoch + 1, newFileKey())
  }

  /** False when something that is sealed in this epoch could be read by someone who is gone. */
  function isEpochUsable(shared: SharedFile, view: VisibleFile): boolean {
    const row = reads.epochs(shared.file).find((each) => each.epoch === shared.epoch)
    return row !== undefined && !row.closed && audiences.isUsable(view.list, row.audience, row.key)
  }

  /** Opens the next epoch for a list, with what else changes. */
  async function openNext(
    file: FileId,
    change: (view: VisibleFile) => { list: AudienceList; meta: FileMeta },
    options: ChangeOptions & { trashed?: boolean },
  ): Promise<EntryId> {
    const preview = await views.preview(file).catch(() => null)
    const first = checks.owned(file, options)
    const wanted = change(first.view).list
    return await withWritingKey(wanted, (key) => {
      const { shared, view } = checks.owned(file, options)
      const { meta } = change(view)
      const keys = nextKeys(shared)
      const before = currentKeys(shared)
      const entry = write('share', keys, meta, preview, { ...buildsOn(shared), opens: opens(keys, key, before) })
      init.notify(file, entry, newlyDenied(view.list, wanted))
      return entry
    })
  }

  function newlyDenied(before: AudienceList, after: AudienceList): NodeId[] {
    const { members, branches } = reads.membership()
    const [wasEntitled, isEntitled] = [entitledBy(before), entitledBy(after)]
    const isLost = (branch: BranchId) => wasEntitled(branch) && !isEntitled(branch) && branches.has(branch)
    return [...members.values()]
      .filter((member) => (member.state === 'member' || member.state === 'quarantined') && isLost(member.branch))
      .map((member) => member.node)
  }

  async function describeNow(
    file: FileId,
    meta: (view: VisibleFile) => FileMeta,
    options: ChangeOptions,
  ): Promise<EntryId> {
    const { shared, view } = checks.owned(file, options)
    // a name must not be sealed for someone who is gone either
    if (!isEpochUsable(shared, view))
      return await openNext(file, (now) => ({ list: now.list, meta: meta(now) }), options)
    const preview = await views.preview(file).catch(() => null)
    const now = checks.owned(file, options)
    const keys = currentKeys(now.shared)
    return write('describe', keys, meta(now.view), preview, { ...buildsOn(now.shared), epoch: keys.epoch })
  }

  return {
    beginFile() {
      checks.acting()
      const salt = init.random.bytes(16)
      const file = fileIdFor(network, init.signer.publicKey, salt)
      return { file, salt, keys: deriveEpochKeys(network, file, FIRST_EPOCH, newFileKey()) }
    },

    async publishUpload({ begun, content, plainHash, details, list, preview }) {
      checks.acting()
      const checked = checkDetails(details)
      return await withWritingKey(list, (key) => {
        checks.acting()
        // `created` is the entry's clock once it is written; the box says it for readers of the box alone
        const meta: FileMeta = { ...checked, created: init.clock.now(), plainHash, list }
        return write('upload', begun.keys, meta, preview ?? null, {
          file: idBytes(begun.file),
          salt: begun.salt,
          content: contentBody(content),
          opens: opens(begun.keys, key, null),
        })
      })
    },

    epochForUpdate(file) {
      const { shared, view } = checks.owned(file)
      return isEpochUsable(shared, view) ? currentKeys(shared) : nextKeys(shared)
    },

    publishUpdate: ({ file, keys, content, plainHash, details, preview, ifMatch }) =>
      inTurn(file, async () => {
        const { shared, view } = checks.owned(file, { ifMatch })
        const meta = (now: VisibleFile) => metaFrom(now, details ?? {}, { plainHash })
        meta(view)
        if (keys.epoch === shared.epoch) {
          if (!isSameKey(keys, shared) || !isEpochUsable(shared, view)) throw new EpochMovedError(file)
          return write('update', keys, meta(view), preview ?? null, {
            ...buildsOn(shared),
            content: contentBody(content),
            epoch: keys.epoch,
          })
        }
        if (keys.epoch !== shared.epoch + 1) throw new EpochMovedError(file)
        return await withWritingKey(view.list, (key) => {
          const now = checks.owned(file, { ifMatch })
          if (keys.epoch !== now.shared.epoch + 1 || !sameList(now.view.list, view.list))
            throw new EpochMovedError(file)
          return write('update', keys, meta(now.view), preview ?? null, {
            ...buildsOn(now.shared),
            content: contentBody(content),
            epoch: keys.epoch,
            opens: opens(keys, key, currentKeys(now.shared)),
          })
        })
      }),

    share: (file, to, options = {}) =>
      inTurn(file, async () => {
        const { shared, view } = checks.owned(file, options)
        const list = typeof to === 'function' ? to(view.list, view.owner) : to
        if (sameList(view.list, list) && isEpochUsable(shared, view)) return null
        return await openNext(file, (now) => ({ list, meta: metaFrom(now, {}, { list }) }), options)
      }),

    describe: (file, changes, options = {}) =>
      inTurn(file, async () => {
        const { view } = checks.owned(file, options)
        const changed = metaFrom(view, changes)
        if (sameDetails(view, changed)) return null
        return await describeNow(file, (now) => metaFrom(now, changes), options)
      }),

    publishReseal({ file, version, keys, content }) {
      const { shared } = checks.owned(file)
      if (!isSameKey(keys, shared) || shared.version !== version) throw new EpochMovedError(file)
      return plain('reseal', shared, { version, epoch: keys.epoch, content: contentBody(content) })
    },

    trash: (file, options) => plain('trash', checks.owned(file, options).shared),

    restore: (file, { version, ifMatch } = {}) =>
      inTurn(file, async () => {
        const { shared } = checks.owned(file, { ifMatch, trashed: true })
        if (version === undefined) {
          if (shared.state !== 'deleted') throw new FileNotDeletedError(file)
          return plain('restore', shared)
        }
        const exists = reads.versions(file).some((row) => row.version === version)
        if (!exists) throw new FileNotFoundError(`${file}, version ${version}`)
        const former = views.metaOf(file, version)
        const entry = plain('restore', shared, { version })
        const after = views.get(file)
        // the box that stands now may be another version's: its plain hash has to be that of the content
        if (former !== null && after !== null && !equalBytes(after.plainHash, former.plainHash)) {
          return await describeNow(file, (now) => metaFrom(now, {}, { plainHash: former.plainHash }), {})
        }
        return entry
      }),

    purge(file, options) {
      const shared = reads.file(file)
      if (shared?.state === 'orphaned' && checks.acting().role === 'admin') return plain('purge', shared)
      return plain('purge', checks.owned(file, { ...options, trashed: true }).shared)
    },
  }
}

function sameDetails(a: FileDetails, b: FileDetails): boolean {
  const tags = a.tags.length === b.tags.length && a.tags.every((tag, i) => tag === b.tags[i])
  return tags && a.name === b.name && a.type === b.type && a.campaign === b.campaign
}
