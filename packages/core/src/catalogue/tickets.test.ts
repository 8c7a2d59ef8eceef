import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FileId, Root } from '../ids.ts'
import { audienceList, EVERYONE_LIST } from './audience-list.ts'
import { createWorld, type TestNode, until, type World } from './support/testing.ts'
import type { SharedEpoch } from './types.ts'

let world: World
/** owner, reader, never a reader, reader at first */
let ana: TestNode
let bia: TestNode
let caio: TestNode
let dora: TestNode

beforeEach(async () => {
  world = createWorld()
  ana = await world.add('ana')
  bia = await world.add('bia')
  caio = await world.add('caio')
  dora = await world.add('dora')
  await ana.sharing.audiences.ensureEveryone()
})
afterEach(() => world.close())

const except = (...nodes: TestNode[]) =>
  audienceList(
    'except',
    nodes.map((node) => node.branch),
    ana.branch,
  )
const rootOf = (file: FileId) => world.versions(file)[0]?.root as Root
const present = (file: FileId) => world.epochs(file).at(-1) as SharedEpoch

/** Shared with all but caio, then with all but caio and dora. */
async function closedEpoch(): Promise<FileId> {
  const file = await world.upload(ana, 'plano', except(caio))
  await until(dora, () => dora.sharing.views.get(file) !== null)
  await ana.sharing.author.share(file, except(caio, dora))
  await until(bia, () => bia.sharing.views.get(file)?.epoch === 2)
  return file
}

test('who never had a key gets a ticket of any reader, and nobody else can use it', async () => {
  const file = await closedEpoch()
  world.setOnline(ana, false)
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(true)
  const ticket = caio.sharing.tickets.get(rootOf(file)) as Uint8Array
  // checked by one that has no key
  const { isGood } = dora.sharing.tickets
  expect(isGood(ticket, rootOf(file), caio.id, present(file))).toBe(true)
  expect(isGood(ticket, rootOf(file), dora.id, present(file))).toBe(false)
  expect(isGood(ticket, '00'.repeat(32) as Root, caio.id, present(file))).toBe(false)
})

test('a denied former reader gets none, from nobody', async () => {
  const file = await closedEpoch()
  // for keys each denied branch has asked each reader, in vain: caio for two, dora for the second
  await vi.waitFor(() => expect(ana.requests + bia.requests).toBe(6), { timeout: 10_000 })
  const before = ana.requests + bia.requests
  expect(await dora.sharing.tickets.acquire(rootOf(file))).toBe(false)
  expect(ana.requests + bia.requests).toBe(before + 2)
  // and is not heard again at once
  expect(await dora.sharing.tickets.acquire(rootOf(file))).toBe(false)
  expect(ana.requests + bia.requests).toBe(before + 2)
})

test('a file that everybody could read has no keyless members', async () => {
  const file = await world.upload(ana, 'aberto', EVERYONE_LIST)
  await until(bia, () => bia.sharing.views.get(file) !== null)
  world.setOnline(caio, false)
  await ana.sharing.author.share(file, except(caio))
  await until(bia, () => bia.sharing.views.get(file)?.epoch === 2)
  world.setOnline(caio, true)
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(false)
})

test('a ticket ends with the next change of the audience', async () => {
  const file = await closedEpoch()
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(true)
  const ticket = caio.sharing.tickets.get(rootOf(file)) as Uint8Array
  await ana.sharing.author.share(file, except(caio, dora, bia))
  expect(caio.sharing.tickets.get(rootOf(file))).toBeNull()
  expect(ana.sharing.tickets.isGood(ticket, rootOf(file), caio.id, present(file))).toBe(false)
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(true)
})

test('a false ticket is noticed, and another reader asked', async () => {
  const file = await closedEpoch()
  ana.tamper = (frame) => {
    const changed = Uint8Array.from(frame)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    return changed
  }
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(true)
  // the owner's machine is asked first
  expect(caio.falsehoods).toEqual([`ticket of ${ana.id}`])
})

test('who comes later is asked at once, whoever was asked in vain before', async () => {
  const file = await closedEpoch()
  for (const away of [ana, bia]) world.setOnline(away, false)
  // a denied one has nothing to give
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(false)
  expect(dora.requests).toBeGreaterThan(0)
  const asked = dora.requests
  world.setOnline(bia, true)
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(true)
  expect(dora.requests).toBe(asked)
})

test('versions of the present epoch need none; quarantined members get none', async () => {
  const file = await world.upload(ana, 'plano', except(caio))
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(false)
  await ana.sharing.author.share(file, except(caio, dora))
  world.setState(caio, 'quarantined')
  expect(await caio.sharing.tickets.acquire(rootOf(file))).toBe(false)
})
