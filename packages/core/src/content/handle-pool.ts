/** A bounded set of open files, the least recently used closed first: versions are many, descriptors are few. */
import type { Disk, DiskFile } from './disk.ts'

export interface HandlePool {
  /** Opens the file (it must exist) or takes it from the pool, for as long as `work` runs. Not to be nested. */
  use<T>(path: string, work: (file: DiskFile) => Promise<T>): Promise<T>
  /** After this, `use` opens the path anew: it was replaced or removed. */
  forget(path: string): Promise<void>
  close(): Promise<void>
}

interface Entry {
  file: Promise<DiskFile>
  users: number
  stale: boolean
}

export function createHandlePool(disk: Disk, limit: number): HandlePool {
  /** in order of use, oldest first */
  const entries = new Map<string, Entry>()
  const waiting: (() => void)[] = []
  let open = 0

  const shut = async (entry: Entry) => {
    const file = await entry.file.catch(() => null)
    try {
      await file?.close()
    } finally {
      open -= 1
      waiting.shift()?.()
    }
  }

  /** True when there is room for one more; closes an idle file to make some. */
  const makeRoom = async (): Promise<boolean> => {
    if (open < limit) return true
    for (const [path, entry] of entries) {
      if (entry.users > 0) continue
      entries.delete(path)
      await shut(entry)
      return open < limit
    }
    return false
  }

  const enter = async (path: string): Promise<Entry> => {
    for (;;) {
      const known = entries.get(path)
      if (known !== undefined) {
        known.users += 1
        entries.delete(path)
        entries.set(path, known)
        return known
      }
      if (!(await makeRoom())) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        continue
      }
      if (entries.has(path) || open >= limit) continue
      open += 1
      const entry: Entry = { file: disk.open(path, 'update'), users: 1, stale: false }
      entries.set(path, entry)
      return entry
    }
  }

  const leave = async (path: string, entry: Entry) => {
    entry.users -= 1
    if (entry.users > 0) return
    if (entry.stale) await shut(entry)
    else if (entries.get(path) === entry) waiting.shift()?.()
  }

  const forget = async (path: string) => {
    const entry = entries.get(path)
    if (entry === undefined) return
    entries.delete(path)
    if (entry.users === 0) await shut(entry)
    else entry.stale = true
  }

  return {
    async use(path, work) {
      const entry = await enter(path)
      try {
        return await work(await entry.file)
      } catch (error) {
        // a descriptor that could not be opened must not stay
        await entry.file.catch(() => forget(path))
        throw error
      } finally {
        await leave(path, entry)
      }
    },
    forget,
    async close() {
      for (const path of [...entries.keys()]) await forget(path)
    },
  }
}
