/**
 * Members of which there is only the key: they write what a situation needs, whoever else is hostile in a run. No machine
 * belongs to them; everybody gets what they write at once.
 */
import { deriveEpochKeys, type EpochKeys, proveKey, type SigningKey } from '../../packages/core/src/crypto/index.ts'
import {
  type BranchId,
  type EntryId,
  type FileId,
  feedIncarnation,
  idBytes,
  type NodeId,
} from '../../packages/core/src/ids.ts'
import { type Entry, frontier, SEEN_MAX, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor, formatRecoveryKey, type Role } from '../../packages/core/src/membership/index.ts'
import { EvilFeed } from './evil-feed.ts'
import { admit, invite } from './honest.ts'
import { uploadBody } from './hostile-files.ts'
import { handOf } from './pen.ts'
import { SimNode } from './sim-node.ts'
import { crewOf, gather, hand, tryTo } from './stage.ts'
import type { World } from './world.ts'

const SPREAD_MS = 700

/** A file as its owner knows it. */
export interface SignedFile {
  readonly file: FileId
  readonly upload: Entry
  readonly keys: EpochKeys
  /** as acts of ownership name it */
  readonly ref: { readonly file: Uint8Array; readonly author: Uint8Array; readonly salt: Uint8Array }
}

export class Signer {
  readonly key: SigningKey
  readonly id: NodeId
  readonly branch: BranchId
  readonly admit: EntryId
  readonly #world: World
  readonly #by: SimNode

  constructor(world: World, by: SimNode, newcomer: SimNode, member: { branch: BranchId; admit: EntryId }) {
    this.#world = world
    this.#by = by
    this.key = newcomer.key
    this.id = newcomer.id
    this.branch = member.branch
    this.admit = member.admit
  }

  newFeed(): EvilFeed {
    return feedOf(this.#world, this.#by, this.key)
  }

  /** A feed of its own that goes on after this entry, once more if it has gone on before. */
  feedAfter({ feed: id, seq, id: prev, ms }: Entry): EvilFeed {
    const feed = feedOf(this.#world, this.#by, this.key, feedIncarnation(id))
    Object.assign(feed, { seq: seq + 1, prev, ms })
    return feed
  }

  /** Everybody's, in that feed. @param ms when it says that it was written */
  upload(feed: EvilFeed, ms?: number): SignedFile {
    const { networkId, vault, random } = this.#world
    const salt = random.bytes(16)
    const file = fileIdFor(networkId, this.key.publicKey, salt)
    const keys = deriveEpochKeys(networkId, file, 1, random.bytes(32))
    vault.putEpoch(keys, { mode: 'everyone', branches: [] })
    const body = uploadBody(random, file, salt, keys.proof.publicKey)
    const upload = feed.write('upload', body, ms === undefined ? {} : { ms })
    return { file, upload, keys, ref: { file: idBytes(file), author: this.key.publicKey, salt } }
  }

  /** What an acceptance of that offer says. */
  acceptance(of: EntryId, { keys, ref }: SignedFile) {
    return { of: idBytes(of), files: [{ ...ref, proof: proveKey(keys, idBytes(of), idBytes(this.branch)) }] }
  }
}

/** A new feed by whoever has this key. */
export function feedOf(world: World, by: SimNode, key: SigningKey, incarnation?: Uint8Array): EvilFeed {
  return new EvilFeed(handOf(by, key), world.networkId, incarnation)
}

/** The next version of a file, as its owner writes it. */
export function updateBody({ random }: World, { file }: SignedFile, builds: EntryId) {
  const content = { root: random.bytes(32), size: 5, chunk: 1 << 20 }
  return { file: idBytes(file), builds: idBytes(builds), epoch: 1, content, meta: random.bytes(32) }
}

/** Everybody is there, and somebody honest is an admin; by the recovery key if need be. @returns null when nobody can be */
export async function adminAmong(world: World): Promise<SimNode | null> {
  const isAdmin = (node: SimNode) => node.up.members.isAdmin(node.id)
  const found = (await gather(world)).find(isAdmin)
  if (found !== undefined) return found
  const { founder } = world
  await tryTo(world, founder, () => founder.up.commands.recover(formatRecoveryKey(world.recovery.seed)))
  await gather(world)
  return crewOf(world).find(isAdmin) ?? null
}

/** A new member without a machine. @returns null where nobody could let it in */
export async function enrol(world: World, by: SimNode, role: Role): Promise<Signer | null> {
  const newcomer = new SimNode(world, 'signer', world.newKey())
  await tryTo(world, by, async () => admit(world, by, await invite(world, by, role), newcomer))
  await world.timeline.pass(SPREAD_MS)
  const member = by.up.members.get(newcomer.id)
  return member === undefined ? null : new Signer(world, by, newcomer, member)
}

/** What a node has seen, as a new control entry names it. */
export function seenBy(node: SimNode): EntryId[] {
  return frontier(node.up.ledger.control()).slice(0, SEEN_MAX)
}

/** Everybody gets these at once. */
export function tellAll(world: World, by: SimNode, entries: readonly (Entry | SignedBytes)[]): void {
  const names = entries.map((entry) => ('kind' in entry ? `${entry.kind} ${entry.id.slice(0, 8)}` : 'something'))
  world.trace(`everybody gets ${names.join(', ')}`)
  hand(by, entries, world.running())
}

/** An entry whose id sorts where it is wanted: who writes it may try as often as it likes. */
export function ground(
  feed: EvilFeed,
  kind: string,
  body: Parameters<EvilFeed['write']>[1],
  seen: readonly EntryId[],
  fits: (id: EntryId) => boolean,
): Entry {
  for (let ms = feed.ms + 1; ; ms++) {
    const entry = feed.write(kind, body, { seen, ms }, false)
    if (!fits(entry.id)) continue
    Object.assign(feed, { seq: feed.seq + 1, prev: entry.id, ms })
    return entry
  }
}
