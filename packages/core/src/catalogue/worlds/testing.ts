/**
 * Whole ledgers for the properties: members who partly know of each other, honest and not, write what a script of small
 * numbers says. Everything follows from the script, so that a failure can be shrunk and played again; keys, signatures
 * and proofs are real.
 */
import fc from 'fast-check'
import type { CborValue } from '../../codec/index.ts'
import { type SigningKey, sign, signingKeyFromSeed } from '../../crypto/index.ts'
import { type AudienceId, EVERYONE, idBytes, toHex } from '../../ids.ts'
import { makeEntry } from '../../ledger/entry.ts'
import type { Entry, SignedBytes } from '../../ledger/index.ts'
import type { OwnershipAct } from '../../membership/index.ts'
import { type Actor, audienceBody, type FileHandle, type Invitation, World } from '../testing.ts'
import type { SharedFile } from '../types.ts'

/** Who does what to which file or member, how long after, and whether the other learns of it. */
export interface Step {
  readonly actor: number
  readonly action: Action
  readonly file: number
  readonly other: number
  readonly pause: number
  readonly sync: boolean
}

interface Scene {
  readonly world: World
  readonly actor: Actor
  readonly other: Actor
  readonly file: FileHandle
  readonly files: FileHandle[]
  readonly invitations: Invitation[]
  readonly audiences: { audience: AudienceId; key: Uint8Array; proof: SigningKey }[]
  /** the file as the actor knows it */
  shown(): SharedFile | null
  /** the newest offer or assignment of the file that the actor knows of */
  offered(): Entry | undefined
  /** the entry that began the draw of the file's owner, as far as the actor knows */
  seed(): Entry | undefined
  /** the newest entry of a kind that the actor knows of */
  newest(kind: string): Entry | undefined
}

/** Members of one history: more make it slower, not richer. */
const MAX_ACTORS = 8
const MAX_FILES = 6
const DAY_MS = 24 * 3_600_000

/** Each leaves what it cannot do undone, or writes it all the same: hostile members do. */
const actions = {
  upload({ actor, files }) {
    if (files.length < MAX_FILES) files.push(actor.upload())
  },
  update: ({ actor, file }) => void actor.update(file),
  updateInNewEpoch: ({ actor, file }) => void actor.update(file, { opens: true }),
  /** By whoever believes to own the file. */
  updateAsOwner({ world, actor, file }) {
    const owners = world.actors.filter((each) => each.view(file.file).file?.owner === each.branch)
    const owner = owners[world.actors.indexOf(actor) % Math.max(1, owners.length)]
    owner?.update(file)
  },
  updateOnOld({ actor, file }) {
    const upload = actor.known.bySubject(idBytes(file.file)).find(({ kind }) => kind === 'upload')
    if (upload !== undefined) actor.update(file, { builds: upload })
  },
  share: ({ actor, file }) => void actor.share(file),
  describe({ world, actor, file, shown }) {
    const epoch = shown()?.epoch ?? 1
    actor.write('describe', { file: idBytes(file.file), builds: actor.head(file.file), epoch, meta: world.unique(32) })
  },
  reseal({ world, actor, file, shown }) {
    const content = { root: world.unique(32), size: 20, chunk: 1 << 20 }
    const { version, epoch } = shown() ?? { version: 1, epoch: 1 }
    actor.write('reseal', { file: idBytes(file.file), builds: actor.head(file.file), version, epoch, content })
  },
  trash: ({ actor, file }) => void actor.change('trash', file),
  restore({ actor, file, shown }) {
    const isLive = shown()?.state === 'live'
    actor.change('restore', file, isLive ? { version: 1 } : {})
  },
  purge: ({ actor, file }) => void actor.change('purge', file),
  offer: ({ actor, file, other }) => void actor.offer(file, other),
  accept({ actor, file, offered }) {
    const offer = offered()
    if (offer !== undefined) actor.accept(file, offer)
  },
  /** The one to whom it was offered hears of it and accepts. */
  answer({ world, actor, file, offered }) {
    const offer = offered()
    const { to } = (offer?.body ?? {}) as { to?: Uint8Array }
    const receiver = world.actors.find(({ branch }) => to !== undefined && branch === toHex(to))
    if (offer === undefined || receiver === undefined) return
    receiver.sync(actor)
    receiver.accept(file, offer)
  },
  /** An offer that nobody answers is settled by the founder after a week; who owned the file may not hear of it. */
  settle({ world, actor, file, other }) {
    const owner = world.actors.find((each) => each.view(file.file).file?.owner === each.branch)
    if (owner === undefined) return
    owner.offer(file, actor)
    world.founder.sync(owner)
    world.tick(8 * DAY_MS)
    const assignment = world.founder.assign(file, other)
    other.sync(world.founder)
    world.tick()
    other.accept(file, assignment)
    world.tick()
  },
  acceptDraw({ actor, file, seed }) {
    const drawn = seed()
    if (drawn !== undefined) actor.accept(file, drawn)
  },
  cancel({ actor, file, offered }) {
    const offer = offered()
    if (offer !== undefined) actor.close('cancel', file, offer)
  },
  decline({ actor, file, offered }) {
    const offer = offered()
    if (offer !== undefined) actor.close('decline', file, offer)
  },
  adopt: ({ actor, file }) => void actor.adopt(file),
  assign: ({ actor, file, other }) => void actor.assign(file, other),
  leave: ({ actor }) => void actor.leave(),
  left({ actor, files }) {
    const leave = [...actor.known.control()].findLast((each) => each.kind === 'leave' && each.author === actor.node)
    if (leave !== undefined) actor.left(leave, files.slice(0, 2))
  },
  capacity: ({ actor, pause }: Scene & { pause: number }) => void actor.write('capacity', { weight: pause * 16 }),
  audience({ world, actor, audiences, other, pause }: Scene & { pause: number }) {
    const previous = audiences[pause]
    const proof = signingKeyFromSeed(world.unique(32))
    const audience = previous?.audience ?? (pause === 0 ? EVERYONE : (toHex(world.unique(16)) as AudienceId))
    const key = world.unique(16)
    const made = { ...audienceBody(audience, key, proof), grants: world.unique(32) }
    const list = audience === EVERYONE ? {} : { list: world.unique(32) }
    // now and then signed by a key that is not the one it renews
    const signer = previous === undefined || actor === other ? proof : previous.proof
    const signature = sign(signer, 'audience-renewal', world.network, idBytes(audience), key)
    const renews: Record<string, CborValue> = previous === undefined ? {} : { renews: { key: previous.key, signature } }
    actor.write('audience', { ...made, ...list, ...renews })
    audiences[pause] = { audience, key, proof }
  },
  admit({ world, actor, other }) {
    if (world.actors.length < MAX_ACTORS) world.admit({ by: actor, role: other === actor ? 'admin' : 'member' })
  },
  replace({ world, actor, other }) {
    if (world.actors.length < MAX_ACTORS && actor !== other) world.admit({ by: actor, replaces: other })
  },
  invite({ world, actor, other, invitations }) {
    invitations.push(world.invite(actor, actor === other ? { role: 'admin' } : { replaces: other }))
  },
  /** With an invite that may be used, revoked, or unknown to who admits. */
  useInvite({ world, actor, pause, invitations }: Scene & { pause: number }) {
    const invitation = invitations[pause % Math.max(1, invitations.length)]
    if (invitation !== undefined && world.actors.length < MAX_ACTORS) world.admitWith(actor, invitation)
  },
  revoke({ actor, newest }) {
    const invite = newest('invite')
    if (invite !== undefined) actor.write('revoke', { invite: idBytes(invite.id) })
  },
  appoint: ({ actor, other }) => void actor.write('role', { node: other.key.publicKey, role: 'admin' }),
  demote: ({ actor, other }) => void actor.write('role', { node: other.key.publicKey, role: 'member' }),
  recover: ({ actor }) => void actor.write('role', { node: actor.key.publicKey, role: 'admin' }, { cosigned: true }),
  quarantine: ({ actor, other }) => void actor.write('quarantine', { node: other.key.publicKey }),
  release: ({ actor, other }) => void actor.write('release', { node: other.key.publicKey }),
  expel: ({ actor, other }) => void actor.write('expel', { node: other.key.publicKey, cuts: other.cuts() }),
  expelByRecovery: ({ actor, other }) =>
    void actor.write('expel', { node: other.key.publicKey, cuts: other.cuts() }, { cosigned: true }),
  /** A copy of the machine writes on in the same feed. */
  clone({ world, actor }) {
    if (world.actors.length < MAX_ACTORS) world.copyOf(actor)
  },
  /** A new feed that knows nothing of the times seen: what is written next is dated as early as the author likes. */
  openFeed: ({ actor }) => actor.openFeed(),
  backdate({ world, actor, file }) {
    actor.openFeed()
    actor.update(file, { ms: world.now - 30 * DAY_MS })
  },
  /** A control entry that claims to know nothing but the founding. */
  claimIgnorance({ world, actor, other }) {
    const seen = [world.network as unknown as Entry['id']]
    actor.write('quarantine', { node: other.key.publicKey }, { seen })
  },
  /** Waits for ever, with the later control entries of its feed. */
  nameNothing({ world, actor }) {
    actor.write('leave', {}, { seen: [toHex(world.unique(32)) as Entry['id']] })
    actor.openFeed()
  },
  malformed: ({ actor, file }) => void actor.write('trash', { file: idBytes(file.file) }),
  malformedAct: ({ actor }) => void actor.write('offer', { to: 1 }),
  unknownKind: ({ actor, file }) => void actor.write('gossip', { file: idBytes(file.file) }),
  /** Another's file id with a salt of one's own. */
  steal({ world, actor, file }) {
    const opens = { epoch: 1, audience: world.unique(16), key: world.unique(16), wrap: world.unique(60) }
    actor.write('upload', {
      file: idBytes(file.file),
      salt: world.unique(16),
      content: { root: world.unique(32), size: 1, chunk: 1 << 20 },
      opens: { ...opens, proof: world.unique(32) },
      meta: world.unique(32),
    })
  },
  /** A stranger, never admitted, who has got hold of the network's id. */
  stranger({ world, file, actor }) {
    const key = signingKeyFromSeed(world.unique(32))
    const draft = { network: world.network, incarnation: world.unique(16), seq: 0, prev: null, counter: 0, seen: [] }
    const body = { file: idBytes(file.file), builds: actor.head(file.file) }
    world.entries.push(makeEntry({ ...draft, ms: world.now, kind: 'purge', body }, key))
  },
  meet: ({ world }) => world.meet(),
} satisfies Record<string, (scene: Scene & { pause: number }) => void>

export type Action = keyof typeof actions

export const EVERYTHING = Object.keys(actions) as Action[]
/** What reaches furthest back: who owns what while branches come, go and give away. */
export const DEPARTURES: readonly Action[] = [
  'update',
  'offer',
  'accept',
  'accept',
  'acceptDraw',
  'acceptDraw',
  'cancel',
  'adopt',
  'assign',
  'leave',
  'leave',
  'left',
  'left',
  'expel',
  'replace',
]
/** Giving and taking among owners who are there, admins helping along. */
export const HANDOVERS: readonly Action[] = [
  'offer',
  'offer',
  'settle',
  'settle',
  'answer',
  'answer',
  'accept',
  'updateAsOwner',
  'updateAsOwner',
  'updateAsOwner',
  'share',
  'cancel',
]
/** Who may decide, among many who think that they may. */
export const AUTHORITY: readonly Action[] = [
  'admit',
  'replace',
  'invite',
  'useInvite',
  'useInvite',
  'revoke',
  'appoint',
  'appoint',
  'demote',
  'recover',
  'quarantine',
  'release',
  'expel',
  'expel',
  'claimIgnorance',
  'update',
  'offer',
]

export function scripts(
  of: readonly Action[],
  { minLength = 10, maxLength = 40 }: { minLength?: number; maxLength?: number } = {},
): fc.Arbitrary<readonly Step[]> {
  return fc.array(
    fc.record<Step>({
      actor: fc.nat(5),
      action: fc.constantFrom(...of),
      file: fc.nat(5),
      other: fc.nat(5),
      pause: fc.nat(3),
      sync: fc.boolean(),
    }),
    { minLength, maxLength },
  )
}

const PAUSES = [0, 1000, 60_000, 8 * DAY_MS]

/** The same script and seed make the same entries. */
export function play(script: readonly Step[], seed = 'history'): { world: World; files: readonly FileHandle[] } {
  const world = new World(seed)
  for (let i = 0; i < 3; i++) world.admit({ role: i === 0 ? 'admin' : 'member' })
  world.meet()
  const files = world.actors.slice(1).map((actor): FileHandle => actor.upload())
  world.meet()
  const audiences: Scene['audiences'] = []
  const invitations: Invitation[] = []
  for (const step of script) {
    world.tick(PAUSES[step.pause] ?? 0)
    const [actor, other] = [pick(world.actors, step.actor), pick(world.actors, step.other)]
    const file = pick(files, step.file)
    actions[step.action]({ ...scene(world, actor, file), pause: step.pause, other, files, audiences, invitations })
    if (step.sync) other.sync(actor)
  }
  return { world, files }
}

function scene(
  world: World,
  actor: Actor,
  file: FileHandle,
): Omit<Scene, 'other' | 'files' | 'audiences' | 'invitations'> {
  const shown = () => actor.view(file.file).file
  return {
    world,
    actor,
    file,
    shown,
    offered() {
      const acts: OwnershipAct[] = [...(actor.membership().acts.get(file.file) ?? [])]
      const offer = acts.findLast(({ kind }) => kind === 'offer' || kind === 'assign')
      return offer === undefined ? undefined : actor.known.get(offer.entry)
    },
    seed() {
      const owner = shown()?.owner
      const departure = owner === undefined ? undefined : actor.membership().departures.get(owner)
      return departure === undefined ? undefined : actor.known.get(departure.seed)
    },
    newest: (kind) => [...actor.known.control()].findLast((each) => each.kind === kind),
  }
}

function pick<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length]
  if (found === undefined) throw new RangeError('nothing to choose from')
  return found
}

/** An order of arrival, with some entries twice, cut into batches. */
export interface Arrival {
  readonly keys: readonly number[]
  readonly again: number
  readonly sizes: readonly number[]
}

export const arrivals: fc.Arbitrary<Arrival> = fc.record({
  keys: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  again: fc.nat(8),
  sizes: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
})

/** A permutation that is no neighbour of the order of writing, whatever the keys shrink to. */
export function arranged<T>(items: readonly T[], { keys, again }: Arrival): T[] {
  return [...items, ...items.slice(0, again)]
    .map((item, at) => ({ item, key: Math.imul((keys[at % keys.length] ?? 0) ^ (at + 1), 2_654_435_761) >>> 0, at }))
    .sort((a, b) => a.key - b.key || a.at - b.at)
    .map(({ item }) => item)
}

export function* batches<T>(items: readonly T[], { sizes }: Pick<Arrival, 'sizes'>): Generator<T[]> {
  for (let at = 0, turn = 0; at < items.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield items.slice(at, at + size)
    at += size
  }
}

/** What somebody on the way may do to an entry. The entry's own bytes bear its id, so that only these parts can be changed. */
const tampering = {
  none: (entry) => [entry],
  /** only a later entry of the feed vouches for it */
  unsigned: (entry) => [{ ...entry, sig: null }],
  wrong: (entry) => [{ ...entry, sig: flipped(entry.sig) }],
  wrongFirst: (entry) => [{ ...entry, sig: flipped(entry.sig) }, entry],
  wrongLast: (entry) => [entry, { ...entry, sig: flipped(entry.sig) }],
  unsignedFirst: (entry) => [{ ...entry, sig: null }, entry],
  stripped: (entry) => [{ ...entry, cosig: null }, entry],
  cosignedByOther: (entry) => [{ ...entry, cosig: flipped(entry.sig) }, entry],
  cut: (entry) => [{ ...entry, bytes: entry.bytes.subarray(0, -1) }, entry],
  otherBody: (entry) => [{ ...entry, bytes: flippedLast(entry.bytes) }, entry],
} satisfies Record<string, (entry: SignedBytes) => SignedBytes[]>

export const tamperings = fc.array(fc.constantFrom(...(Object.keys(tampering) as (keyof typeof tampering)[])), {
  minLength: 4,
  maxLength: 24,
})

function flipped(signature: Uint8Array | null): Uint8Array {
  const copy = new Uint8Array(signature ?? new Uint8Array(64))
  copy[20] = (copy[20] ?? 0) ^ 1
  return copy
}

function flippedLast(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}

/** Each entry as one of the changes leaves it, in turn. */
export function tampered(entries: readonly Entry[], changes: readonly (keyof typeof tampering)[]): SignedBytes[] {
  return entries.flatMap(({ bytes, sig, cosig }, at) =>
    tampering[changes[at % changes.length] ?? 'none']({ bytes, sig, cosig }),
  )
}
