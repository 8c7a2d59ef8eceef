/** Keeps a part of the disk free, so that the machine it runs on goes on working (docs/specs/store.md, "Space"). */
import type { Clock } from '../clock.ts'
import type { Disk } from './disk.ts'
import { DiskFullError } from './errors.ts'

/** 10 GiB, or 5 % of a smaller disk. */
const FLOOR_BYTES = 10 * 1024 ** 3
const FLOOR_SHARE = 20
/** The disk is asked again after so many bytes or so much time; others write to it, too. */
const ASK_AFTER_BYTES = 64 * 1024 * 1024
const ASK_AFTER_MS = 1000

export interface SpaceGuard {
  /** Before each write. @throws {DiskFullError} when it would take free space below the floor */
  reserve(bytes: number): void
  now(): { free: number; floor: number }
}

export interface SpaceGuardInit {
  disk: Disk
  folder: string
  clock: Clock
  /** bytes @default 5 % of the disk or 10 GiB, the smaller */
  floorBytes?: number | undefined
}

export function createSpaceGuard({ disk, folder, clock, floorBytes }: SpaceGuardInit): SpaceGuard {
  let free = 0
  let floor = 0
  let spent = Number.POSITIVE_INFINITY
  let askedAt = 0

  const ask = () => {
    const found = disk.space(folder)
    free = found.free
    floor = floorBytes ?? Math.min(Math.floor(found.total / FLOOR_SHARE), FLOOR_BYTES)
    spent = 0
    askedAt = clock.now()
  }
  return {
    reserve(bytes) {
      const age = clock.now() - askedAt
      const isOld = age < 0 || age > ASK_AFTER_MS || spent > ASK_AFTER_BYTES
      if (isOld || free - spent - bytes < floor) ask()
      if (free - spent - bytes < floor) {
        throw new DiskFullError(`the disk has ${free} bytes free, and ${floor} bytes are kept free as a floor`, {
          free,
          floor,
        })
      }
      spent += bytes
    },
    now() {
      ask()
      return { free, floor }
    },
  }
}
