import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deriveEpochKeys, keyIdOf, newAudienceKey, newFileKey, wrapFileKey } from '../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import {
  type BoxHash,
  type BranchId,
  type EntryId,
  EVERYONE,
  type FileId,
  type NetworkId,
  newAudienceId,
  nodeIdFromPublicKey,
} from '../ids.ts'
import { audienceList } from './audience-list.ts'
import { sealOlder } from './boxes-format.ts'
import { createKeyring, type Keyring } from './keyring.ts'
import type { SharedEpoch } from './types.ts'

const network = 'ab'.repeat(32) as NetworkId
const file = 'cd'.repeat(16) as FileId
const list = audienceList('except', ['12'.repeat(32) as BranchId], '34'.repeat(32) as BranchId)

let db: Database
let rows: SharedEpoch[]
let keyring: Keyring
const audience = newAudienceId()
const secret = newAudienceKey()
const key = keyIdOf(network, audience, secret)
const epochs = [1, 2, 3].map((epoch) => deriveEpochKeys(network, file, epoch, newFileKey()))

beforeEach(() => {
  db = openDatabase({ path: ':memory:', migrations: migrationsFolder('local') })
  rows = epochs.map((keys, i): SharedEpoch => {
    const before = epochs[i - 1]
    const wrap = wrapFileKey(network, secret, file, keys.epoch, keys.fileKey)
    const older = before === undefined ? null : sealOlder(keys, before)
    const fixed = { file, audience, key, entry: `${i}`.repeat(64) as EntryId }
    return { ...fixed, epoch: keys.epoch, wrap, proof: keys.proof.publicKey, older, closed: i < 2 }
  })
  keyring = createKeyring({ db, network, reads: { epochs: () => rows }, cached: 2 })
})

afterEach(() => db.close())

const secretOf = (epoch: number) => keyring.fileKey(file, epoch)?.fileKey

describe('audience keys', () => {
  test('only the key that the id commits to, for this audience', () => {
    expect(keyring.putAudienceKey(audience, key, newAudienceKey())).toBe(false)
    expect(keyring.putAudienceKey(EVERYONE, key, secret)).toBe(false)
    expect(keyring.putAudienceKey(audience, key, new Uint8Array(31))).toBe(false)
    expect(keyring.audienceKey(audience, key)).toBeNull()
    expect(keyring.putAudienceKey(audience, key, secret)).toBe(true)
    expect(keyring.putAudienceKey(audience, key, secret)).toBe(true)
    expect(Buffer.compare(keyring.audienceKey(audience, key)?.secret ?? Buffer.alloc(0), secret)).toBe(0)
  })

  test('what was read beside a key is kept, and found by the list', () => {
    keyring.putAudienceKey(audience, key, secret)
    expect(keyring.audienceKey(audience, key)).toMatchObject({ list: null, gone: null })
    const gone = [nodeIdFromPublicKey(new Uint8Array(32).fill(1)), nodeIdFromPublicKey(new Uint8Array(32).fill(2))]
    keyring.note(audience, key, { list, gone })
    expect(keyring.audienceKey(audience, key)).toMatchObject({ list, gone })
    expect(keyring.audiencesWith(list)).toEqual([audience])
    expect([...keyring.audienceKeys()].map((held) => held.key)).toEqual([key])
    keyring.forgetAudienceKey(audience, key)
    expect(keyring.audiencesWith(list)).toEqual([])
  })
})

describe('file keys', () => {
  test('the newest epoch by its audience key, older ones through the newer', () => {
    expect(secretOf(3)).toBeUndefined()
    keyring.putAudienceKey(audience, key, secret)
    expect(secretOf(1)).toEqual(epochs[0]?.fileKey)
    expect(secretOf(2)).toEqual(epochs[1]?.fileKey)
    expect(secretOf(3)).toEqual(epochs[2]?.fileKey)
    expect(secretOf(4)).toBeUndefined()
  })

  test('a closed epoch is never unwrapped by its audience key alone', () => {
    keyring.putAudienceKey(audience, key, secret)
    rows = rows.map((row) => (row.epoch === 3 ? { ...row, key: keyIdOf(network, audience, newAudienceKey()) } : row))
    for (const epoch of [1, 2, 3]) expect(secretOf(epoch)).toBeUndefined()
  })

  test('what was given up stays given up until the newer key comes', () => {
    keyring.putAudienceKey(audience, key, secret)
    const whole = rows
    rows = whole.slice(0, 2).map((row) => ({ ...row, closed: row.epoch === 1 }))
    expect(secretOf(2)).toEqual(epochs[1]?.fileKey)
    rows = whole.map((row) => (row.epoch === 3 ? { ...row, audience: newAudienceId() } : row))
    keyring.forgetFile(file, 2)
    keyring.giveUp(file, 2)
    for (const epoch of [1, 2, 3]) expect(secretOf(epoch)).toBeUndefined()
    expect(keyring.gaveUp(file)).toBe(2)
    rows = whole
    expect(secretOf(1)).toEqual(epochs[0]?.fileKey)
    expect(keyring.gaveUp(file)).toBeNull()
  })

  test('a wrap, an older key or a proof that was tampered with yields nothing', () => {
    keyring.putAudienceKey(audience, key, secret)
    const whole = rows
    const flip = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, i) => (i === 20 ? byte ^ 1 : byte))
    rows = whole.map((row) => ({ ...row, wrap: flip(row.wrap) }))
    expect(secretOf(3)).toBeUndefined()
    rows = whole.map((row) => ({ ...row, proof: flip(row.proof) }))
    expect(secretOf(3)).toBeUndefined()
    rows = whole.map((row) => ({ ...row, older: row.older === null ? null : flip(row.older) }))
    expect(secretOf(3)).toEqual(epochs[2]?.fileKey)
    expect(secretOf(2)).toBeUndefined()
  })

  test('forgetting overwrites what was handed out, and takes back one epoch', () => {
    keyring.putFileKey(file, 1, newFileKey())
    const keys = keyring.fileKey(file, 1)
    rows = []
    keyring.forgetFile(file)
    expect(keys?.fileKey.every((byte) => byte === 0)).toBe(true)
    expect(secretOf(1)).toBeUndefined()
    keyring.putFileKey(file, 1, newFileKey())
    keyring.putFileKey(file, 2, newFileKey())
    keyring.forgetEpoch(file, 2)
    expect(secretOf(2)).toBeUndefined()
    expect(secretOf(1)).toBeDefined()
  })

  test('boxes are remembered by epoch', () => {
    const box = (n: number) => `${n}`.repeat(64) as BoxHash
    keyring.noteBox(file, 1, box(1))
    keyring.noteBox(file, 2, box(2))
    expect(keyring.boxesOf(file, 1)).toEqual([box(1)])
    keyring.forgetBoxes(file, 1)
    expect(keyring.boxesOf(file)).toEqual([box(2)])
  })
})
