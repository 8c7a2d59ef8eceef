import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { createCloseWitness } from './close-witness.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function setting() {
  const folder = mkdtempSync(join(tmpdir(), 'malote-witness-'))
  folders.push(folder)
  const databasePath = join(folder, 'shared.db')
  writeFileSync(databasePath, 'x')
  const own = join(folder, `malote-${process.getuid?.()}`)
  const make = (init: { bootId?: string; databasePath?: string; memory?: string } = {}) =>
    createCloseWitness({ databasePath, memory: folder, ...init, bootId: () => init.bootId ?? 'this boot' })
  return { folder, own, databasePath, make }
}

const nonce = new Uint8Array(16).fill(5)

it('gives back once what was left, in the same boot and for the same folder', () => {
  const { make, own } = setting()
  expect(make().take()).toBeNull()
  expect(make().leave(nonce)).toBe(true)
  expect(readdirSync(own)).toHaveLength(1)
  expect(make().take()).toEqual(nonce)
  expect(make().take()).toBeNull()
  expect(readdirSync(own)).toEqual([])
})

it('knows an old copy laid over the file by nothing but the nonce, and a new file by its inode', () => {
  const { make, folder, databasePath } = setting()
  const before = make().folder()
  copyFileSync(databasePath, join(folder, 'old.db'))
  copyFileSync(join(folder, 'old.db'), databasePath)
  expect(make().folder()).toEqual(before)
  make().leave(nonce)
  const copied = make({ databasePath: join(folder, 'old.db') })
  expect(copied.folder()).not.toEqual(before)
  expect(copied.take()).toBeNull()
  expect(make({ databasePath: ':memory:' }).folder()).toBeNull()
})

it('forgets at the next boot', () => {
  const { make } = setting()
  make().leave(nonce)
  expect(make({ bootId: 'the next' }).take()).toBeNull()
  expect(make().take()).toBeNull()
})

it('trusts no place that others can write to, and no link', () => {
  const { make, own } = setting()
  make().leave(nonce)
  chmodSync(own, 0o755)
  expect(make().take()).toBeNull()
  expect(make().leave(nonce)).toBe(false)
  chmodSync(own, 0o700)
  const [name = ''] = readdirSync(own)
  rmSync(join(own, name))
  writeFileSync(join(own, 'elsewhere'), new Uint8Array(48))
  symlinkSync(join(own, 'elsewhere'), join(own, name))
  expect(make().take()).toBeNull()
  expect(make({ memory: join(own, 'none') }).leave(nonce)).toBe(false)
})

it('keeps a bounded number', () => {
  const { make, own } = setting()
  make().leave(nonce)
  for (let n = 0; n < 300; n++) writeFileSync(join(own, `${n}`), '')
  make().leave(nonce)
  expect(readdirSync(own)).toHaveLength(256)
  expect(make().take()).toEqual(nonce)
})
