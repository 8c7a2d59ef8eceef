/**
 * An identity that moves to another machine: keys, settings and the way back to the network, never a feed. Works on a
 * data folder that no node uses. Spec: docs/specs/identity.md, "Export".
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DecodeError } from '../codec/index.ts'
import { lockFolder } from '../database/index.ts'
import { readAnchor } from './anchor.ts'
import { makeDataFolder } from './data-folder.ts'
import { FolderInUseError, NoIdentityError, NotAnExportError, SettingsTooLongError } from './errors.ts'
import { decodeIdentity, loadIdentity, writePrivateFile } from './identity.ts'
import { decodePortable, encodePortable, MAX_CONFIG } from './portable-format.ts'
import { beginRebuild } from './rebuild-files.ts'

/** Whose identity it is. */
export interface Moved {
  /** PeerId */
  readonly id: string
  /** it belongs to a network, whose ledger is fetched at the first start */
  readonly isMember: boolean
}

/**
 * The identity and settings of a data folder, as text for another machine.
 * @param options.passphrase seals it; null, the default: it is readable for whoever has it
 * @throws {FolderLockedError} `locked` @throws {NoIdentityError} `not-found` @throws {IdentityDamagedError} `damaged`
 */
export function exportIdentity(
  dataDir: string,
  options: { passphrase?: string | null } = {},
): Moved & { text: string } {
  const { passphrase = null } = options
  const path = join(dataDir, 'identity')
  // looking must not make an identity
  if (!existsSync(path)) throw new NoIdentityError(dataDir)
  const lock = lockFolder(dataDir)
  try {
    const { id } = loadIdentity(dataDir)
    const network = join(dataDir, 'network')
    const isMember = readAnchor(network) !== null
    const config = join(dataDir, 'config.toml')
    const hasConfig = existsSync(config)
    if (hasConfig && statSync(config).size > MAX_CONFIG) throw new SettingsTooLongError(config)
    const portable = {
      identity: readFileSync(path),
      anchor: isMember ? readFileSync(join(network, 'anchor')) : null,
      config: hasConfig ? readFileSync(config, 'utf8') : null,
    }
    return { id, isMember, text: encodePortable(portable, passphrase) }
  } finally {
    lock.release()
  }
}

/**
 * Into a data folder that is new or empty. The node that starts there has the identity and none of its feeds: it fetches
 * the ledger from the other members, and writes to a feed that nobody can have written to before.
 * @throws {FolderInUseError} there is an identity or a network already @throws {FolderLockedError} @throws {NotAnExportError}
 * @throws {PassphraseError}
 */
export async function importIdentity(
  dataDir: string,
  text: string,
  { passphrase = null }: { passphrase?: string | null } = {},
): Promise<Moved> {
  const { identity, anchor, config } = decodePortable(text, passphrase)
  const id = identityIn(identity)
  const isNew = !existsSync(dataDir)
  makeDataFolder(dataDir)
  refuseUsed(dataDir)
  const lock = lockFolder(dataDir)
  const network = join(dataDir, 'network')
  // looked at again under the lock, and before the place from which everything is taken back
  try {
    refuseUsed(dataDir)
  } catch (error) {
    lock.release()
    throw error
  }
  try {
    if (config !== null) writeFileSync(join(dataDir, 'config.toml'), config, { mode: 0o600, flag: 'wx' })
    if (anchor !== null) {
      mkdirSync(network, { mode: 0o700 })
      writePrivateFile(join(network, 'anchor'), anchor)
      if (readAnchor(network) === null) throw new NotAnExportError()
      // as after the loss of both databases: nothing is continued, everything is fetched (repair.md, "Rebuild")
      await beginRebuild(network, () => {})
    }
    // last: without it nothing of this is anybody's
    writePrivateFile(join(dataDir, 'identity'), identity)
  } catch (error) {
    for (const name of ['identity', 'network', 'config.toml'])
      rmSync(join(dataDir, name), { recursive: true, force: true })
    throw error
  } finally {
    lock.release()
    if (isNew && readdirSync(dataDir).every((name) => name === 'lock')) rmSync(dataDir, { recursive: true })
  }
  return { id, isMember: anchor !== null }
}

function identityIn(bytes: Uint8Array): string {
  try {
    return decodeIdentity(bytes).id
  } catch (error) {
    if (error instanceof DecodeError) throw new NotAnExportError(error)
    throw error
  }
}

function refuseUsed(dataDir: string): void {
  const found = ['identity', 'network', 'config.toml'].find((name) => existsSync(join(dataDir, name)))
  if (found !== undefined) throw new FolderInUseError(join(dataDir, found))
}
