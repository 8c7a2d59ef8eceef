/** Every root and box that a file names. */
import { type BoxHash, idBytes, type Root } from '../ids.ts'
import type { FileRecord } from './types.ts'

/** As they are stored: see `refs` in database/migrations/shared/0002-state.sql. */
export const RefKind = { root: 0, formerRoot: 1, box: 2 } as const
export type RefKind = (typeof RefKind)[keyof typeof RefKind]

export interface Ref {
  readonly kind: RefKind
  readonly hash: Uint8Array
}

/** Each once. */
export function refsOf({ file, versions }: FileRecord): Ref[] {
  const refs: Ref[] = []
  const seen = new Set<Root | BoxHash>()
  const add = (kind: RefKind, hash: Root | BoxHash | null) => {
    if (hash === null || seen.has(hash)) return
    seen.add(hash)
    refs.push({ kind, hash: idBytes(hash) })
  }
  for (const { root } of versions) add(RefKind.root, root)
  seen.clear()
  for (const { formerRoots } of versions) for (const root of formerRoots) add(RefKind.formerRoot, root)
  seen.clear()
  for (const box of boxesOf({ file, versions })) add(RefKind.box, box)
  return refs
}

export function boxesOf({ file, versions }: Pick<FileRecord, 'file' | 'versions'>): Set<BoxHash> {
  const boxes = new Set<BoxHash>([file.meta])
  if (file.preview !== null) boxes.add(file.preview)
  for (const { meta, preview } of versions) {
    boxes.add(meta)
    if (preview !== null) boxes.add(preview)
  }
  return boxes
}
