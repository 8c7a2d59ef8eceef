/** `service`: a unit for systemd. Written, shown or removed; what systemd is to do with it is told, not done. */

import { constants, existsSync } from 'node:fs'
import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { OutputError, UnsupportedError, UsageError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { MARK, type Manager, unitText } from '../service/unit.ts'

const DEFAULT_NAME = 'malote'

interface Target {
  readonly manager: Manager
  readonly name: string
  readonly path: string
  readonly systemctl: string
}

function targetOf({ user, system, name = DEFAULT_NAME }: Options): Target {
  if (user === true && system === true) throw new UsageError(say().wrong.userAndSystem)
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(String(name)))
    throw new UsageError(say().wrong.unit({ given: JSON.stringify(name) }))
  const manager = system === true ? 'system' : 'user'
  const configHome = process.env.XDG_CONFIG_HOME || join(homedir(), '.config')
  const folder = manager === 'system' ? '/etc/systemd/system' : join(configHome, 'systemd', 'user')
  return {
    manager,
    name: `${name}.service`,
    path: join(folder, `${name}.service`),
    systemctl: manager === 'system' ? 'sudo systemctl' : 'systemctl --user',
  }
}

/** @throws {UnsupportedError} */
async function wantSystemd(): Promise<void> {
  if (existsSync('/run/systemd/system')) return
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const isThere = await access(join(folder || '.', 'systemctl'), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return
  }
  throw new UnsupportedError(say().failures.noSystemd, say().failures.noSystemdAdvice)
}

async function install(context: Context, options: Options): Promise<void> {
  const target = targetOf(options)
  if (target.manager === 'system' && context.dataDirFrom === 'default') throw new UsageError(say().wrong.systemData)
  if (target.manager === 'user' && options.runAs !== undefined) throw new UsageError(say().wrong.runAs)
  const dataDir = resolve(context.dataDir)
  const unit = unitText({
    manager: target.manager,
    program: [process.execPath, resolve(process.argv[1] ?? '')],
    dataDir,
    config: options.config === undefined ? null : resolve(String(options.config)),
    user: target.manager === 'system' ? String(options.runAs ?? userInfo().username) : null,
  })
  if (options.print === true) {
    context.print({ path: target.path, unit }, unit.trimEnd())
    return
  }
  await wantSystemd()
  if (target.manager === 'system' && (options.runAs ?? userInfo().username) === 'root')
    throw new UsageError(say().wrong.noRoot)
  if (target.manager === 'system' && !(await isFolder(dataDir)))
    throw new UsageError(say().wrong.folderMissing({ folder: dataDir }))
  await refuseForeign(target.path)
  await mkdir(join(target.path, '..'), { recursive: true })
  await writeFile(target.path, unit, { mode: 0o644 })
  const next = `${target.systemctl} daemon-reload && ${target.systemctl} enable --now ${target.name}`
  context.print({ path: target.path, next }, say().service.wrote({ path: target.path, next }))
  if (target.manager === 'user') context.note(say().service.linger)
}

async function uninstall(context: Context, options: Options): Promise<void> {
  const target = targetOf(options)
  const isThere = await refuseForeign(target.path)
  const next = `${target.systemctl} stop ${target.name}; ${target.systemctl} daemon-reload`
  if (isThere) {
    // what enabling has made, else systemd goes on naming it
    for (const wanting of ['default.target.wants', 'multi-user.target.wants'])
      await rm(join(target.path, '..', wanting, target.name), { force: true })
    await rm(target.path)
  }
  const text = isThere ? say().service.removed({ path: target.path, next }) : say().service.notThere(target)
  context.print({ path: target.path, removed: isThere, next: isThere ? next : null }, text)
}

/** @returns whether one of ours is there @throws {OutputError} somebody else's is */
async function refuseForeign(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (text === null) return false
  if (text.startsWith(MARK)) return true
  const advice = say().failures.foreignUnitAdvice
  throw new OutputError('conflict', say().failures.foreignUnit({ path }), { path, advice })
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

export const serviceCommand: CommandSpec = {
  usage: 'service',
  summary: () => say().help.service.summary,
  examples: ['malote service install', 'malote service uninstall'],
  subcommands: [
    {
      usage: 'install',
      summary: () => say().help.service.install,
      examples: [
        'malote service install',
        'malote service install --print',
        'sudo malote service install --system --run-as malote --data /var/lib/malote',
      ],
      options: (command) =>
        command
          .option('--user', say().help.service.user)
          .option('--system', say().help.service.system)
          .option('--run-as <user>', say().help.service.runAs)
          .option('--name <unit>', say().help.service.name)
          .option('--config <file>', say().help.service.config)
          .option('--print', say().help.service.print),
      run: (context, _args, options) => install(context, options),
    },
    {
      usage: 'uninstall',
      summary: () => say().help.service.uninstall,
      examples: ['malote service uninstall', 'sudo malote service uninstall --system'],
      options: (command) =>
        command
          .option('--user', say().help.service.userOf)
          .option('--system', say().help.service.systemOf)
          .option('--name <unit>', say().help.service.nameOf),
      run: (context, _args, options) => uninstall(context, options),
    },
  ],
}
