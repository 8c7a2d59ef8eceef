/** `identity`: this machine's keys and settings, to another machine. Done here, since no node may run meanwhile. */

import { open, rm } from 'node:fs/promises'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { OutputError, UsageError } from '../errors.ts'
import { keyFrom, readStdin, readText } from '../input.ts'
import { say } from '../messages/index.ts'

const MIN_PASSPHRASE = 8

/** null: none was named */
async function passphraseOf(context: Context, { passphraseFile }: Options, path: string): Promise<string | null> {
  if (passphraseFile === '-' && path === '-') throw new UsageError(say().wrong.stdinForBoth)
  return (await keyFrom(context, passphraseFile)) ?? null
}

async function exportTo(context: Context, path: string, options: Options): Promise<void> {
  if (path === '-' && context.isJson) throw new UsageError(say().wrong.identityAndJson)
  const passphrase = await passphraseOf(context, options, '')
  if (passphrase !== null && passphrase.length < MIN_PASSPHRASE)
    throw new UsageError(say().wrong.passphrase({ least: MIN_PASSPHRASE }))
  const { exportIdentity } = await import('@malote/core')
  const { id, isMember, text } = exportIdentity(context.dataDir, { passphrase })
  if (path === '-') process.stdout.write(text)
  else await writeNew(path, text)
  if (path !== '-')
    context.print({ id, isMember, path, sealed: passphrase !== null }, say().identity.exported({ id, path }))
  if (passphrase === null) context.note(say().identity.notSealed)
  context.note(say().identity.neverTwo)
}

/** Readable by this user only, whole on disk, and never over something else. */
async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new OutputError('conflict', say().failures.exists({ path }), {
      path,
      advice: say().failures.anotherName,
      cause: error,
    })
  })
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function importFrom(context: Context, path: string, options: Options): Promise<void> {
  const passphrase = await passphraseOf(context, options, path)
  const text = path === '-' ? await readStdin(context) : await readText(path)
  const { importIdentity } = await import('@malote/core')
  const { id, isMember } = await importIdentity(context.dataDir, text, { passphrase })
  context.print({ id, isMember }, say().identity.imported({ id, folder: context.dataDir }))
  context.note(isMember ? say().identity.stopTheOld : say().identity.startIt)
}

const passphraseFile = '--passphrase-file <path>'

export const identityCommand: CommandSpec = {
  usage: 'identity',
  summary: () => say().help.identity.summary,
  examples: ['malote identity export branch.malote', 'malote identity import branch.malote --data /srv/malote'],
  subcommands: [
    {
      usage: 'export <path>',
      summary: () => say().help.identity.export,
      examples: [
        'malote identity export branch.malote --passphrase-file phrase.txt',
        'malote identity export - > branch.malote',
      ],
      options: (command) => command.option(passphraseFile, say().help.identity.sealWith),
      run: (context, [path = ''], options) => exportTo(context, path, options),
    },
    {
      usage: 'import <path>',
      summary: () => say().help.identity.import,
      examples: [
        'malote identity import branch.malote --data /srv/malote --passphrase-file phrase.txt',
        'malote identity import - < branch.malote',
      ],
      options: (command) => command.option(passphraseFile, say().help.identity.sealedWith),
      run: (context, [path = ''], options) => importFrom(context, path, options),
    },
  ],
}
