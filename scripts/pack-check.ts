/**
 * The packages as somebody else gets them: packed, installed with npm in empty projects, compiled against, run. Everything
 * else that they need comes from the npm registry: hence no part of `npm test`, which has the checks that need none.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packAll } from '../test/publish/pack.ts'

const run = promisify(execFile)
const node = process.execPath
const repository = join(import.meta.dirname, '..')
const TYPESCRIPT = '5.9.3'
const NODE_TYPES = '22.12.0'

const root = mkdtempSync(join(tmpdir(), 'malote-pack-check-'))

/** A picture, for the process of previews: black, one pixel. */
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='

/** What a user of each package would write first. */
const PROGRAMS: Readonly<Record<string, { readonly with: readonly string[]; readonly text: string }>> = {
  '@malote/core': {
    with: ['@malote/punch'],
    text: `
import { writeFileSync } from 'node:fs'
import { createNode, type FileView } from '@malote/core'
const node = await createNode({ dataDir: './branch', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, upnp: false })
try {
  const { recoveryKey } = await node.network.init({ name: 'Agência', branch: 'Recife' })
  const uploaded: FileView = await node.files.upload('index.ts', { campaign: 'Verão' })
  const [listed] = node.files.list({}).items
  if (recoveryKey.length === 0 || listed?.id !== uploaded.id) throw new Error('the file is not listed')
  writeFileSync('dot.png', Buffer.from('${DOT}', 'base64'))
  if (!(await node.files.upload('dot.png')).hasPreview) throw new Error('no preview')
} finally {
  await node.stop()
}
`,
  },
  '@malote/client': {
    with: [],
    text: `
import { connectTo, MaloteClient, ProblemError } from '@malote/client'
import { ProblemError as InBrowser } from '@malote/client/browser'
if (typeof MaloteClient !== 'function' || InBrowser !== ProblemError) throw new Error('no client')
const failed: unknown = await connectTo('./nothing').then(() => null, (error: unknown) => error)
if (!(failed instanceof ProblemError) || failed.code !== 'not-running') throw new Error(String(failed))
`,
  },
  '@malote/punch': {
    with: [],
    text: `
import { punch } from '@malote/punch'
if (typeof punch({ auto: false }) !== 'function') throw new Error('no service')
`,
  },
  '@malote/api': {
    with: ['@malote/core', '@malote/punch'],
    text: `
import { createServer } from '@malote/api'
import { createNode } from '@malote/core'
const node = await createNode({ dataDir: './branch', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, upnp: false })
const token = 'a token of thirty two characters'.replaceAll(' ', '-')
const server = await createServer({ node, port: 0, token })
try {
  const answer = await fetch(server.url + '/api/v1/status', { headers: { authorization: 'Bearer ' + token } })
  const { branch } = (await answer.json()) as { branch: string | null }
  if (answer.status !== 200 || branch !== null) throw new Error('status ' + answer.status)
  const page = await fetch(server.url + '/docs/')
  if (page.status !== 200) throw new Error('docs ' + page.status)
} finally {
  await server.close()
  await node.stop()
}
`,
  },
}

/** Runs to the end. What it has said is the message when it fails. */
async function tell(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await run(command, args, { cwd, timeout: 300_000, maxBuffer: 16 * 1024 * 1024 })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout ?? ''}${stderr ?? error}`)
  }
}

async function install(name: string, ...what: string[]): Promise<string> {
  const project = join(root, name.replaceAll('/', '-'))
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }))
  await tell(project, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', ...what)
  return project
}

async function megabytes(folder: string): Promise<string> {
  const [kib = '0'] = (await tell(folder, 'du', '-sk', 'node_modules')).split('\t')
  return `${(Number(kib) / 1024).toFixed(1)} MiB installed`
}

async function checkLibrary(name: string, tarballs: ReadonlyMap<string, string>): Promise<string> {
  const program = PROGRAMS[name]
  const ours = [name, ...(program?.with ?? [])].map((one) => tarballs.get(one) ?? '')
  const project = await install(name, ...ours)
  const size = await megabytes(project)
  await tell(
    project,
    'npm',
    'install',
    '-D',
    '--loglevel=error',
    `typescript@${TYPESCRIPT}`,
    `@types/node@${NODE_TYPES}`,
  )
  writeFileSync(join(project, 'index.ts'), program?.text ?? '')
  const options = ['--target', 'es2023', '--lib', 'es2024,dom,esnext.disposable', '--strict', '--types', 'node']
  const modules = ['--module', 'nodenext', '--exactOptionalPropertyTypes', '--skipLibCheck']
  await tell(project, join('node_modules', '.bin', 'tsc'), ...options, ...modules, 'index.ts')
  await tell(project, node, 'index.js')
  return size
}

async function checkProgram(name: string, tarball: string): Promise<string> {
  const project = await install(name, tarball)
  const malote = (...args: string[]) => tell(project, join('node_modules', '.bin', 'malote'), ...args, '--data', 'data')
  const args = ['up', '--data', 'data', '--json', '--port', '0', '--api', '127.0.0.1:0', '--no-mdns', '--no-upnp']
  const up = spawn(join('node_modules', '.bin', 'malote'), args, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(up, 'exit')
  try {
    await Promise.race([once(up.stdout, 'data'), ended])
    await malote('init', '--name', 'Agência', '--branch', 'Recife')
    writeFileSync(join(project, 'photo.png'), Buffer.from(DOT, 'base64'))
    await malote('upload', 'photo.png')
    const { items } = JSON.parse(await malote('ls', '--json')) as { items: { name: string; hasPreview: boolean }[] }
    if (items[0]?.name !== 'photo.png') throw new Error('the file is not listed')
    if (!items[0].hasPreview) throw new Error('no preview')
    await malote('down')
  } finally {
    up.kill()
    await ended
  }
  return megabytes(project)
}

try {
  const packed = await packAll(root)
  const tarballs = new Map(packed.map(({ manifest, tarball }) => [manifest.name, tarball]))
  for (const [name, tarball] of tarballs) {
    const size = name === '@malote/cli' ? await checkProgram(name, tarball) : await checkLibrary(name, tarballs)
    console.log(`${name}: installs with npm, ${name === '@malote/cli' ? '' : 'compiles, '}runs; ${size}`)
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
console.log(`checked in empty projects with ${process.version}, TypeScript ${TYPESCRIPT}; sources ${repository}`)
