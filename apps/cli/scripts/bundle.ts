/**
 * Makes `apps/cli/dist` out of the sources of the command line and of the packages it uses (not out of their builds,
 * which may be old): `main.js` with all that a client of a running node needs, `api.js` and `core.js` for `malote up`,
 * which starts `preview-process.js`.
 * Why: docs/decisions/0024-the-command-line-is-bundled.md
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type OutputChunk, type Plugin, rolldown } from 'rolldown'
import { licencesOf } from './licences.ts'

const here = join(import.meta.dirname, '..')
const repository = join(here, '..', '..')
const parts = ['core', 'api', 'client', 'punch']
const packageAt = (name: string) => join(repository, 'packages', name)
const entryOf = (name: string) => join(packageAt(name), 'src', 'index.ts')
const core = join(packageAt('core'), 'src')
const migrations = join(core, 'database', 'migrations')
/** declarations, which the compiler writes and the check of the tests reads */
const KEPT = 'types'

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, { readonly default: string }>>
}

/** Code of ours that finds a place by where it lies itself, and what it says in the bundle. */
const replaced: Readonly<Record<string, string>> = {
  [join(core, 'database', 'migrations.ts')]: `
    import { join } from 'node:path'
    export const migrationsFolder = (which) => join(import.meta.dirname, 'migrations', which)
  `,
}
/** The same, where the answer fits: one folder up lies a package.json, and a package is asked for by its name. */
const fitting: readonly string[] = [
  join(here, 'src', 'program.ts'),
  join(packageAt('api'), 'src', 'document.ts'),
  join(core, 'version.ts'),
  join(core, 'database', 'page-check.ts'),
  join(core, 'network', 'quic-native.ts'),
  join(core, 'previews', 'child.ts'),
]

/** Installed beside the bundle: what is compiled for one machine. */
const outside = Object.keys(wantedBy(manifestAt(here)))

const ours: Plugin = {
  name: 'ours',
  resolveId: {
    filter: { id: /^@malote\// },
    handler(id) {
      const [, name = '', ...rest] = id.split('/')
      const target = manifestAt(packageAt(name)).exports?.[['.', ...rest].join('/')]?.default
      if (target === undefined) throw new Error(`${id} is not exported`)
      return join(packageAt(name), target.replace('/dist/', '/src/').replace(/\.js$/, '.ts'))
    },
  },
  load: { filter: { id: /\/migrations\.ts$/ }, handler: (id) => replaced[id] },
  transform: {
    filter: { code: 'import.meta.' },
    handler(_code, id) {
      if (!isOurs(id) || replaced[id] !== undefined || fitting.includes(id)) return null
      throw new Error(`${relative(repository, id)} asks where it lies: let ${import.meta.filename} give the answer`)
    },
  },
}

function isOurs(path: string): boolean {
  return path.startsWith(repository) && !path.includes('node_modules')
}

function manifestAt(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

function wantedBy({ dependencies, optionalDependencies }: Manifest): Readonly<Record<string, string>> {
  return { ...dependencies, ...optionalDependencies }
}

/** One version of everything of ours, and inside as outside the same version of everything else. */
function checkManifests(): void {
  const own = manifestAt(here)
  for (const name of parts) {
    const part = manifestAt(packageAt(name))
    if (part.version !== own.version) throw new Error(`@malote/${name} is ${part.version}, @malote/cli ${own.version}`)
    // what is missing here the bundle would not find there
    const optional = part.optionalDependencies ?? {}
    for (const [dependency, wanted] of Object.entries(wantedBy(part))) {
      const has = wantedBy(own)[dependency]
      if (has === undefined && optional[dependency] === undefined) continue
      if (has !== wanted) {
        throw new Error(`${dependency}: @malote/${name} wants ${wanted}, @malote/cli ${has}`)
      }
    }
  }
}

/** @param input a program by the name of its file */
async function makeChunks(input: Readonly<Record<string, string>>): Promise<readonly OutputChunk[]> {
  const build = await rolldown({
    input: { ...input },
    platform: 'node',
    external: outside.flatMap((name) => [name, new RegExp(`^${name}/`)]),
    plugins: [ours],
    // a warning is a fault that shows at a user's
    onLog(_level, { message }) {
      throw new Error(message)
    },
  })
  try {
    const { output } = await build.generate({
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: ({ moduleIds }) => `${parts.find((name) => moduleIds.includes(entryOf(name))) ?? '[name]'}.js`,
    })
    return output.filter((part) => part.type === 'chunk')
  } finally {
    await build.close()
  }
}

/** Whatever changed is replaced at once: another process may be starting from these files. */
function write(folder: string, files: ReadonlyMap<string, string>): void {
  for (const [name, text] of files) {
    const path = join(folder, name)
    if (textOf(path) === text) continue
    mkdirSync(dirname(path), { recursive: true })
    const temporary = `${path}.${process.pid}.tmp`
    writeFileSync(temporary, text)
    renameSync(temporary, path)
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path).replaceAll('\\', '/')
    if (entry.isFile() && !name.startsWith(`${KEPT}/`) && !files.has(name)) rmSync(path, { force: true })
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

export async function bundle(): Promise<void> {
  checkManifests()
  const files = new Map<string, string>()
  const program = await makeChunks({ main: join(here, 'src', 'main.ts') })
  // one file that knows nothing of the rest
  const previews = await makeChunks({ 'preview-process': join(core, 'previews', 'preview-process.ts') })
  const chunks = [...program, ...previews]
  for (const { fileName, code } of chunks) files.set(fileName, code)
  for (const entry of readdirSync(migrations, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) files.set(join('migrations', relative(migrations, path)), readFileSync(path, 'utf8'))
  }
  files.set('THIRD-PARTY-LICENSES.txt', licencesOf(chunks.flatMap(({ moduleIds }) => moduleIds)))
  write(join(here, 'dist'), files)
}

if (import.meta.main) await bundle()
