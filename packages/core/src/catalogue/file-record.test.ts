import { describe, expect, test } from 'vitest'
import { DecodeError } from '../codec/index.ts'
import { decodeFileRecord, encodeFileRecord, type FileRecord, fileOfRecord } from './file-record.ts'
import { World } from './testing.ts'

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

describe('the record of a file', () => {
  test('comes back as it was', () => {
    const before = record()
    expect(before.file.offer).not.toBeNull()
    expect(before.versions.some(({ conflict }) => conflict)).toBe(true)
    expect(before.epochs.length).toBe(2)
    expect(decodeFileRecord(encodeFileRecord(before))).toEqual(before)
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
        decodeFileRecord(damaged)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
      expect(() => decodeFileRecord(bytes.subarray(0, at))).toThrow(DecodeError)
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
    expect(decodeFileRecord(encodeFileRecord({ file, versions: many, epochs })).versions.length).toBe(65_536)
  })
})
