import { describe, expect, test } from 'vitest'
import { idBytes } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { DRAW_WINDOW_MS, drawOrder } from './draw-rank.ts'
import { CONFLICT_NUMBERS } from './fold-step.ts'
import { type Actor, type FileHandle, unique, World } from './testing.ts'

function network() {
  const world = new World()
  const ana = world.admit()
  const bia = world.admit()
  const caio = world.admit()
  world.meet()
  return { world, ana, bia, caio }
}

function code(world: World, handle: FileHandle, entry: Entry): string | null {
  const verdict = world.fold(handle.file).verdicts.get(entry.id)
  if (verdict === undefined) throw new Error('the entry was not judged')
  return verdict?.code ?? null
}

describe('changes by the owner', () => {
  test('an upload and an update make versions 1 and 2', () => {
    const { world, ana } = network()
    const file = ana.upload(10)
    world.tick()
    const second = ana.update(file, { size: 2 ** 20 + 1 })
    const fold = world.fold(file.file)
    expect(fold.file).toMatchObject({ state: 'live', owner: ana.branch, version: 2, epoch: 1, head: second.id })
    expect(fold.versions.map(({ version, size }) => [version, size])).toEqual([
      [1, 10],
      [2, 2 ** 20 + 1],
    ])
    expect(fold.file?.created).toBeLessThan(fold.file?.updated ?? 0)
  })

  test('what others write changes nothing', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    world.meet()
    const before = world.fold(file.file)
    const attempts = [bia.update(file), bia.share(file), bia.change('trash', file), bia.change('purge', file)]
    for (const attempt of attempts) expect(code(world, file, attempt)).toBe('not-owner')
    expect(world.fold(file.file)).toMatchObject({ file: before.file, versions: before.versions, epochs: before.epochs })
  })

  test('a file id cannot be claimed by another author', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    world.tick(-100_000)
    const copy = { ...(file.entry.body as object), salt: file.salt }
    const claim = bia.write('upload', copy, { ms: 1 })
    expect(code(world, file, claim)).toBe('bad-file')
    expect(world.fold(file.file).file?.owner).toBe(ana.branch)
  })

  test('of two updates on one entry the first in order counts, the other stands beside and can be restored', () => {
    const { world, ana } = network()
    const file = ana.upload(1)
    world.tick()
    const first = ana.update(file, { size: 2 })
    world.tick()
    const second = ana.update(file, { builds: file.entry, size: 3 })
    const fold = world.fold(file.file)
    expect(fold.file).toMatchObject({ version: 2, head: first.id })
    const [beside] = fold.versions.filter(({ conflict }) => conflict)
    expect(beside).toMatchObject({ size: 3, entry: second.id })
    expect(beside?.version).toBeGreaterThanOrEqual(CONFLICT_NUMBERS)
    ana.change('restore', file, { version: beside?.version ?? 0 })
    const after = world.fold(file.file)
    expect(after.versions.find(({ version }) => version === after.file?.version)?.size).toBe(3)
    expect(after.file?.version).toBe(3)
  })

  test('an entry that arrives late is executed at its place', () => {
    const { world, ana } = network()
    const file = ana.upload(1)
    world.tick()
    const early = ana.update(file, { builds: file.entry, size: 2 })
    world.tick()
    const late = ana.update(file, { builds: file.entry, size: 3 })
    const all = [...world.entries]
    world.entries.splice(world.entries.indexOf(early), 1)
    expect(world.fold(file.file).file?.head).toBe(late.id)
    world.entries.splice(0, world.entries.length, ...all.reverse())
    expect(world.fold(file.file).file?.head).toBe(early.id)
    expect(world.fold(file.file).versions.find(({ conflict }) => conflict)?.entry).toBe(late.id)
  })

  test('the trash hides, restores and refuses changes; a purge ends everything', () => {
    const { world, ana } = network()
    const file = ana.upload()
    ana.change('trash', file)
    expect(world.fold(file.file).file).toMatchObject({ state: 'deleted', deleted: world.now })
    expect(code(world, file, ana.update(file))).toBe('deleted')
    expect(code(world, file, ana.change('trash', file))).toBe('deleted')
    ana.change('restore', file)
    expect(world.fold(file.file).file).toMatchObject({ state: 'live', deleted: null, version: 1 })
    expect(code(world, file, ana.change('restore', file))).toBe('not-deleted')
    ana.change('purge', file)
    expect(world.fold(file.file).file?.state).toBe('purged')
    expect(code(world, file, ana.update(file))).toBe('purged')
    expect(code(world, file, ana.change('restore', file, { version: 1 }))).toBe('purged')
    expect(world.fold(file.file).versions).toHaveLength(1)
  })

  test('restore makes a new version of an old one', () => {
    const { world, ana } = network()
    const file = ana.upload(7)
    ana.update(file, { size: 8 })
    ana.change('restore', file, { version: 1 })
    const { versions } = world.fold(file.file)
    expect(versions.map(({ size }) => size)).toEqual([7, 8, 7])
    expect(versions[2]?.root).toBe(versions[0]?.root)
    expect(code(world, file, ana.change('restore', file, { version: 9 }))).toBe('unknown-version')
  })

  test('access epochs go up one by one', () => {
    const { world, ana } = network()
    const file = ana.upload()
    ana.share(file)
    expect(world.fold(file.file).epochs.map(({ epoch, closed }) => [epoch, closed])).toEqual([
      [1, true],
      [2, false],
    ])
    const body = { file: idBytes(file.file), builds: ana.head(file.file), content: CONTENT(), meta: unique(32) }
    expect(code(world, file, ana.write('update', { ...body, epoch: 1 }))).toBe('wrong-epoch')
    expect(code(world, file, ana.write('update', { ...body, epoch: 3 }))).toBe('wrong-epoch')
    ana.update(file, { opens: true })
    expect(world.fold(file.file).file).toMatchObject({ epoch: 3, version: 2 })
  })

  test('sealing anew replaces the root of the current version and keeps its number', () => {
    const { world, ana } = network()
    const file = ana.upload(5)
    const before = world.fold(file.file).versions[0]
    ana.share(file)
    const reseal = (version: number, epoch: number, size: number) =>
      ana.write('reseal', {
        file: idBytes(file.file),
        builds: ana.head(file.file),
        version,
        epoch,
        content: { ...CONTENT(), size },
      })
    expect(code(world, file, reseal(2, 2, 5))).toBe('conflict')
    expect(code(world, file, reseal(1, 1, 5))).toBe('wrong-epoch')
    expect(code(world, file, reseal(1, 2, 6))).toBe('bad-content')
    expect(code(world, file, reseal(1, 2, 5))).toBeNull()
    const [version] = world.fold(file.file).versions
    expect(version).toMatchObject({ version: 1, epoch: 2, formerRoots: [before?.root], ms: before?.ms })
    expect(version?.root).not.toBe(before?.root)
  })

  test.each([
    ['below the smallest', 32 * 1024, 10],
    ['no power of two', 3 * 64 * 1024, 10],
    ['zero', 0, 10],
    ['above the largest', 32 * 1024 * 1024, 10],
    ['far above the largest', 2 ** 40, 10],
    ['with too many chunks', 64 * 1024, 64 * 1024 * 1_048_576 + 1],
  ])('a chunk size %s is refused', (_name, chunk, size) => {
    const { world, ana } = network()
    const file = ana.upload()
    const body = { file: idBytes(file.file), builds: ana.head(file.file), epoch: 1, meta: unique(32) }
    expect(code(world, file, ana.write('update', { ...body, content: { root: unique(32), size, chunk } }))).toBe(
      'bad-content',
    )
  })

  test.each([
    ['the smallest chunk', 64 * 1024],
    ['the largest chunk', 16 * 1024 * 1024],
  ])('as many chunks as a store keeps stand, of %s', (_name, chunk) => {
    const { world, ana } = network()
    const file = ana.upload()
    const content = { root: unique(32), size: chunk * 1_048_576, chunk }
    const body = { file: idBytes(file.file), builds: ana.head(file.file), epoch: 1, meta: unique(32), content }
    expect(code(world, file, ana.write('update', body))).toBeNull()
  })
})

const CONTENT = () => ({ root: unique(32), size: 4, chunk: 1 << 20 })

describe('handing over', () => {
  test('an offer freezes the file, its acceptance ends the ownership', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    const offer = ana.offer(file, bia)
    expect(world.fold(file.file).file?.offer).toEqual({ entry: offer.id, to: bia.branch, ms: offer.ms })
    const frozen = ana.update(file)
    expect(code(world, file, frozen)).toBe('handoff-pending')
    world.tick()
    bia.sync(ana)
    const accept = bia.accept(file, offer)
    expect(world.fold(file.file).file).toMatchObject({
      owner: bia.branch,
      ownership: accept.id,
      offer: null,
      version: 1,
    })
    world.tick()
    bia.update(file, { size: 99 })
    expect(world.fold(file.file).file?.version).toBe(2)
    ana.sync(bia)
    const former = ana.update(file)
    expect(world.fold(file.file).file?.version).toBe(2)
    expect(world.fold(file.file).versions.find(({ entry }) => entry === former.id)?.conflict).toBe(true)
    expect(code(world, file, ana.change('purge', file))).toBe('not-owner')
  })

  test('only the receiver with the newest key accepts', () => {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    ana.share(file)
    const offer = ana.offer(file, bia)
    world.meet()
    expect(code(world, file, caio.accept(file, offer))).toBe('not-party')
    expect(code(world, file, bia.accept(file, offer, { epoch: 1 }))).toBe('bad-proof')
    expect(code(world, file, bia.accept(file, offer, { epoch: 2 }))).toBeNull()
  })

  test('a cancelled or declined offer frees the file', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    const first = ana.offer(file, bia)
    ana.close('cancel', file, first)
    expect(code(world, file, ana.update(file))).toBeNull()
    const second = ana.offer(file, bia)
    world.meet()
    expect(code(world, file, bia.accept(file, first))).toBe('handoff-over')
    bia.close('decline', file, second)
    ana.sync(bia)
    expect(code(world, file, ana.update(file))).toBeNull()
    expect(world.fold(file.file).file).toMatchObject({ owner: ana.branch, offer: null, version: 3 })
  })

  test('an acceptance that had not seen the cancel beats it', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    const offer = ana.offer(file, bia)
    bia.sync(ana)
    const cancel = ana.close('cancel', file, offer)
    world.tick()
    const late = ana.update(file, { size: 77 })
    world.tick()
    bia.accept(file, offer)
    const fold = world.fold(file.file)
    expect(fold.file).toMatchObject({ owner: bia.branch, version: 1 })
    expect(fold.verdicts.get(cancel.id)?.code).toBe('too-late')
    expect(fold.versions.find(({ entry }) => entry === late.id)).toMatchObject({ conflict: true, size: 77 })
  })

  test('what the one wrote who lost stays beside, also when an admin gives it the file in the end', () => {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    const first = ana.offer(file, bia)
    bia.sync(ana)
    ana.close('cancel', file, first)
    const second = ana.offer(file, caio)
    caio.sync(ana)
    const [byBia, early] = [bia.accept(file, first), caio.update(file, { size: 76 })]
    caio.accept(file, second)
    world.tick()
    const written = [bia.update(file, { size: 77 }), caio.update(file, { size: 78 })] as const
    const isBia = world.fold(file.file).verdicts.get(byBia.id) === null
    const [loser, lost] = isBia ? [caio, written[1]] : [bia, written[0]]
    const conflict = () => world.fold(file.file).versions.find(({ entry }) => entry === lost.id)
    expect(conflict()).toMatchObject({ conflict: true })
    world.founder.sync(bia, caio)
    world.tick()
    const assign = world.founder.assign(file, loser)
    loser.sync(world.founder)
    loser.accept(file, assign)
    expect(world.fold(file.file).file?.owner).toBe(loser.branch)
    expect(conflict()).toMatchObject({ conflict: true })
    // before it had any reason to believe that the file was its own
    expect(code(world, file, early)).toBe('not-owner')
  })

  test('two acceptances that could not know of each other mark the author of the offers', () => {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    const first = ana.offer(file, bia)
    bia.sync(ana)
    ana.close('cancel', file, first)
    const second = ana.offer(file, caio)
    caio.sync(ana)
    const accepts = [bia.accept(file, first), caio.accept(file, second)]
    const fold = world.fold(file.file)
    const winners = accepts.filter(({ id }) => fold.verdicts.get(id) === null)
    expect(winners).toHaveLength(1)
    expect(accepts.map(({ id }) => fold.verdicts.get(id)?.code ?? null).sort()).toEqual(['contradicted', null].sort())
    expect(fold.marks.map(({ entry }) => entry).sort()).toEqual([first.id, second.id].sort())
    expect(fold.marks.every(({ node }) => node === ana.node)).toBe(true)
    // and an admin may settle it
    world.meet()
    const loser = winners[0]?.author === bia.node ? caio : bia
    const assign = world.founder.assign(file, loser)
    world.meet()
    world.tick()
    loser.accept(file, assign)
    expect(world.fold(file.file).file?.owner).toBe(loser.branch)
    // once: the mark stays, the right to assign does not
    world.meet()
    expect(code(world, file, world.founder.assign(file, ana))).toBe('not-assignable')
    expect(world.fold(file.file).marks).toHaveLength(2)
  })

  test('a file goes to another branch and back', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    const there = ana.offer(file, bia)
    bia.sync(ana)
    bia.accept(file, there)
    bia.update(file)
    const back = bia.offer(file, ana)
    ana.sync(bia)
    world.tick()
    ana.accept(file, back)
    expect(code(world, file, ana.update(file))).toBeNull()
    expect(world.fold(file.file).file).toMatchObject({ owner: ana.branch, version: 3 })
  })

  test('an admin assigns what was offered in vain for seven days, not before', () => {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    ana.offer(file, bia)
    world.meet()
    expect(code(world, file, world.founder.assign(file, caio))).toBe('not-assignable')
    world.tick(7 * 24 * 3_600_000 + 1)
    const assign = world.founder.assign(file, caio)
    world.meet()
    world.tick()
    expect(world.fold(file.file).file?.offer?.entry).toBe(assign.id)
    caio.accept(file, assign)
    expect(world.fold(file.file).file?.owner).toBe(caio.branch)
  })

  describe.each([
    ['it comes first', 0],
    ['it comes later', 4],
  ])('an assignment is judged by what the admin could know (%s):', (_, more) => {
    /** Offered in vain, and everybody knows; then the admin assigns while `meanwhile` happens elsewhere. */
    function assigned(meanwhile: (at: ReturnType<typeof network> & { file: FileHandle; offer: Entry }) => Entry) {
      const all = network()
      const { world, ana, bia, caio } = all
      const file = ana.upload()
      const offer = ana.offer(file, bia)
      world.meet()
      world.tick(7 * 24 * 3_600_000 + 1)
      // an admin goes before others, except after what it has seen of them
      const other = caio.upload()
      for (let at = 0; at < more; at++) caio.close('cancel', other, caio.offer(other, ana))
      world.founder.sync(caio)
      const unseen = meanwhile({ ...all, file, offer })
      const assign = world.founder.assign(file, caio)
      caio.sync(world.founder)
      world.tick()
      const accept = caio.accept(file, assign)
      const kept = caio.update(file)
      world.meet()
      return { ...all, file, unseen, assign, accept, kept, verdict: (entry: Entry) => code(world, file, entry) }
    }

    test.each<[string, Parameters<typeof assigned>[0]]>([
      ['the owner that takes its offer back', ({ ana, file, offer }) => ana.close('cancel', file, offer)],
      ['the receiver that declines', ({ bia, file, offer }) => bia.close('decline', file, offer)],
      ['the owner that leaves', ({ ana }) => ana.leave()],
    ])('%s meanwhile does not undo it', (_, meanwhile) => {
      const { world, file, caio, kept, verdict } = assigned(meanwhile)
      expect(world.fold(file.file).file?.owner).toBe(caio.branch)
      expect(verdict(kept)).toBeNull()
    })

    test('where the receiver accepts meanwhile, one of the two owns it and nothing is lost', () => {
      const { world, file, bia, caio, unseen, accept, kept, verdict } = assigned((at) =>
        at.bia.accept(at.file, at.offer),
      )
      const fold = world.fold(file.file)
      expect([bia.branch, caio.branch]).toContain(fold.file?.owner)
      expect([unseen, accept].map(verdict).sort()).toEqual(['contradicted', null].sort())
      const version = fold.versions.find(({ entry }) => entry === kept.id)
      expect(version).toMatchObject({ conflict: fold.file?.owner === bia.branch })
    })

    test('one that had seen the offer taken back has nothing to settle', () => {
      const { world, ana, bia, caio } = network()
      const file = ana.upload()
      const offer = ana.offer(file, bia)
      ana.close('cancel', file, offer)
      world.tick(7 * 24 * 3_600_000 + 1)
      world.meet()
      expect(code(world, file, world.founder.assign(file, caio))).toBe('not-assignable')
    })
  })
})

describe('leaving', () => {
  function drawn(delayMs: number) {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    world.meet()
    const leave = ana.leave()
    world.meet()
    const [best, other] = drawOrder(world.network, leave.id, file.file, [bia.node, caio.node])
    const actor = (node: string | undefined): Actor => {
      const found = [bia, caio].find((each) => each.node === node)
      if (found === undefined) throw new Error('not a candidate')
      return found
    }
    const [better, worse] = [actor(best), actor(other)]
    const early = worse.accept(file, leave)
    const kept = worse.update(file, { size: 33 })
    const late = better.accept(file, leave, { ms: early.ms + delayMs })
    return { world, file, better, worse, early, late, kept, ana, leave }
  }

  test('of two acceptances the better rank wins within ten minutes', () => {
    const { world, file, better, early, kept } = drawn(DRAW_WINDOW_MS)
    const fold = world.fold(file.file)
    expect(fold.file?.owner).toBe(better.branch)
    expect(fold.verdicts.get(early.id)?.code).toBe('draw-lost')
    expect(fold.versions.find(({ entry }) => entry === kept.id)?.conflict).toBe(true)
  })

  test('beyond ten minutes the earlier one wins', () => {
    const { world, file, worse, late } = drawn(DRAW_WINDOW_MS + 1)
    expect(world.fold(file.file).file).toMatchObject({ owner: worse.branch, version: 2 })
    expect(code(world, file, late)).toBe('draw-lost')
  })

  test('whoever had seen an acceptance comes too late', () => {
    const { world, ana, bia, caio } = network()
    const file = ana.upload()
    const leave = ana.leave()
    world.meet()
    bia.accept(file, leave)
    caio.sync(bia)
    expect(code(world, file, caio.accept(file, leave))).toBe('not-owner')
    expect(world.fold(file.file).file?.owner).toBe(bia.branch)
  })

  test('a newcomer that the leaver did not know is no candidate', () => {
    const { world, ana } = network()
    const file = ana.upload()
    const dora = world.admit()
    const leave = ana.leave()
    dora.sync(ana)
    expect(code(world, file, dora.accept(file, leave))).toBe('not-candidate')
  })

  test('open offers lapse and the leaver changes nothing any more', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    const offer = ana.offer(file, bia)
    ana.leave()
    world.meet()
    expect(world.fold(file.file).file?.offer).toBeNull()
    expect(code(world, file, bia.accept(file, offer))).toBe('handoff-over')
    expect(code(world, file, ana.change('purge', file))).toBe('leaving')
  })

  test('an orphan is adopted with the key, assigned by an admin, or purged by one', () => {
    const { world, ana, bia, caio } = network()
    const [adopted, assigned, purged] = [ana.upload(), ana.upload(), ana.upload()]
    const leave = ana.leave()
    ana.left(leave, [adopted, assigned, purged])
    world.meet()
    expect(world.fold(adopted.file).file?.state).toBe('orphaned')
    expect(code(world, adopted, caio.accept(adopted, leave))).toBe('orphaned')
    bia.adopt(adopted)
    expect(world.fold(adopted.file).file).toMatchObject({ state: 'live', owner: bia.branch })
    world.meet()
    expect(code(world, adopted, caio.adopt(adopted))).toBe('not-orphaned')
    const assign = world.founder.assign(assigned, caio)
    caio.sync(world.founder)
    caio.accept(assigned, assign)
    expect(world.fold(assigned.file).file).toMatchObject({ state: 'live', owner: caio.branch })
    expect(code(world, purged, bia.change('purge', purged))).toBe('not-owner')
    expect(code(world, purged, world.founder.change('purge', purged))).toBeNull()
    expect(world.fold(purged.file).file?.state).toBe('purged')
  })

  test('an owned file is not adopted', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    world.meet()
    expect(code(world, file, bia.adopt(file))).toBe('not-orphaned')
  })

  test('a new owner that did not know the last entries goes on from where it stood', () => {
    const { world, ana, bia } = network()
    const file = ana.upload(1)
    bia.sync(ana)
    world.tick()
    const unseen = ana.update(file, { size: 2 })
    const expel = world.founder.write('expel', { node: ana.key.publicKey, cuts: ana.cuts() })
    bia.sync(world.founder)
    world.tick()
    bia.accept(file, expel)
    expect(world.fold(file.file).file).toMatchObject({ owner: bia.branch, version: 2, head: unseen.id })
    const next = bia.update(file, { size: 3 })
    const fold = world.fold(file.file)
    expect(fold.file).toMatchObject({ version: 2, head: next.id })
    expect(fold.versions.find(({ entry }) => entry === unseen.id)?.conflict).toBe(true)
  })
})

describe('replaced machines', () => {
  test('ownership stays with the branch; uploads beyond the cut are its orphans', () => {
    const { world, ana, bia } = network()
    const file = ana.upload()
    world.meet()
    const next = world.admit({ replaces: ana })
    next.sync(...world.actors)
    const lost = ana.upload()
    const stale = ana.update(file)
    expect(code(world, file, stale)).toBe('feed-closed')
    expect(code(world, file, next.update(file))).toBeNull()
    expect(world.fold(file.file).file).toMatchObject({ owner: ana.branch, version: 2 })
    expect(world.fold(lost.file).file).toMatchObject({ state: 'orphaned', owner: ana.branch })
    bia.sync(...world.actors)
    bia.adopt(lost)
    expect(world.fold(lost.file).file).toMatchObject({ state: 'live', owner: bia.branch })
  })
})
