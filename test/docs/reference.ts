/**
 * The reference of the two libraries, made of their docstrings: `npm run docs`. What is exported must say what it is,
 * what fails and in which units; a warning is a fault.
 */
import { join } from 'node:path'
import { Application, Logger, LogLevel, type TypeDocOptions } from 'typedoc'

const repository = join(import.meta.dirname, '..', '..')

interface Library {
  /** folder below `packages` */
  readonly name: string
  /** what `exports` in its package.json offers, below `src` */
  readonly entryPoints: readonly string[]
  /** types that only put another one together */
  readonly inner: readonly string[]
}

export const LIBRARIES: readonly Library[] = [
  {
    name: 'core',
    entryPoints: ['index.ts', 'content/file-names.ts', 'codec/release.ts', 'show-text.ts'],
    inner: ['network/transports.ts:TRANSPORTS'],
  },
  {
    name: 'client',
    entryPoints: ['index.ts', 'browser.ts'],
    // of `Api`; the shapes made of the OpenAPI document are described there
    inner: [
      ...['Answer', 'Init', 'Method', 'Operation', 'PathOf'].map((type) => `api.ts:${type}`),
      'generated/schema.ts:components',
    ],
  },
]

const COMMON: TypeDocOptions = {
  tsconfig: join(import.meta.dirname, 'reference.tsconfig.json'),
  readme: 'none',
  // `tsc` checks types; this compiler is an older one, which only reads
  skipErrorChecking: true,
  disableSources: true,
  excludePrivate: true,
  excludeExternals: true,
  blockTags: ['@default', '@description', '@example', '@module', '@param', '@returns', '@throws'],
  // a property whose name and type say all needs no words: units stand where there are any
  requiredToBeDocumented: ['Class', 'Function', 'Interface', 'Method', 'TypeAlias', 'Variable'],
  validation: { notExported: true, invalidLink: true, notDocumented: true, unusedMergeModuleWith: true },
}

class Told extends Logger {
  readonly messages: string[] = []

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.messages.push(message)
  }
}

/**
 * One after the other: what is exported is checked within one package only.
 * @param folder where the pages go; null: nothing is written
 * @returns what is wrong, empty when nothing is
 */
export async function makeReference(folder: string | null): Promise<string[]> {
  const told = new Told()
  for (const { name, entryPoints, inner } of LIBRARIES) {
    const source = join(repository, 'packages', name, 'src')
    const app = await Application.bootstrap({
      ...COMMON,
      name: `@malote/${name}`,
      basePath: source,
      entryPoints: entryPoints.map((path) => join(source, path)),
      intentionallyNotExported: [...inner],
    })
    app.logger = told
    const project = await app.convert()
    if (project === undefined) throw new Error(`nothing of ${name} could be read: ${told.messages.join('; ')}`)
    app.validate(project)
    if (folder !== null) await app.generateDocs(project, join(folder, name))
  }
  return told.messages
}
