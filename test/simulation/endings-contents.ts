/** Last situation of a run, about what a file may become, and who draws the files of who leaves. */
import { deriveEpochKeys } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, type FileId, idBytes } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import type { EvilFeed } from './evil-feed.ts'
import { uploadBody } from './hostile-files.ts'
import { adminAmong, enrol, type SignedFile, type Signer, seenBy, tellAll, updateBody } from './signer.ts'
import type { SimNode } from './sim-node.ts'
import { gather } from './stage.ts'
import type { World } from './world.ts'

const CHUNK = 1 << 16
const MAX_CHUNKS = 1 << 20
const DRAWN = 4

/** An owner writes contents of no form, a second beginning, epochs beside; heirs draw what has gone or is not for them. */
export async function clutter(world: World): Promise<void> {
  const admin = await adminAmong(world)
  const owner = admin === null ? null : await enrol(world, admin, 'member')
  const heir = admin === null ? null : await enrol(world, admin, 'member')
  const rival = admin === null ? null : await enrol(world, admin, 'member')
  const leaver = admin === null ? null : await enrol(world, admin, 'member')
  if (admin === null || owner === null || heir === null || rival === null || leaver === null) return
  begin(world, admin, owner)
  misshape(world, admin, owner)
  relabel(world, admin, owner)
  promise(world, admin, owner, heir)
  inherit(world, admin, leaver, [heir, rival])
  fuss(world, admin, owner)
  await gather(world)
}

/** The same file twice, and one whose first access epoch is its second. */
function begin(world: World, admin: SimNode, owner: Signer): void {
  const { random } = world
  const feed = owner.newFeed()
  const once = owner.upload(feed)
  const again = feed.write('upload', uploadBody(random, once.file, once.ref.salt, random.bytes(32)))
  const salt = random.bytes(16)
  const file: FileId = fileIdFor(world.networkId, owner.key.publicKey, salt)
  const late = feed.write('upload', {
    ...uploadBody(random, file, salt, random.bytes(32)),
    opens: openingOf(world, file, 2),
  })
  tellAll(world, admin, [once.upload, again, late])
}

function openingOf({ random, networkId, vault }: World, file: FileId, epoch: number) {
  const keys = deriveEpochKeys(networkId, file, epoch, random.bytes(32))
  vault.putEpoch(keys, { mode: 'everyone', branches: [] })
  return {
    epoch,
    audience: new Uint8Array(16),
    key: random.bytes(16),
    wrap: random.bytes(60),
    proof: keys.proof.publicKey,
  }
}

/** Versions that no store could keep, seals of what they are not, a version beside that opens an access epoch. */
function misshape(world: World, admin: SimNode, owner: Signer): void {
  const { random } = world
  const feed = owner.newFeed()
  const update = (file: SignedFile, size: number, chunk: number) => {
    const body = updateBody(world, file, file.upload.id)
    return feed.write('update', { ...body, content: { ...body.content, size, chunk } })
  }
  const [odd, huge, file] = [owner.upload(feed), owner.upload(feed), owner.upload(feed)]
  const bad = [update(odd, 5, CHUNK - 1), update(huge, CHUNK * MAX_CHUNKS + 1, CHUNK)]
  const next = feed.write('update', updateBody(world, file, file.upload.id))
  const seal = (version: number, size: number) =>
    feed.write('reseal', {
      file: file.ref.file,
      builds: idBytes(next.id),
      version,
      epoch: 1,
      content: { root: random.bytes(32), size, chunk: 1 << 20 },
    })
  const opens = openingOf(world, file.file, 1)
  const beside = feed.write('update', { ...updateBody(world, file, file.upload.id), opens })
  tellAll(world, admin, [odd.upload, huge.upload, file.upload, ...bad, next, seal(1, 5), seal(2, 6), beside])
}

/** Names: of a new access epoch, which the version of the old one does not get, and of an old one. */
function relabel(world: World, admin: SimNode, owner: Signer): void {
  const { random } = world
  const feed = owner.newFeed()
  for (const epoch of [2, 1]) {
    const file = owner.upload(feed)
    const on = (builds: EntryId) => ({ file: file.ref.file, builds: idBytes(builds), meta: random.bytes(32) })
    const shared = feed.write('share', { ...on(file.upload.id), opens: openingOf(world, file.file, 2) })
    tellAll(world, admin, [file.upload, shared, feed.write('describe', { ...on(shared.id), epoch })])
  }
}

/** A file that is gone is offered and taken; one is offered in the name of another first author. */
function promise(world: World, admin: SimNode, owner: Signer, heir: Signer): void {
  const feed = owner.newFeed()
  const [gone, other] = [owner.upload(feed), owner.upload(feed)]
  const purge = feed.write('purge', { file: gone.ref.file, builds: idBytes(gone.upload.id) })
  const to = idBytes(heir.branch)
  const seen = seenBy(admin)
  const offer = feed.write('offer', { ...gone.ref, to, builds: idBytes(purge.id) }, { seen })
  const accept = heir.newFeed().write('accept', heir.acceptance(offer.id, gone), { seen: [offer.id] })
  const foreign = { ...other.ref, author: heir.key.publicKey, to, builds: idBytes(other.upload.id) }
  tellAll(world, admin, [gone.upload, other.upload, purge, offer, accept, feed.write('offer', foreign, { seen })])
}

/**
 * Two draw some files at one moment, and each goes on with what it had of them; of others one draws what it has seen
 * drawn; one file is left behind, and drawn all the same.
 */
function inherit(world: World, admin: SimNode, leaver: Signer, [heir, rival]: readonly [Signer, Signer]): void {
  const feed = leaver.newFeed()
  const estate = Array.from({ length: 2 * DRAWN + 1 }, () => {
    const file = leaver.upload(feed)
    return { file, next: feed.write('update', updateBody(world, file, file.upload.id)) }
  })
  const leave = feed.write('leave', {}, { seen: seenBy(admin) })
  const entries: Entry[] = [...estate.flatMap(({ file, next }) => [file.upload, next]), leave]
  const [one, two] = [heir.newFeed(), rival.newFeed()]
  const take = (by: EvilFeed, who: Signer, file: SignedFile, seen: EntryId) =>
    by.write('accept', who.acceptance(leave.id, file), { seen: [seen] })
  for (const [at, { file }] of estate.slice(0, 2 * DRAWN).entries()) {
    const first = take(one, heir, file, leave.id)
    entries.push(first, take(two, rival, file, at < DRAWN ? leave.id : first.id))
    if (at < DRAWN) {
      for (const by of [one, two]) entries.push(by.write('update', updateBody(world, file, file.upload.id)))
    }
  }
  const last = estate.at(-1)
  if (last === undefined) return
  const orphans = [last.file.ref.file]
  const gone = { leave: idBytes(leave.id), accepted: [], orphans, force: true, cuts: [] }
  const left = feed.write('left', gone, { seen: [leave.id] })
  tellAll(world, admin, [...entries, left, take(one, heir, last.file, left.id)])
}

/** Out of the trash what never was in it, an offer to itself, an audience without a list. */
function fuss(world: World, admin: SimNode, owner: Signer): void {
  const { random } = world
  const feed = owner.newFeed()
  const [live, kept] = [owner.upload(feed), owner.upload(feed)]
  const back = feed.write('restore', { file: live.ref.file, builds: idBytes(live.upload.id) })
  const own = { ...kept.ref, to: idBytes(owner.branch), builds: idBytes(kept.upload.id) }
  const offer = feed.write('offer', own, { seen: seenBy(admin) })
  const key = () => ({ key: random.bytes(16), proof: random.bytes(32), grants: random.bytes(32) })
  const audience = feed.write('audience', { audience: random.bytes(16), ...key() })
  tellAll(world, admin, [live.upload, kept.upload, back, offer, audience])
}
