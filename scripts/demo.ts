/**
 * The main job on real files: six branches as separate processes, each with a data folder of its own, driven through
 * the command line and the HTTP API as their users would. Every claim that is printed was checked; the first that does
 * not hold ends the demo with exit code 1. Nothing is left behind.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Branch, foundNetwork, type Json, keepCompiled, sha256File } from '../test/support/branch.ts'
import { eventually } from '../test/support/eventually.ts'
import { makePhoto, makeVideo } from '../test/support/media.ts'

const VIDEO_BYTES = 220 * 1024 * 1024
const began = performance.now()
const root = mkdtempSync(join(tmpdir(), 'malote-demo-'))
const names = ['São Paulo', 'Rio', 'Recife', 'Curitiba', 'Salvador', 'Manaus']
const branches = names.map((name, at) => new Branch(name, join(root, `branch-${at + 1}`)))
const [saoPaulo, rio, recife, curitiba, salvador, manaus] = branches as [Branch, Branch, Branch, Branch, Branch, Branch]
const media = join(root, 'media')

keepCompiled()

function chapter(title: string): void {
  console.log(`\n\u2500\u2500 ${title}  (${((performance.now() - began) / 1000).toFixed(1)} s)`)
}

function tell(text: string): void {
  console.log(`   ${text}`)
}

function check(claim: string, holds: boolean): void {
  if (!holds) throw new Error(`this does not hold: ${claim}`)
  console.log(`   \u2713 ${claim}`)
}

const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`

async function main(): Promise<void> {
  chapter('Six branches found a network')
  tell('six branches start, found a network and register; this takes some seconds')
  await foundNetwork(branches, 'Agência Horizonte')
  const nodes = await eventually('everybody sees everybody', async () => {
    const views: Json[][] = await Promise.all(branches.map((branch) => branch.json('nodes').then(itemsOf)))
    return views.every((view) => view.length === 6 && view.every((node) => node.connected)) && views[0]
  })
  for (const node of nodes)
    tell(
      `${node.branch.padEnd(10)} ${node.connected ? 'online ' : 'offline'} ${node.role.padEnd(6)} …${node.id.slice(-8)}`,
    )
  check('each of the six sees the other five online', nodes.length === 6)

  chapter('São Paulo shares photos and a film')
  tell(`${mebibytes(VIDEO_BYTES)} are being made, sealed and copied to two more branches`)
  mkdirSync(media)
  const photo = join(media, 'praia.png')
  const layout = join(media, 'campanha-verao-secreta.png')
  const film = join(media, 'comercial.y4m')
  const poster = join(media, 'cartaz.png')
  await Promise.all([makePhoto(photo, 1), makePhoto(layout, 2), makePhoto(poster, 3), makeVideo(film, VIDEO_BYTES)])
  const filmHash = await sha256File(film)
  const photoId = await upload(saoPaulo, photo, '--campaign', 'Verão', '--wait', 'replicated')
  const filmId = await upload(saoPaulo, film, '--campaign', 'Verão', '--wait', 'replicated')
  const shown = await saoPaulo.json('show', filmId)
  tell(`${shown.name}: ${mebibytes(shown.size)}, ${shown.copies.held} copies of ${shown.copies.target}`)
  check(
    'the film is held by one third of the branches and one more',
    shown.copies.held >= 3 && shown.copies.target === 3,
  )
  const holders: string[] = []
  for (const branch of branches) {
    const view = await eventually(`${branch.name} lists the film`, () => branch.json('show', filmId))
    if (view.local === 'complete') holders.push(branch.name)
    tell(`${branch.name.padEnd(10)} has ${view.local === 'complete' ? 'all of it, sealed' : 'no copy'}`)
  }
  check('what the branches have is what the owner counts', holders.length === shown.copies.held)

  chapter('A branch without a copy fetches the film from several at once')
  const reader = branches.find((branch) => !holders.includes(branch.name)) as Branch
  const fetched = join(root, 'fetched.y4m')
  const started = performance.now()
  await reader.json('fetch', filmId, '-o', fetched)
  tell(`${reader.name} fetched it in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  const transfer = (await reader.json('transfers').then(itemsOf)).find(
    (each: Json) => each.fileId === filmId && each.kind === 'fetch',
  )
  for (const source of transfer.sources) tell(`${mebibytes(source.bytes).padStart(10)} from ${source.branch}`)
  check('several sources delivered', transfer.sources.filter((source: Json) => source.bytes > 0).length >= 2)
  check('the fetched film is byte-equal', (await sha256File(fetched)) === filmHash)

  chapter('A layout that Curitiba must not see')
  const layoutId = await upload(saoPaulo, layout, '--deny', 'Curitiba', '--wait', 'replicated')
  await eventually('Rio lists the layout', () => rio.json('show', layoutId))
  await eventually('Curitiba has the entry', () => sameLedger(saoPaulo, curitiba))
  check(
    'Curitiba does not list it',
    !(await curitiba.json('ls').then(itemsOf)).some((file: Json) => file.id === layoutId),
  )
  check(
    'asked for it by id, Curitiba knows of no such file',
    (await curitiba.fetch(`/files/${layoutId}`)).status === 404,
  )
  check(
    '`malote fetch` there ends with exit code 4',
    (await curitiba.run('fetch', layoutId, '-o', join(root, 'x'))).code === 4,
  )
  const secretName = Buffer.from('campanha-verao-secreta')
  const secretPixels = readFileSync(layout).subarray(200_000, 200_064)
  check("the name is nowhere in Curitiba's data folder", !folderContains(curitiba.data, secretName))
  check('it is in the data folder of Rio, which may read it', folderContains(rio.data, secretName))
  check(
    "no plain byte of it lies in anyone's data folder",
    branches.every((branch) => !folderContains(branch.data, secretPixels)),
  )
  check('the search finds such bytes where they are', folderContains(media, secretPixels))

  chapter('Curitiba loses sight of a photo that it had')
  check(
    'Curitiba lists the photo',
    (await curitiba.json('ls').then(itemsOf)).some((file: Json) => file.id === photoId),
  )
  await saoPaulo.json('blacklist', 'add', photoId, 'Curitiba')
  await eventually('the photo is hidden', async () => (await curitiba.fetch(`/files/${photoId}`)).status === 404)
  check(
    'after the denial it does not',
    !(await curitiba.json('ls').then(itemsOf)).some((file: Json) => file.id === photoId),
  )
  check(
    'Salvador still does',
    (await salvador.json('ls').then(itemsOf)).some((file: Json) => file.id === photoId),
  )

  chapter('A new version of the photo')
  await saoPaulo.json('update', photoId, poster)
  await eventually('Rio sees version 2', async () => (await rio.json('show', photoId)).version === 2)
  const updated = join(root, 'updated.png')
  await rio.json('fetch', photoId, '-o', updated)
  check('Rio gets the new bytes', (await sha256File(updated)) === (await sha256File(poster)))
  const notOwner = await rio.run('update', photoId, photo)
  check('Rio may not change it: exit code 5', notOwner.code === 5)
  tell(notOwner.stderr.trim())

  chapter('The power fails in São Paulo')
  await saoPaulo.end('SIGKILL')
  const second = branches.find(
    (branch) => branch !== saoPaulo && branch !== reader && !holders.includes(branch.name),
  ) as Branch
  const rescued = join(root, 'rescued.y4m')
  await second.json('fetch', filmId, '-o', rescued)
  check(`${second.name} fetches the film all the same, byte-equal`, (await sha256File(rescued)) === filmHash)
  await eventually(
    'São Paulo is marked offline',
    async () => {
      const view: Json[] = await rio.json('nodes').then(itemsOf)
      return view.some((node) => node.branch === 'São Paulo' && !node.connected)
    },
    45_000,
  )
  check('the others see São Paulo offline', true)
  await saoPaulo.up()
  await eventually('São Paulo is back', () => sameLedger(saoPaulo, rio))
  check('it starts again on the same data folder, with the same ledger', true)

  chapter('São Paulo hands the film to Rio, and deletes the layout')
  await saoPaulo.json('handoff', filmId, '--to', 'Rio', '--no-wait')
  await eventually('Rio owns the film', async () => (await salvador.json('show', filmId)).owner.branch === 'Rio')
  check('everybody sees Rio as its owner', true)
  await saoPaulo.json('rm', layoutId)
  await eventually(
    'the layout is gone',
    async () =>
      (await rio.fetch(`/files/${layoutId}`)).status === 404 || (await rio.json('show', layoutId)).state === 'deleted',
  )
  check(
    'the layout is gone from the lists',
    !(await rio.json('ls').then(itemsOf)).some((file: Json) => file.id === layoutId),
  )

  chapter('Manaus leaves for good, and a lot is drawn for its file')
  const posterId = await upload(manaus, poster, '--wait', 'replicated')
  const left = await manaus.run('unregister')
  if (left.code !== 0) throw new Error(`unregister: ${left.stderr}`)
  const heir = await eventually('the poster has a new owner', async () => {
    const { owner } = await salvador.json('show', posterId)
    return owner.branch !== 'Manaus' && owner
  })
  tell(`the draw gave ${heir.branch} the poster`)
  check(
    'Manaus has left',
    (await rio.json('nodes').then(itemsOf)).some((node: Json) => node.branch === 'Manaus' && node.state === 'left'),
  )

  chapter('Five identical databases')
  const remaining = [saoPaulo, rio, recife, curitiba, salvador]
  const digests = await eventually('five equal digests', async () => {
    const all: Json[] = await Promise.all(remaining.map((branch) => branch.json('ledger', 'digest')))
    return (
      new Set(all.map((digest) => digest.state)).size === 1 &&
      new Set(all.map((digest) => digest.entries)).size === 1 &&
      all
    )
  })
  remaining.forEach((branch, at) => {
    tell(`${branch.name.padEnd(10)} ${digests[at].entries} entries, state ${digests[at].state.slice(0, 24)}…`)
  })
  check('all five states are equal', true)
}

function itemsOf(answer: Json): Json[] {
  return Array.isArray(answer) ? answer : (answer.items ?? answer.nodes ?? answer.transfers ?? [])
}

async function upload(branch: Branch, path: string, ...flags: string[]): Promise<string> {
  return (await branch.json('upload', path, ...flags)).id
}

async function sameLedger(one: Branch, two: Branch): Promise<boolean> {
  const [a, b] = await Promise.all([one.json('ledger', 'digest'), two.json('ledger', 'digest')])
  return a.entries === b.entries && a.state === b.state
}

/** Reads every file below a folder, as somebody would who has the machine. */
function folderContains(folder: string, needle: Buffer): boolean {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || statSync(path).size > 64 * 1024 * 1024) continue
    if (readFileSync(path).includes(needle)) return true
  }
  return false
}

try {
  await main()
  console.log(`\nAll of it holds. ${((performance.now() - began) / 1000).toFixed(1)} s.`)
} catch (error) {
  console.error(`\n\u2717 ${error instanceof Error ? error.message : error}`)
  for (const branch of branches)
    if (branch.log !== '') console.error(`\n--- ${branch.name}\n${branch.log.slice(-3000)}`)
  process.exitCode = 1
} finally {
  await Promise.all(branches.map((branch) => branch.end()))
  rmSync(root, { recursive: true, force: true })
}
