/** The packages as `npm publish` would send them: `npm pack` of every folder that is no private one. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const repository = join(import.meta.dirname, '..', '..')
const FOLDERS = ['packages/core', 'packages/client', 'packages/punch', 'packages/api', 'apps/cli'] as const

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly type: string
  readonly engines: { readonly node: string }
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Packed {
  readonly manifest: Manifest
  /** folder in the repository */
  readonly folder: string
  /** the archive */
  readonly tarball: string
  /** paths inside */
  readonly files: readonly string[]
}

/** Packs all of them into a folder, as they are built now. Nothing is asked of a registry. */
export async function packAll(into: string): Promise<readonly Packed[]> {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', ...FOLDERS.map((folder) => `./${folder}`), '--pack-destination', into, '--json', '--ignore-scripts'],
    { cwd: repository, maxBuffer: 16 * 1024 * 1024 },
  )
  // a list of the packages, or an object by name: npm 10 or 11
  const said = JSON.parse(stdout) as Record<string, { name: string; filename: string; files: { path: string }[] }>
  const packed = Object.values(said)
  return FOLDERS.map((folder) => {
    const manifest = JSON.parse(readFileSync(join(repository, folder, 'package.json'), 'utf8')) as Manifest
    const found = packed.find(({ name }) => name === manifest.name)
    if (found === undefined) throw new Error(`npm has not packed ${manifest.name}`)
    return {
      manifest,
      folder: join(repository, folder),
      tarball: join(into, found.filename.replace(/^@/, '').replaceAll('/', '-')),
      files: found.files.map(({ path }) => path),
    }
  })
}
