import type { ContentStore, VersionShape } from '../content/index.ts'

/** Whether a version is here already or fits: above the floor of the disk, and within what this node offers, bytes. */
export function hasRoomFor(
  store: Pick<ContentStore, 'stat' | 'usage'>,
  capacity: number | null,
  { root, size }: VersionShape,
): boolean {
  if (store.stat(root)?.complete === true) return true
  const { used, free, floor } = store.usage()
  return free - size > floor && (capacity === null || used + size <= capacity)
}
