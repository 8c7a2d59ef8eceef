/** Who may do what to a file, asked before anything is sealed and once more right before the entry is written. */
import { type BranchId, type FileId, idBytes, type NodeId } from '../ids.ts'
import { type Member, NotAMemberError, QuarantinedError } from '../membership/index.ts'
import {
  BranchLeavingError,
  FileDeletedError,
  FileNotFoundError,
  HandoffPendingError,
  NotOwnerError,
  VersionMismatchError,
} from './errors.ts'
import type { SharedReads } from './reads.ts'
import type { SharedFile } from './types.ts'
import type { Views } from './views.ts'
import type { VisibleFile } from './views-table.ts'

export interface ChangeOptions {
  /** version that the caller believes to be current @throws {VersionMismatchError} */
  readonly ifMatch?: number | undefined
}

export interface OwnedFile {
  readonly shared: SharedFile
  readonly view: VisibleFile
}

export interface Checks {
  /** @throws {NotAMemberError} @throws {QuarantinedError} */
  me(): Member
  /** This node, whose branch is to stay: what a leaving one writes on files has no effect. @throws {BranchLeavingError} and those above */
  acting(): Member
  isLeaving(): boolean
  /** A file that exists for this branch. @throws {FileNotFoundError} */
  visible(file: FileId): OwnedFile
  /** A file that this node may change now, not in the trash unless said. @throws {NotOwnerError} @throws {HandoffPendingError} and those above */
  owned(file: FileId, options?: ChangeOptions & { trashed?: boolean; offered?: boolean }): OwnedFile
  isBranch(branch: BranchId): boolean
}

export function createChecks(init: { self: NodeId; reads: SharedReads; views: Pick<Views, 'get'> }): Checks {
  const { self, reads, views } = init

  function me(): Member {
    const member = reads.membership().members.get(self)
    if (member?.state === 'quarantined') throw new QuarantinedError()
    if (member?.state !== 'member') throw new NotAMemberError()
    return member
  }

  function isLeaving(): boolean {
    const { members, departures } = reads.membership()
    const branch = members.get(self)?.branch
    return branch !== undefined && departures.get(branch)?.node === self
  }

  function acting(): Member {
    const member = me()
    if (isLeaving()) throw new BranchLeavingError()
    return member
  }

  function visible(file: FileId): OwnedFile {
    const shared = reads.file(file)
    const view = views.get(file)
    if (shared == null || shared.state === 'purged' || view === null) throw new FileNotFoundError(file)
    return { shared, view }
  }

  return {
    me,
    acting,
    isLeaving,
    visible,
    owned(file, options = {}) {
      const { branch } = acting()
      const { shared, view } = visible(file)
      if (
        shared.state === 'orphaned' ||
        shared.owner !== branch ||
        reads.membership().branches.get(branch)?.node !== self
      ) {
        throw new NotOwnerError(file)
      }
      if (shared.offer !== null && options.offered !== true) throw new HandoffPendingError(file)
      if (options.ifMatch !== undefined && options.ifMatch !== shared.version) {
        throw new VersionMismatchError(file, options.ifMatch, shared.version)
      }
      if (shared.state === 'deleted' && options.trashed !== true) throw new FileDeletedError(file)
      return { shared, view }
    },
    isBranch: (branch) => reads.membership().branches.get(branch)?.state === 'member',
  }
}

/** What every change of a file stands on. */
export function buildsOn(shared: SharedFile): { file: Uint8Array; builds: Uint8Array } {
  return { file: idBytes(shared.file), builds: idBytes(shared.head) }
}
