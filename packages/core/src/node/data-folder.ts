/** The folder of a node, made where it is missing. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { FolderUnusableError } from './errors.ts'

/** Only for this user, as are those above it that are missing. @throws {FolderUnusableError} */
export function makeDataFolder(path: string): void {
  try {
    make(resolve(path))
  } catch (error) {
    throw new FolderUnusableError(path, error)
  }
}

/** Step by step: `recursive` of Node.js 24 never ends where a folder that is there says that there is none, as `/proc` does. */
function make(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory()) return
  if (found !== undefined) throw Object.assign(new Error(`${path} is no folder`), { code: 'ENOTDIR' })
  const above = dirname(path)
  if (above !== path) make(above)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // somebody else has made it meanwhile
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}
