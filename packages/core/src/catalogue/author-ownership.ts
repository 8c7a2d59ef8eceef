/** Bodies of ownership entries. Spec: docs/specs/files.md. */
import type { CborValue } from '../codec/index.ts'
import { proveKey } from '../crypto/index.ts'
import { type BranchId, type EntryId, type FileId, idBytes } from '../ids.ts'
import { NotAdminError, RefusedError } from '../membership/index.ts'
import { entitled } from './audience-list.ts'
import type { ChangeOptions, Checks } from './author-checks.ts'
import { DeniedReceiverError, FileNotFoundError, NoHandoffError, NotOwnerError, SelfReceiverError } from './errors.ts'
import type { Keyring } from './keyring.ts'
import type { AppendEntry, SharedReads } from './reads.ts'
import type { SharedFile } from './types.ts'

/** Files accepted in one entry of a draw. */
export const ACCEPT_MAX = 256

export interface OwnershipInit {
  reads: SharedReads
  keyring: Keyring
  checks: Checks
  append: AppendEntry
}

export interface OwnershipAuthor {
  /** @throws {DeniedReceiverError} @throws {SelfReceiverError} and the errors of every change */
  offer(file: FileId, to: BranchId, options?: ChangeOptions): EntryId
  /** Takes an open offer back. @throws {NoHandoffError} */
  cancel(file: FileId): EntryId
  /** Accepts an offer or assignment to this branch. @throws {NoHandoffError} */
  accept(file: FileId): EntryId
  /** @throws {NoHandoffError} */
  decline(file: FileId): EntryId
  /** Accepts in a draw those files whose key is here. @param seed the `leave` or `expel` @returns the files accepted */
  acceptDrawn(seed: EntryId, files: readonly FileId[]): FileId[]
  /** Whether this node could prove that it has the file's key. */
  canAccept(file: FileId): boolean
  /** Takes an orphan. @throws {FileNotFoundError} when its key is not here */
  adopt(file: FileId): EntryId
  /** @throws {NotAdminError} @throws {RefusedError} when the file has an owner and nothing is to be settled */
  assign(file: FileId, to: BranchId): EntryId
}

export function createOwnershipAuthor(init: OwnershipInit): OwnershipAuthor {
  const { reads, keyring, checks, append } = init

  function refOf(shared: SharedFile) {
    return { file: idBytes(shared.file), author: shared.author, salt: shared.salt }
  }

  function proof(shared: SharedFile, ...parts: Uint8Array[]): Uint8Array | null {
    const keys = keyring.fileKey(shared.file, shared.epoch)
    return keys === null ? null : proveKey(keys, ...parts)
  }

  /** An open offer to this branch. */
  function offered(file: FileId): { shared: SharedFile; of: EntryId; branch: BranchId } {
    const { branch } = checks.me()
    const { shared } = checks.visible(file)
    if (shared.offer === null || shared.offer.to !== branch) throw new NoHandoffError(file)
    return { shared, of: shared.offer.entry, branch }
  }

  /** @throws {RefusedError} when the rules did not let it have its effect */
  function write(kind: string, body: CborValue): EntryId {
    const { id } = append(kind, body)
    const refusal = reads.refusalOf(id)
    if (refusal !== null) throw new RefusedError(refusal)
    return id
  }

  return {
    offer(file, to, options) {
      const { shared, view } = checks.owned(file, options)
      if (to === shared.owner) throw new SelfReceiverError()
      if (!checks.isBranch(to)) throw new DeniedReceiverError('the receiver is no branch of the network any more')
      if (!entitled(view.list, to)) throw new DeniedReceiverError(`${file} is denied to the receiver`)
      return write('offer', { ...refOf(shared), to: idBytes(to), builds: idBytes(shared.head) })
    },
    cancel(file) {
      const { shared } = checks.owned(file, { offered: true, trashed: true })
      if (shared.offer === null) throw new NoHandoffError(file)
      return write('cancel', { of: idBytes(shared.offer.entry), file: idBytes(file) })
    },
    accept(file) {
      checks.acting()
      const { shared, of, branch } = offered(file)
      const proven = proof(shared, idBytes(of), idBytes(branch))
      if (proven === null) throw new FileNotFoundError(file)
      return write('accept', { of: idBytes(of), files: [{ ...refOf(shared), proof: proven }] })
    },
    decline(file) {
      const { of } = offered(file)
      return write('decline', { of: idBytes(of), file: idBytes(file) })
    },
    acceptDrawn(seed, files) {
      const { branch } = checks.acting()
      const accepted: { id: FileId; body: CborValue }[] = []
      for (const id of files) {
        const shared = reads.file(id)
        const proven = shared == null ? null : proof(shared, idBytes(seed), idBytes(branch))
        if (shared != null && proven !== null) accepted.push({ id, body: { ...refOf(shared), proof: proven } })
      }
      for (let at = 0; at < accepted.length; at += ACCEPT_MAX) {
        append('accept', { of: idBytes(seed), files: accepted.slice(at, at + ACCEPT_MAX).map(({ body }) => body) })
      }
      return accepted.map(({ id }) => id)
    },
    canAccept(file) {
      const shared = reads.file(file)
      return shared != null && !checks.isLeaving() && keyring.fileKey(file, shared.epoch) !== null
    },
    adopt(file) {
      const { branch } = checks.acting()
      const { shared } = checks.visible(file)
      if (shared.state !== 'orphaned') throw new NotOwnerError(file)
      const proven = proof(shared, idBytes(branch))
      if (proven === null) throw new FileNotFoundError(file)
      return write('adopt', { ...refOf(shared), proof: proven })
    },
    assign(file, to) {
      if (checks.me().role !== 'admin') throw new NotAdminError()
      const shared = reads.file(file)
      if (shared == null || shared.state === 'purged') throw new FileNotFoundError(file)
      if (!checks.isBranch(to)) throw new DeniedReceiverError('the receiver is no branch of the network any more')
      return write('assign', { ...refOf(shared), to: idBytes(to) })
    },
  }
}
