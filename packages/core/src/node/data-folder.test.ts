import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeDataFolder } from './data-folder.ts'
import { FolderUnusableError } from './errors.ts'

const root = mkdtempSync(join(tmpdir(), 'malote-test-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('makeDataFolder', () => {
  it('makes what is missing, for this user alone, and leaves what is there', () => {
    makeDataFolder(join(root, 'a', 'b'))
    for (const path of ['a', 'a/b']) expect(statSync(join(root, path)).mode & 0o777).toBe(0o700)
    mkdirSync(join(root, 'open'), { mode: 0o755 })
    makeDataFolder(join(root, 'open'))
    expect(statSync(join(root, 'open')).mode & 0o777).toBe(0o755)
  })

  it('says where there can be none', () => {
    writeFileSync(join(root, 'file'), '')
    for (const path of ['file', 'file/below']) {
      expect(() => makeDataFolder(join(root, path))).toThrow(FolderUnusableError)
    }
  })

  it.skipIf(process.platform !== 'linux')('ends where a system says of a folder that it is not there', () => {
    expect(() => makeDataFolder('/proc/nowhere/below')).toThrow(FolderUnusableError)
  })
})
