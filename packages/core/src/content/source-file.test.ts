import { execFileSync } from 'node:child_process'
import { appendFile, chmod, mkdir, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FileChangedError, UnreadableError } from './errors.ts'
import { readSourceFile } from './source-file.ts'
import { bytesOf, collect, MIB, withFolder } from './testing.ts'

describe('readSourceFile', () => {
  it.each([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])('reads %d bytes', (size) =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFile(path, bytesOf(size))
      const file = await readSourceFile(path)
      expect(file.size).toBe(size)
      expect(Buffer.compare(await collect(file.source), bytesOf(size))).toBe(0)
    }),
  )

  it('refuses links, folders, pipes, devices and what is not there', () =>
    withFolder(async (folder) => {
      const at = (name: string) => join(folder, name)
      await writeFile(at('file'), 'x')
      await symlink(at('file'), at('link'))
      await symlink(at('nowhere'), at('dangling'))
      await mkdir(at('folder'))
      execFileSync('mkfifo', [at('pipe')])
      for (const [path, why] of [
        [at('link'), /symbolic link/],
        [at('dangling'), /symbolic link/],
        [at('folder'), /folder/],
        [at('pipe'), /pipe/],
        ['/dev/zero', /device/],
        [at('none'), /no such file/],
      ] as const) {
        const refused = readSourceFile(path)
        await expect(refused).rejects.toThrow(UnreadableError)
        await expect(refused).rejects.toThrow(why)
      }
    }))

  it.skipIf(process.getuid?.() === 0)('refuses what this user may not read', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFile(path, 'x')
      await chmod(path, 0)
      await expect(readSourceFile(path)).rejects.toThrow(/permission denied/)
    }),
  )

  const changes: [string, (path: string) => Promise<unknown>][] = [
    ['grows', (path) => appendFile(path, 'more')],
    ['shrinks', (path) => truncate(path, MIB)],
    ['is written in place', (path) => writeFile(path, bytesOf(2 * MIB, 7), { flag: 'r+' })],
    ['is touched', (path) => utimes(path, new Date(1e12), new Date(1e12))],
    [
      'is replaced by renaming',
      (path) => writeFile(`${path}.new`, bytesOf(2 * MIB)).then(() => rename(`${path}.new`, path)),
    ],
    ['is moved away', (path) => rename(path, `${path}.old`)],
  ]
  it.each(changes)('a file that %s meanwhile is an error', (_, change) =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFile(path, bytesOf(2 * MIB))
      await utimes(path, new Date(1.5e12), new Date(1.5e12))
      const { source } = await readSourceFile(path)
      const reading = source[Symbol.asyncIterator]()
      expect((await reading.next()).done).toBe(false)
      await change(path)
      const rest = (async () => {
        while ((await reading.next()).done !== true);
      })()
      await expect(rest).rejects.toThrow(FileChangedError)
    }),
  )
})
