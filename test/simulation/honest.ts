/** What people at honest nodes do, by the real commands and authors. What the node itself refuses is not done. */
import { audienceList, EVERYONE_LIST, OFFER_OPEN_MS, withDenied } from '../../packages/core/src/catalogue/index.ts'
import { sign, signingKeyFromSeed } from '../../packages/core/src/crypto/index.ts'
import { MaloteError } from '../../packages/core/src/errors.ts'
import { type BranchId, EVERYONE, type FileId, idBytes } from '../../packages/core/src/ids.ts'
import { formatRecoveryKey, parseInvite, type Role } from '../../packages/core/src/membership/index.ts'
import type { SimNode } from './sim-node.ts'
import type { Ticket, World } from './world.ts'

type Act = (world: World, node: SimNode) => void | Promise<void>

const CHUNK = 1 << 20
/** Machines that come in while things happen. */
const NEWCOMERS = 1

function content(world: World) {
  return {
    root: Buffer.from(world.random.bytes(32)).toString('hex') as never,
    size: world.random.between(1, 9_000_000),
    chunk: CHUNK,
  }
}

export function ownFiles(node: SimNode): FileId[] {
  const { state, members } = node.up
  const branch = members.get(node.id)?.branch
  return branch === undefined ? [] : [...state.filesOwnedBy(branch)]
}

function others(world: World, node: SimNode): SimNode[] {
  return world.membersSeenBy(node).filter((each) => each.id !== node.id)
}

function otherBranch(world: World, node: SimNode) {
  const { state, members } = node.up
  const own = members.get(node.id)?.branch
  return world.random.pick(
    [...state.membership().branches.values()].filter(({ id, state: is }) => is === 'member' && id !== own),
  )?.id
}

async function upload(world: World, node: SimNode): Promise<void> {
  const denied = world.random.chance(0.3) ? otherBranch(world, node) : undefined
  await publish(world, node, denied === undefined ? [] : [denied])
}

/** A new file for everyone but these. */
export async function publish(world: World, node: SimNode, denied: readonly BranchId[]): Promise<FileId> {
  const { author, members } = node.up
  const own = members.get(node.id)?.branch
  const begun = author.beginFile()
  await author.publishUpload({
    begun,
    content: content(world),
    plainHash: new Uint8Array(32),
    details: { name: `f${world.random.below(1000)}`, type: 'image/png', tags: [], campaign: null },
    list: denied.length === 0 || own === undefined ? EVERYONE_LIST : audienceList('except', denied, own),
  })
  return begun.file
}

/** The next version of this file. */
export async function publishNext(world: World, node: SimNode, file: FileId): Promise<void> {
  const { author } = node.up
  const keys = author.epochForUpdate(file)
  await author.publishUpdate({ file, keys, content: content(world), plainHash: new Uint8Array(32) })
}

async function update(world: World, node: SimNode): Promise<void> {
  const file = world.random.pick(ownFiles(node))
  if (file === undefined) return upload(world, node)
  await publishNext(world, node, file)
}

const share: Act = async (world, node) => {
  const file = world.random.pick(ownFiles(node))
  const own = node.up.members.get(node.id)?.branch
  const denied = otherBranch(world, node)
  if (file === undefined || own === undefined || denied === undefined) return
  const list = node.up.standIns.views.get(file)?.list ?? EVERYONE_LIST
  await node.up.author.share(file, world.random.chance(0.6) ? withDenied(list, [denied], own) : EVERYONE_LIST)
}

const reseal: Act = (world, node) => {
  const file = world.random.pick(ownFiles(node))
  const row = file === undefined ? undefined : node.up.state.versions(file).findLast((each) => !each.conflict)
  if (file === undefined || row === undefined) return
  const sealed = { ...content(world), size: row.size }
  node.up.author.publishReseal({
    file,
    version: row.version,
    keys: node.up.author.epochForUpdate(file),
    content: sealed,
  })
}

const trash: Act = (world, node) => {
  const file = world.random.pick(ownFiles(node))
  if (file !== undefined) node.up.author.trash(file)
}

const restore: Act = async (world, node) => {
  const trashed = ownFiles(node).filter((file) => node.up.state.file(file)?.state === 'deleted')
  const file = world.random.pick(trashed)
  if (file !== undefined) await node.up.author.restore(file)
}

const restoreVersion: Act = async (world, node) => {
  const file = world.random.pick(ownFiles(node))
  const version = file === undefined ? undefined : world.random.pick(node.up.state.versions(file))?.version
  if (file !== undefined && version !== undefined) await node.up.author.restore(file, { version })
}

const purge: Act = (world, node) => {
  const file = world.random.pick(ownFiles(node))
  if (file !== undefined) node.up.author.purge(file)
}

const offer: Act = (world, node) => {
  const file = world.random.pick(ownFiles(node))
  const to = otherBranch(world, node)
  if (file !== undefined && to !== undefined) node.up.ownership.offer(file, to)
}

function offered(node: SimNode, mine: boolean): FileId[] {
  const own = node.up.members.get(node.id)?.branch
  return [...node.up.state.offered()]
    .filter(({ offer, owner }) => (mine ? owner : offer?.to) === own)
    .map(({ file }) => file)
}

const accept: Act = (world, node) => {
  const file = world.random.pick(offered(node, false))
  if (file !== undefined) node.up.ownership.accept(file)
}

const decline: Act = (world, node) => {
  const file = world.random.pick(offered(node, false))
  if (file !== undefined) node.up.ownership.decline(file)
}

const cancel: Act = (world, node) => {
  const file = world.random.pick(offered(node, true))
  if (file !== undefined) node.up.ownership.cancel(file)
}

const adopt: Act = (world, node) => {
  const orphans = node.up.state.files({ states: ['orphaned'] }).items
  const file = world.random.pick(orphans)?.file
  if (file !== undefined) node.up.ownership.adopt(file)
}

const assign: Act = (world, node) => {
  const files = node.up.state.files({ states: ['orphaned', 'live'] }).items
  const settles = files.filter(({ state, offer, owner }) => {
    const departs = node.up.state.membership().departures.has(owner)
    return state === 'orphaned' || departs || (offer !== null && node.up.clock.now() - offer.ms >= OFFER_OPEN_MS)
  })
  const file = world.random.pick(settles)?.file
  const to = otherBranch(world, node)
  if (file !== undefined && to !== undefined) node.up.ownership.assign(file, to)
}

const capacity: Act = (world, node) => void node.up.ledger.append('capacity', { weight: world.random.below(64) })

const renew: Act = (_world, node) => {
  if (node.up.state.audience(EVERYONE) !== null) node.up.standIns.renew(EVERYONE)
}

// ---------------------------------------------------------------------------------------------------------- membership

export async function invite(world: World, node: SimNode, role: Role, replaces?: Pick<SimNode, 'id'>): Promise<Ticket> {
  const branch = `Filial ${world.nodes.length}`
  const old = replaces === undefined ? {} : { replaces: replaces.id }
  const made = await node.up.commands.invite({ branch, role, ...old })
  const { invite: id, seed } = await parseInvite(made.text, node.up.clock.now())
  const ticket = { id, key: signingKeyFromSeed(seed), branch, replaces: replaces?.id ?? null }
  world.tickets.push(ticket)
  return ticket
}

/** What `register` does on the admitting member's side once the newcomer has shown its keys. */
export function admit(world: World, by: SimNode, ticket: Ticket, newcomer: SimNode): void {
  const { state, ledger, versions } = by.up
  const known = state.membership().invites.get(ticket.id)
  if (known === undefined || known.usedBy.length > 0 || known.revoked || by.up.clock.now() > known.expires) return
  if (state.membership().members.get(by.id)?.state !== 'member') return
  const key = newcomer.key.publicKey
  const cuts =
    known.replaces === null
      ? {}
      : {
          cuts: versions
            .cutsOf(ledger)(known.replaces)
            .map(([...cut]) => cut),
        }
  ledger.append('admit', {
    invite: idBytes(ticket.id),
    node: key,
    sealing: newcomer.sealing,
    proof: sign(ticket.key, 'invite', world.networkId, key, newcomer.sealing),
    accepts: sign(newcomer.key, 'join', world.networkId, idBytes(ticket.id), newcomer.sealing),
    ...cuts,
  })
}

/** A newcomer with this invite at that member; catches up from it, then seeks the others. */
export async function join(world: World, by: SimNode, ticket: Ticket, name: string): Promise<SimNode | null> {
  const newcomer = world.newNode(name)
  newcomer.side = by.side
  admit(world, by, ticket, newcomer)
  if (!by.up.members.isMember(newcomer.id)) {
    world.nodes.splice(world.nodes.indexOf(newcomer), 1)
    return null
  }
  newcomer.start(world.networkId)
  world.network.connect(newcomer.up.host, by.up.host)
  newcomer.up.sync.fetch(by.id).catch((error: unknown) => world.trace(`${name} could not fetch: ${error}`))
  return newcomer
}

const inviteSomeone: Act = async (world, node) => {
  if (node.up.members.isAdmin(node.id)) await invite(world, node, world.random.chance(0.3) ? 'admin' : 'member')
}

const register: Act = async (world, node) => {
  const ticket = world.random.pick(world.tickets)
  if (world.nodes.length > world.sizeAtFirst + NEWCOMERS) return
  if (ticket !== undefined && ticket.replaces === null) await join(world, node, ticket, `n${world.nodes.length}`)
}

const revoke: Act = (world, node) => {
  const ticket = world.random.pick(world.tickets)
  if (ticket !== undefined) node.up.commands.revoke(ticket.id)
}

const promote: Act = (world, node) => {
  const target = world.random.pick(others(world, node).filter((each) => !each.hostile))
  if (target !== undefined) node.up.commands.setRole(target.id, 'admin')
}

const demote: Act = (world, node) => {
  if (node.up.members.admins().length < 3) return
  const target = world.random.pick(others(world, node).filter((each) => each !== world.founder))
  if (target !== undefined) node.up.commands.setRole(target.id, 'member')
}

const quarantine: Act = (world, node) => {
  const target = world.random.pick(others(world, node).filter((each) => each !== world.founder))
  if (target !== undefined) node.up.commands.quarantine(target.id)
}

const release: Act = (world, node) => {
  const target = world.random.pick(others(world, node).filter((each) => node.up.members.isQuarantined(each.id)))
  if (target !== undefined) node.up.commands.release(target.id)
}

/** Honest admins throw out hostile members only: two parts of a network that expel each other stay apart. */
const expel: Act = (world, node) => {
  const target = world.random.pick(others(world, node).filter((each) => each.hostile))
  if (target === undefined) return
  const options = world.random.chance(0.15) ? { recoveryKey: formatRecoveryKey(world.recovery.seed) } : {}
  node.up.commands.expel(target.id, options)
}

const recover: Act = (world, node) => {
  if (node === world.founder) node.up.commands.recover(formatRecoveryKey(world.recovery.seed))
}

const leave: Act = (world, node) => {
  const present = others(world, node).filter((each) => !each.hostile).length
  if (node === world.founder || present < 4 || node.up.members.isQuarantined(node.id)) return
  const seed = node.up.commands.leave()
  const started = node.folder.disk
  // the draw has its time; then what nobody took is left an orphan
  world.timeline.after(60_000, () => {
    if (node.on === null || node.folder.disk !== started || node.up.state.membership().departures.size === 0) return
    attempt(world, node, () => {
      const orphans = ownFiles(node)
      if (
        node.up.state.membership().departures.get(node.up.members.get(node.id)?.branch ?? ('' as never))?.seed !== seed
      )
        return
      node.up.commands.left({ accepted: [], orphans, force: orphans.length > 0 })
      world.retired.add(node)
    })
  })
}

const replace: Act = async (world, node) => {
  if (world.nodes.length > world.sizeAtFirst + NEWCOMERS) return
  const old = world.random.pick(others(world, node).filter((each) => each !== world.founder))
  if (old === undefined || !node.up.members.isAdmin(node.id)) return
  const ticket = await invite(world, node, 'member', old)
  const newcomer = await join(world, node, ticket, `n${world.nodes.length}`)
  if (newcomer !== null) world.retired.add(old)
}

/** What the node itself refuses is not done. */
export function attempt(world: World, node: SimNode, act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof MaloteError)) throw error
    world.trace(`${node.name} may not: ${error.code}`)
  }
}

const acts = {
  upload,
  update,
  share,
  reseal,
  trash,
  restore,
  restoreVersion,
  purge,
  offer,
  accept,
  decline,
  cancel,
  adopt,
  assign,
  capacity,
  renew,
  inviteSomeone,
  register,
  revoke,
  promote,
  demote,
  quarantine,
  release,
  expel,
  recover,
  leave,
  replace,
} satisfies Record<string, Act>

const WEIGHTS: Record<keyof typeof acts, number> = {
  upload: 30,
  update: 24,
  share: 6,
  reseal: 2,
  trash: 3,
  restore: 4,
  restoreVersion: 2,
  purge: 1,
  offer: 9,
  accept: 12,
  decline: 2,
  cancel: 3,
  adopt: 3,
  assign: 2,
  capacity: 2,
  renew: 1,
  inviteSomeone: 2,
  register: 2,
  revoke: 1,
  promote: 2,
  demote: 1,
  quarantine: 1,
  release: 3,
  expel: 4,
  recover: 1,
  leave: 1,
  replace: 1,
}

/** Something that somebody at this node does. */
export async function actHonestly(world: World, node: SimNode): Promise<void> {
  const name = world.random.weighted(WEIGHTS)
  try {
    await acts[name](world, node)
  } catch (error) {
    if (!(error instanceof MaloteError)) throw error
    world.trace(`${node.name} may not ${name}: ${error.code}`)
  }
}
