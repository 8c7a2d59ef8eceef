/** Whether this node has room for a version, in all and for its owner. */
import type { ContentStore, VersionShape } from '../content/index.ts'
import type { BranchId, Root } from '../ids.ts'

/** Up to this share of its room a node takes whatever it is to hold; beyond, each owner has its fair share. */
export const FREE_FOR_ALL = 0.5

/** Bytes that this node offers in all. @param capacity null = what the disk has above its floor */
export function roomOf(store: Pick<ContentStore, 'usage'>, capacity: number | null): number {
  return roomIn(store.usage(), capacity)
}

function roomIn({ used, free, floor }: ReturnType<ContentStore['usage']>, capacity: number | null): number {
  const onDisk = Math.max(0, used + free - floor)
  return capacity === null ? onDisk : Math.min(capacity, onDisk)
}

/**
 * Whether a version is here already or fits: above the floor of the disk, within what this node offers, bytes, and
 * within the fair share of its owner where one is given.
 */
export function hasRoomFor(
  store: Pick<ContentStore, 'stat' | 'usage'>,
  capacity: number | null,
  { root, size }: VersionShape,
  owner?: Pick<FairShareInit, 'usedByOwner' | 'owners'>,
): boolean {
  const here = store.stat(root)
  if (here?.complete === true) return true
  // asked once: it goes over all that is stored
  const usage = store.usage()
  const { used } = usage
  const room = roomIn(usage, capacity)
  // part of it may be on the disk, and counted as used, already
  const missing = Math.max(0, size - (here?.bytes ?? 0))
  if (used + missing >= room) return false
  return owner === undefined || isWithinFairShare({ room, used, ...owner, size: missing })
}

export interface FairShareInit {
  /** bytes that this node offers in all, and those used */
  readonly room: number
  readonly used: number
  /** bytes used by this owner's versions, asked only when it matters */
  readonly usedByOwner: () => number
  /** branches that may fill this node */
  readonly owners: number
  readonly size: number
}

/**
 * Keeps one owner from filling the disks of others: while half of the room is free everything is taken; then an owner
 * may have one part in as many as there are branches. Pure.
 */
export function isWithinFairShare({ room, used, usedByOwner, owners, size }: FairShareInit): boolean {
  if (used + size <= room * FREE_FOR_ALL) return true
  return usedByOwner() + size <= room / Math.max(1, owners)
}

export interface OwnerUsage {
  /** bytes on this disk of versions that a branch wrote */
  of(branch: BranchId): number
  stop(): void
}

/** Counts at the first question, since most nodes never need to know; from then on follows the store. */
export function createOwnerUsage(
  store: Pick<ContentStore, 'list' | 'stat' | 'onChange'>,
  branchOf: (root: Root) => BranchId | null,
): OwnerUsage {
  let counted: Map<Root, { branch: BranchId; bytes: number }> | null = null
  const totals = new Map<BranchId, number>()

  function add(branch: BranchId, bytes: number): void {
    totals.set(branch, (totals.get(branch) ?? 0) + bytes)
  }

  function look(root: Root, known: Map<Root, { branch: BranchId; bytes: number }>): void {
    const before = known.get(root)
    if (before !== undefined) add(before.branch, -before.bytes)
    known.delete(root)
    const bytes = store.stat(root)?.bytes ?? 0
    const branch = bytes === 0 ? null : branchOf(root)
    if (branch === null) return
    known.set(root, { branch, bytes })
    add(branch, bytes)
  }

  const stop = store.onChange((root) => {
    if (counted !== null) look(root, counted)
  })
  return {
    stop,
    of(branch) {
      if (counted === null) {
        counted = new Map()
        for (const { root } of store.list()) look(root, counted)
      }
      return totals.get(branch) ?? 0
    },
  }
}
