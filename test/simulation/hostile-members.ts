/** What hostile members do to get in, to get power, and to get others out. */
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import { generateSigningKey, type SigningKey, sign } from '../../packages/core/src/crypto/index.ts'
import {
  type EntryId,
  feedIncarnation,
  idBytes,
  type NodeId,
  publicKeyFromNodeId,
  toHex,
} from '../../packages/core/src/ids.ts'
import { frontier, SEEN_MAX } from '../../packages/core/src/ledger/index.ts'
import { EvilFeed } from './evil-feed.ts'
import { type Evil, handOf, type Pen } from './pen.ts'
import type { Ticket, World } from './world.ts'

export const fakeRecovery: Evil = (pen) => {
  const target = pen.random.chance(0.5) ? pen.node.key.publicKey : pen.member()?.key
  if (target === undefined) return
  pen.control('role', { node: target, role: 'admin' }, { cosignWith: generateSigningKey() })
}

export const seizePower: Evil = (pen) => {
  const target = pen.random.chance(0.5) ? pen.node.key.publicKey : pen.member()?.key
  if (target !== undefined) pen.control('role', { node: target, role: pen.random.chance(0.7) ? 'admin' : 'member' })
}

export const strike: Evil = (pen) => {
  const admins = pen.node.up.members.admins().filter(({ node }) => node !== pen.node.id)
  const target = pen.random.pick(admins) ?? pen.member()
  if (target === undefined) return
  const kind = pen.random.pick(['quarantine', 'expel', 'expel', 'role']) ?? 'expel'
  const bodies: Record<string, CborValue> = {
    quarantine: { node: target.key },
    expel: { node: target.key, cuts: pen.random.chance(0.5) ? [] : cutsOf(pen, target.node) },
    role: { node: target.key, role: 'member' },
  }
  pen.control(kind, bodies[kind] ?? {})
}

function cutsOf(pen: Pen, node: NodeId): [Uint8Array, number, Uint8Array][] {
  const prefix = toHex(publicKeyFromNodeId(node))
  const heads = pen.node.up.ledger.heads().filter(({ feed }) => feed.startsWith(prefix))
  return heads.map(({ feed, seq, id }) => [feedIncarnation(feed), seq, idBytes(id)])
}

/** An invite that somebody else was given, at whatever time, and a machine of its own. */
export function useTicket(pen: Pen, ticket: Ticket): void {
  const { world, node } = pen
  pen.control('admit', admission(world, ticket.id, ticket.key, world.newKey(), pen.id()), {
    seen: frontier(node.up.ledger.control()).slice(0, SEEN_MAX),
  })
}

/** What an `admit` says, with the two signatures that it needs. */
export function admission(
  world: World,
  invite: EntryId,
  inviteKey: SigningKey,
  newcomer: SigningKey,
  sealing: Uint8Array,
) {
  return {
    invite: idBytes(invite),
    node: newcomer.publicKey,
    sealing,
    proof: sign(inviteKey, 'invite', world.networkId, newcomer.publicKey, sealing),
    accepts: sign(newcomer, 'join', world.networkId, idBytes(invite), sealing),
  }
}

/** For whoever gets the key, of which nobody knows. */
export function someInvite({ timeline }: World) {
  return { key: generateSigningKey().publicKey, branch: 'Depois', role: 'member', expires: timeline.now + 3_600_000 }
}

/** Lets in a machine of its own by an invite that it has not, or has not the right to. */
export const smuggle: Evil = (pen) => {
  const { world, node } = pen
  const newcomer = world.newKey()
  const key = world.newKey()
  const seen = pen.seen()
  const known = pen.random.pick(world.tickets)
  const usesKnown = known !== undefined && pen.random.chance(0.5)
  const invite = usesKnown
    ? null
    : pen.feed.write(
        'invite',
        { key: key.publicKey, branch: 'Sombra', role: 'admin', expires: node.up.clock.now() + 3_600_000 },
        { seen },
      )
  const id = invite?.id ?? known?.id
  if (id === undefined) return
  const signer = usesKnown && pen.random.chance(0.5) ? known.key : key
  const body = admission(world, id, signer, newcomer, pen.id())
  const admit = pen.feed.write('admit', body, { seen })
  // it writes at once, whether it got in or not
  const own = new EvilFeed(handOf(node, newcomer), world.networkId)
  const written = own.write('capacity', { weight: pen.random.below(50) }, { ms: pen.feed.ms + 1 })
  pen.send(invite === null ? [admit, written] : [invite, admit, written])
}

/** What only admins may do, whether it is one or not. */
export const meddle: Evil = (pen) => {
  const { world, node } = pen
  const { members, invites, network } = pen.state().membership()
  const what = pen.random.weighted({ revoke: 3, release: 3, quarantine: 2, upgrade: 2 })
  const target = pen.member()
  const invite = pen.random.pick([...invites.keys()])
  if (what === 'revoke' && invite !== undefined) return pen.control('revoke', { invite: idBytes(invite) })
  if ((what === 'release' || what === 'quarantine') && target !== undefined) {
    return pen.control(what, { node: what === 'release' ? pen.node.key.publicKey : target.key })
  }
  // rules that nobody has; where the founder is gone it might be the only admin, and then it may
  const isFounderIn = network !== null && members.get(network.founder)?.state === 'member'
  if (what === 'upgrade' && isFounderIn) pen.control('upgrade', { rules: 100 + world.nodes.indexOf(node) })
}

/** An admin's machine appoints one of its own, and both throw out somebody: two votes that are one. */
export const puppets: Evil = (pen) => {
  const { world, node } = pen
  const target = pen.random.pick(node.up.members.admins().filter((each) => each.node !== node.id))
  if (target === undefined) return
  const [puppet, key] = [world.newKey(), world.newKey()]
  const seen = frontier(node.up.ledger.control()).slice(0, SEEN_MAX)
  const expires = node.up.clock.now() + 3_600_000
  const invite = pen.feed.write('invite', { key: key.publicKey, branch: 'Sombra', role: 'admin', expires }, { seen })
  const admit = pen.feed.write('admit', admission(world, invite.id, key, puppet, pen.id()), { seen })
  const second = new EvilFeed(handOf(node, puppet), world.networkId)
  const body = { node: target.key, cuts: cutsOf(pen, target.node) }
  const votes = [
    pen.feed.write('expel', body, { seen: [admit.id] }),
    second.write('expel', body, { seen: [admit.id], ms: pen.feed.ms + 1 }),
  ]
  pen.send([invite, admit, ...votes])
}
