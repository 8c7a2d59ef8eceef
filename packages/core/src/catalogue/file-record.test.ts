import { describe, expect, test } from 'vitest'
import { DecodeError, encodeCbor } from '../codec/index.ts'
import { type EntryId, idBytes } from '../ids.ts'
import { decodeFileRecord, encodeFileRecord, fileOfRecord } from './file-record.ts'
import { foldUploadAlone } from './lone-upload.ts'
import { World } from './testing.ts'
import type { FileRecord } from './types.ts'

/** A file with all that one can have: versions, conflict versions, epochs, former roots, an offer. */
function record(): FileRecord {
  const world = new World()
  const ana = world.admit()
  const bia = world.admit()
  world.meet()
  const file = ana.upload()
  world.tick()
  ana.update(file)
  ana.update(file, { builds: file.entry })
  ana.share(file)
  ana.offer(file, bia)
  const { file: row, versions, epochs } = world.fold(file.file)
  if (row === null) throw new Error('no file')
  const [first, ...others] = versions
  if (first === undefined) throw new Error('no version')
  return { file: row, versions: [{ ...first, formerRoots: [first.root] }, ...others], epochs }
}

/** A whole record names no entry that has to be looked for. */
const nowhere = () => undefined

describe('the record of a file', () => {
  test('comes back as it was', () => {
    const before = record()
    expect(before.file.offer).not.toBeNull()
    expect(before.versions.some(({ conflict }) => conflict)).toBe(true)
    expect(before.epochs.length).toBe(2)
    expect(decodeFileRecord(encodeFileRecord(before), nowhere)).toEqual(before)
    expect(fileOfRecord(encodeFileRecord(before))).toBe(before.file.file)
  })

  test('is the same in whatever order versions and epochs are given', () => {
    const { file, versions, epochs } = record()
    const turned = { file, versions: [...versions].reverse(), epochs: [...epochs].reverse() }
    expect(encodeFileRecord(turned)).toEqual(encodeFileRecord({ file, versions, epochs }))
  })

  test('bytes that are none are refused, also where only one is changed', () => {
    const bytes = encodeFileRecord(record())
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes)
      damaged[at] = (damaged[at] ?? 0) ^ 0x20
      try {
        decodeFileRecord(damaged, nowhere)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
      expect(() => decodeFileRecord(bytes.subarray(0, at), nowhere)).toThrow(DecodeError)
    }
    for (let at = 0; at < 24; at++) {
      expect(() => fileOfRecord(bytes.subarray(0, at))).toThrow(DecodeError)
      if (at < 8) expect(() => fileOfRecord(bytes.with(at, 0))).toThrow(DecodeError)
    }
  })

  test('may have as many versions as a file can', () => {
    const { file, versions, epochs } = record()
    const [first] = versions
    if (first === undefined) throw new Error('no version')
    const many = Array.from({ length: 65_536 }, (_, at) => ({ ...first, version: at + 1 }))
    expect(decodeFileRecord(encodeFileRecord({ file, versions: many, epochs }), nowhere).versions.length).toBe(65_536)
  })
})

describe('the record of a file that is only its upload', () => {
  function uploaded() {
    const world = new World()
    const ana = world.admit()
    const bia = world.admit()
    world.meet()
    const file = ana.upload()
    const fold = () => {
      const { file: row, versions, epochs } = world.fold(file.file)
      if (row === null) throw new Error('no file')
      return { file: row, versions, epochs }
    }
    return { world, ana, bia, file, fold, entryOf: (id: EntryId) => ana.known.get(id) }
  }

  test('names the upload, and comes back as it was', () => {
    const { fold, entryOf } = uploaded()
    const before = fold()
    const bytes = encodeFileRecord(before)
    expect(bytes.length).toBeLessThan(100)
    expect(bytes).toEqual(
      encodeCbor(['files', idBytes(before.file.file), idBytes(before.file.owner), idBytes(before.file.head)]),
    )
    expect(decodeFileRecord(bytes, entryOf)).toEqual(before)
    expect(fileOfRecord(bytes)).toBe(before.file.file)
  })

  test('is made without a fold, and is the same', () => {
    const { world, ana, file, fold } = uploaded()
    const entry = ana.known.get(fold().file.head)
    if (entry === undefined) throw new Error('no entry')
    const init = { file: file.file, network: world.network, membership: ana.membership(), isBeyondEnd: () => false }
    expect(foldUploadAlone({ ...init, entry })).toEqual(fold())
    expect(foldUploadAlone({ ...init, entry, isBeyondEnd: () => true })).toBeNull()
    expect(foldUploadAlone({ ...init, file: ana.upload().file, entry })).toBeNull()
  })

  test.each<[string, (at: ReturnType<typeof uploaded>) => void]>([
    ['a new version', ({ ana, file }) => ana.update(file)],
    ['another audience', ({ ana, file }) => ana.share(file)],
    ['an offer', ({ ana, bia, file }) => ana.offer(file, bia)],
    ['the trash', ({ ana, file }) => ana.change('trash', file)],
    ['a departure of its owner', ({ ana }) => ana.leave()],
  ])('is comes back after %s', (_, happen) => {
    const at = uploaded()
    happen(at)
    const after = at.fold()
    expect(decodeFileRecord(encodeFileRecord(after), at.entryOf)).toEqual(after)
  })

  test('of an upload that is not here, or of another file, it is damage', () => {
    const { ana, fold, entryOf } = uploaded()
    const bytes = encodeFileRecord(fold())
    expect(() => decodeFileRecord(bytes, nowhere)).toThrow(DecodeError)
    const other = ana.upload().entry
    expect(() => decodeFileRecord(bytes, () => other)).toThrow(DecodeError)
    for (let at = 0; at < bytes.length; at++) {
      expect(() => decodeFileRecord(bytes.subarray(0, at), entryOf)).toThrow(DecodeError)
    }
  })
})
