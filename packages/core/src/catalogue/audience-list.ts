/** The list of an audience: who may read. Pure. Lists are of branches, so that a new machine inherits them. */
import { encodeCbor, type Shape, shape } from '../codec/index.ts'
import { sha256 } from '../crypto/index.ts'
import { type BranchId, idBytes, idFrom } from '../ids.ts'
import { OwnerDeniedError } from './errors.ts'

export type AudienceMode = 'everyone' | 'except' | 'only'

/** `branches` is sorted and without doubles; empty for everyone. */
export interface AudienceList {
  readonly mode: AudienceMode
  readonly branches: readonly BranchId[]
}

/** Enough for a list of all branches of the largest network. */
export const LIST_MAX = 10_000
export const EVERYONE_LIST: AudienceList = { mode: 'everyone', branches: [] }

/**
 * The one form of a list that a person asked for. An empty *except* list is everyone; an *only* list names the owner.
 * @throws {OwnerDeniedError} when the owner is excepted
 */
export function audienceList(mode: AudienceMode, branches: Iterable<BranchId>, owner: BranchId): AudienceList {
  const named = new Set(branches)
  if (mode === 'everyone') return EVERYONE_LIST
  if (mode === 'except') {
    if (named.has(owner)) throw new OwnerDeniedError()
    if (named.size === 0) return EVERYONE_LIST
  } else named.add(owner)
  return { mode, branches: [...named].sort() }
}

export function entitled(list: AudienceList, branch: BranchId): boolean {
  if (list.mode === 'everyone') return true
  return list.branches.includes(branch) === (list.mode === 'only')
}

/** The same question for many branches. */
export function entitledBy(list: AudienceList): (branch: BranchId) => boolean {
  if (list.mode === 'everyone') return () => true
  const named = new Set(list.branches)
  return (branch) => named.has(branch) === (list.mode === 'only')
}

/** The list that also denies these branches. @throws {OwnerDeniedError} */
export function withDenied(list: AudienceList, branches: Iterable<BranchId>, owner: BranchId): AudienceList {
  const denied = new Set(branches)
  if (denied.has(owner)) throw new OwnerDeniedError()
  if (list.mode === 'only')
    return audienceList(
      'only',
      list.branches.filter((branch) => !denied.has(branch)),
      owner,
    )
  return audienceList('except', [...list.branches, ...denied], owner)
}

/** The list that no longer denies these branches. */
export function withAllowed(list: AudienceList, branches: Iterable<BranchId>, owner: BranchId): AudienceList {
  if (list.mode === 'everyone') return EVERYONE_LIST
  const allowed = new Set(branches)
  if (list.mode === 'only') return audienceList('only', [...list.branches, ...allowed], owner)
  return audienceList(
    'except',
    list.branches.filter((branch) => !allowed.has(branch)),
    owner,
  )
}

export function deniedAmong(list: AudienceList, branches: Iterable<BranchId>): BranchId[] {
  const isEntitled = entitledBy(list)
  return [...branches].filter((branch) => !isEntitled(branch))
}

export function sameList(a: AudienceList, b: AudienceList): boolean {
  return (
    a.mode === b.mode &&
    a.branches.length === b.branches.length &&
    a.branches.every((branch, i) => branch === b.branches[i])
  )
}

/** As it stands in boxes and in local.db. */
export function listToCbor(list: AudienceList): { mode: AudienceMode; branches: Uint8Array[] } {
  return { mode: list.mode, branches: list.branches.map(idBytes) }
}

/** Equal lists have equal ids. */
export function listId(list: AudienceList): Uint8Array {
  return sha256(encodeCbor(listToCbor(list)))
}

const raw = shape.object({
  mode: shape.oneOf('everyone', 'except', 'only'),
  branches: shape.array(shape.bytes(32), LIST_MAX),
})

/** Sorts and removes doubles: another branch's list is data, whatever its form. */
export const listShape: Shape<AudienceList> = (value, path) => {
  const { mode, branches } = raw(value, path)
  if (mode === 'everyone') return EVERYONE_LIST
  return { mode, branches: [...new Set(branches.map((bytes) => idFrom<BranchId>(bytes)))].sort() }
}
