import { describe, expect, it } from 'vitest'
import type { SharedFile, SharedVersion } from '../catalogue/index.ts'
import type { BranchId, FileId, Root } from '../ids.ts'
import { createRetention, overQuota, replacedVersions } from './retention.ts'

const version = (number: number, ms: number, conflict = false) => ({
  version: number,
  ms,
  conflict,
  root: `root-${number}${conflict ? 'c' : ''}` as Root,
})

describe('replacedVersions', () => {
  const versions = [version(1, 100), version(2, 200), version(3, 300), version(2, 250, true)]
  const roots = (current: number, all: typeof versions) => replacedVersions({ version: current }, all)

  it('counts from when a version was replaced, not from when it was made', () => {
    expect(roots(3, versions)).toEqual([
      { root: 'root-1', at: 200 },
      { root: 'root-2', at: 300 },
      { root: 'root-2c', at: 300 },
    ])
  })

  it('never names the current version, nor another one with the same content', () => {
    const restored = [version(1, 100), version(2, 200), { ...version(3, 300), root: 'root-1' as Root }]
    expect(roots(3, restored).map(({ root }) => root)).toEqual(['root-2'])
  })
})

describe('overQuota', () => {
  it('lets the oldest go until the rest fits', () => {
    const kept = [
      { at: 3, bytes: 10 },
      { at: 1, bytes: 50 },
      { at: 2, bytes: 5 },
    ]
    expect(overQuota(kept, 65)).toEqual([])
    expect(overQuota(kept, 64)).toEqual([{ at: 1, bytes: 50 }])
    expect(overQuota(kept, 12)).toEqual([
      { at: 1, bytes: 50 },
      { at: 2, bytes: 5 },
    ])
    expect(overQuota(kept, 0)).toHaveLength(3)
  })
})

describe('a look at all files', () => {
  const HOUR = 3_600_000
  const DAY = 24 * HOUR
  const NOW = 1000 * DAY
  const [own, other] = ['own', 'other'] as unknown as [BranchId, BranchId]

  /** What one look does, in words. */
  async function look(
    file: Pick<SharedFile, 'owner' | 'state'> & { deleted?: number },
    versions: ReturnType<typeof version>[] = [version(1, 0)],
    options: { bytes?: number; room?: number } = {},
  ): Promise<string[]> {
    const did: string[] = []
    let tick: (() => void) | undefined
    const retention = createRetention({
      clock: {
        now: () => NOW,
        after(_, callback) {
          tick ??= callback
          return () => undefined
        },
      },
      retentionMs: 30 * DAY,
      files: () => [{ file: 'f' as FileId, version: versions.length, deleted: null, ...file } as unknown as SharedFile],
      versions: () => versions as unknown as SharedVersion[],
      ownBranch: () => own,
      purge: () => did.push('purge'),
      forgetRoot: async (_, root) => void did.push(`forget ${root}`),
      forgetFile: async () => void did.push('forget file'),
      bytesOf: () => options.bytes ?? 1,
      room: () => options.room ?? 1000,
      onProblem: (error) => did.push(String(error)),
    })
    retention.start()
    tick?.()
    await retention.stop()
    return did
  }
  const trashed = (owner: BranchId, age: number) => look({ owner, state: 'deleted', deleted: NOW - age })
  const replaced = (owner: BranchId, age: number, options = {}) =>
    look({ owner, state: 'live' }, [version(1, 0), version(2, NOW - age)], options)

  it('purges what the own branch has had in the trash for the retention, and no sooner', async () => {
    expect(await trashed(own, 30 * DAY - HOUR)).toEqual([])
    expect(await trashed(own, 30 * DAY + HOUR)).toEqual(['purge'])
  })

  it('lets go of what is in another’s trash two days later, whether or not its owner says so', async () => {
    expect(await trashed(other, 32 * DAY - HOUR)).toEqual([])
    expect(await trashed(other, 32 * DAY + HOUR)).toEqual(['forget file'])
  })

  it('removes what a crash has left of a purged file', async () => {
    for (const owner of [own, other]) expect(await look({ owner, state: 'purged' })).toEqual(['forget file'])
  })

  it('keeps replaced versions for the retention, two days longer where they are another’s', async () => {
    expect(await replaced(own, 30 * DAY - HOUR)).toEqual([])
    expect(await replaced(own, 30 * DAY + HOUR)).toEqual(['forget root-1'])
    expect(await replaced(other, 32 * DAY - HOUR)).toEqual([])
    expect(await replaced(other, 32 * DAY + HOUR)).toEqual(['forget root-1'])
  })

  it('gives them a quarter of what is offered, and lets the oldest go early', async () => {
    expect(await replaced(own, DAY, { bytes: 250 })).toEqual([])
    expect(await replaced(own, DAY, { bytes: 251 })).toEqual(['forget root-1'])
  })
})
