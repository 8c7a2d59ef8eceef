/** Replicator, durability and draw, with what they ask of the other rooms. */
import type { SharedState, Sharing } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import { type BoxStore, type ContentStore, chunkCount } from '../content/index.ts'
import type { FileId, NetworkId, NodeId, Root } from '../ids.ts'
import type { Members } from '../membership/index.ts'
import type { Host, Presence } from '../network/index.ts'
import type { Random } from '../random.ts'
import {
  createDraw,
  createDurability,
  createReplicator,
  type Draw,
  type Durability,
  type HoldState,
  type LiveVersion,
  type Replicator,
  type Verdict,
} from '../replication/index.ts'
import { challenge, challengeAnswer, type Transfers } from '../transfer/index.ts'
import type { Access } from './access.ts'
import type { Bell } from './bell.ts'
import type { EventHub } from './events.ts'
import type { Healing } from './healing.ts'
import type { NodeHoldings } from './holdings.ts'
import type { Kept } from './local-state.ts'
import type { Readers } from './readers.ts'
import { hasRoomFor, type OwnerUsage } from './room.ts'
import type { SealAnew } from './seal-anew.ts'
import type { Versions } from './session-versions.ts'
import type { Tuning } from './types.ts'

/** Own files that are in the trash and are passed over in one go. */
const SKIPPED_MAX = 100

export interface ReplicationWiring {
  readonly network: NetworkId
  readonly self: NodeId
  readonly clock: Clock
  readonly random: Random
  readonly host: Host
  readonly state: SharedState
  readonly members: Members
  readonly versions: Versions
  readonly access: Access
  readonly presence: Presence
  /** not seen for longer than the grace */
  readonly isAway: (node: NodeId) => boolean
  readonly sharing: Sharing
  readonly store: ContentStore
  readonly boxes: BoxStore
  readonly transfers: Transfers
  readonly holdings: NodeHoldings
  readonly kept: Kept
  readonly readers: Readers
  readonly sealAnew: SealAnew
  readonly healing: () => Pick<Healing, 'isDamaged'>
  readonly ownerUsage: OwnerUsage
  readonly events: EventHub
  readonly bell: Bell
  readonly tuning: Tuning
  /** false for a newcomer that has yet to compare what it was given */
  readonly trusts: () => boolean
  /** bytes this node offers; null = what the disk has */
  readonly capacity: number | null
  readonly log: (message: string, error?: unknown) => void
}

export function createReplication(rooms: ReplicationWiring): {
  replicator: Replicator
  durability: Durability
  draw: Draw
  /** Brings a version here in the background, or joins whatever does. */
  want(version: LiveVersion): void
} {
  const { network, self, clock, host, state, members, versions, access, presence, sharing } = rooms
  const { store, boxes, transfers, holdings, kept, readers, sealAnew, events, bell, tuning } = rooms
  /** A person at this branch waits for it: whatever replication decides, that goes on. */
  const isAskedFor = (root: Root) => readers.has(root) || transfers.byRoot(root)?.kind === 'fetch'
  const problem = (what: string) => (error: unknown) => rooms.log(what, error)

  function local(root: Root): HoldState {
    const stored = store.stat(root)
    // the store counts a version from its manifest on; others are to know before that who will have chunks of it
    if (stored === null) return transfers.byRoot(root)?.state === 'running' ? 'partial' : 'none'
    return stored.complete ? 'all' : 'partial'
  }

  function hasRoom({ shape, owner }: LiveVersion): boolean {
    if (owner === self) return true
    return hasRoomFor(store, rooms.capacity, shape, {
      owners: versions.livingBranches().length,
      usedByOwner() {
        const branch = state.versionOfRoot(shape.root)?.branch
        return branch === undefined ? 0 : rooms.ownerUsage.of(branch)
      },
    })
  }

  function want(version: LiveVersion): void {
    const { root } = version.shape
    if (transfers.byRoot(root) === null && sealAnew.can(root)) {
      // complete: told by the store; in vain: looked at again, and then fetched
      void sealAnew.seal(root).then((done) => done || replicator.look(version.file))
      return
    }
    if (transfers.byRoot(root) === null && sealAnew.awaitsKey(root)) return
    access
      .seekTicket(root)
      .then((isNew) => isNew && transfers.refresh(root))
      .catch(problem('seeking a ticket'))
    if (transfers.byRoot(root) !== null) return
    const wanted = transfers.want(version.shape, { kind: 'replicate', fileId: version.file })
    wanted.done.catch(() => undefined) // told by `onEnded`
  }

  /** What nobody has now is looked for again with the next look at the file. */
  function keepBoxes(version: LiveVersion): void {
    for (const box of version.boxes) {
      if (boxes.has(box)) continue
      const connected = host.connections().map(({ peer }) => peer)
      const sources = [...new Set([...replicator.placement(version), ...connected])].filter((node) => node !== self)
      boxes.get(box, sources).catch(() => null)
    }
  }

  /**
   * Chunks of which this branch had the key, and was denied: of other versions than the live one, and of older seals. Each
   * goes as soon as another has all of its version.
   */
  async function letGo(file: FileId): Promise<void> {
    const gaveUp = sharing.views.gaveUp(file)
    if (gaveUp === null) return
    const live = versions.live(file)?.shape.root
    for (const version of state.versions(file)) {
      const { root, epoch, formerRoots } = version
      const isOver = epoch <= gaveUp && root !== live && state.versionOfRoot(root)?.file === file
      const former = formerRoots.filter((each) => state.versionOfRoot(each) === null)
      const found = [...(isOver ? [root] : []), ...former].filter((each) => store.stat(each) !== null)
      if (found.length === 0) continue
      const holders = replicator.completeHolders(versions.of(version)).filter((node) => node !== self)
      if (holders.some((node) => presence.isConnected(node))) await remove(found)
    }
  }

  async function remove(roots: readonly Root[]): Promise<void> {
    for (const root of roots) {
      holdings.say(root, 'none') // before it is true, never after
      await transfers.cancelRoot(root)
      await store.remove(root)
    }
  }

  /** this node's own, while it is live */
  function ownVersion(root: Root): LiveVersion | null {
    const file = state.versionOfRoot(root)?.file
    const version = file === undefined ? null : versions.live(file)
    return version !== null && version.owner === self && version.shape.root === root ? version : null
  }

  const ownFiles = inTurn(() => {
    const branch = members.get(self)?.branch
    return branch === undefined ? [] : state.filesOwnedBy(branch)
  })

  function nextOwnVersion(): LiveVersion | null {
    for (let skipped = 0; skipped < SKIPPED_MAX; skipped++) {
      const file = ownFiles()
      if (file === null) return null
      const version = versions.live(file)
      if (version !== null && version.owner === self) return version
    }
    return null
  }

  async function ask(peer: NodeId, { shape }: LiveVersion, signal: AbortSignal): Promise<Verdict> {
    if (shape.size === 0) return 'right'
    const file = await store.get(shape.root)
    const index = rooms.random.below(chunkCount(shape))
    if (file === null || !file.has(index) || !presence.isConnected(peer)) return 'unknown'
    const nonce = rooms.random.bytes(32)
    // what this node compares with must be right itself
    const expected = challengeAnswer(nonce, await file.read(index, { verify: true }))
    const proof = access.proofFor(shape.root, peer)
    const shown = proof === undefined ? {} : { proof }
    const answer = await challenge({
      host,
      clock,
      peer,
      version: shape,
      index,
      nonce,
      expected,
      signal,
      ...shown,
    }).catch(() => null)
    if (answer === null) return presence.isConnected(peer) ? 'silent' : 'unknown'
    if (answer !== 'right') rooms.log(`holder ${peer}: ${answer}-chunk of ${shape.root.slice(0, 12)}`)
    return answer === 'right' ? 'right' : 'wrong'
  }

  const durability = createDurability({
    clock,
    random: rooms.random,
    challenge: ask,
    otherMembers: () => members.currentMembers().length - 1,
    nextOwnVersion,
    ownVersion,
    claimants(root) {
      const claims = [...holdings.holders(root)].filter(([node, claim]) => claim === 'all' && members.isMember(node))
      return claims.map(([node]) => node)
    },
    formerDoubts: holdings.ownDoubts,
    onDoubt(version, doubted) {
      holdings.doubt(version.shape.root, doubted)
      replicator.look(version.file)
      bell.ring()
    },
    onDurable(root) {
      const version = state.versionOfRoot(root)
      if (version !== null) events.emit('file:durable', { fileId: version.file, version: version.version })
      bell.ring()
    },
    onProblem: problem('durability'),
  })

  const replicator: Replicator = createReplicator({
    clock,
    network,
    self,
    holdings,
    local,
    intervalMs: tuning.repairIntervalMs,
    liveVersion: versions.live,
    liveFiles: () => state.liveFiles(),
    members: () => versions.placementMembers(),
    policy: () => state.membership().network,
    isAway: rooms.isAway,
    isConnected: (node) => presence.isConnected(node),
    mayHold: (version) => access.mayHold(version) && hasRoom(version),
    former(version) {
      const { root } = version.shape
      if (sealAnew.former(root).length === 0) return 'none'
      return sealAnew.can(root) ? 'readable' : 'sealed'
    },
    // what this branch was denied is no copy of its own any more
    isKept: (version) =>
      (kept.has(version.file) && sharing.views.gaveUp(version.file) === null) ||
      version.owner === self ||
      isAskedFor(version.shape.root),
    isDamaged: (root) => rooms.healing().isDamaged(root),
    doubted: ({ owner, shape }) => (owner === null ? new Set() : holdings.doubted(owner, shape.root)),
    keepBoxes,
    want,
    unwant(root) {
      if (!isAskedFor(root)) transfers.cancelRoot(root).catch(problem('cancelling a transfer'))
    },
    drop: (version) => remove([version.shape.root, ...sealAnew.former(version.shape.root)]),
    letGo,
    onCopies(file, copies) {
      const version = versions.live(file)
      if (version?.owner === self) durability.check(version.shape.root)
      events.emit('file:copies', { fileId: file, ...copies })
      bell.ring()
    },
    onProblem: problem('replication'),
  })

  const draw = createDraw({
    clock,
    self,
    silenceMs: tuning.drawSilenceMs,
    openDraws: () => (rooms.trusts() ? versions.openDraws() : []),
    order: (seed, file, candidates) => versions.drawOrder(seed, file, candidates),
    canAccept: (file) => sharing.ownership.canAccept(file),
    accept: (seed, files) => void sharing.ownership.acceptDrawn(seed, files),
    hasPassed: holdings.hasPassed,
    pass: holdings.pass,
    isOnline: (node) => node === self || presence.isConnected(node),
    onProblem: problem('draw'),
  })

  return { replicator, durability, draw, want }
}

/** What a walk yields, one at each call, again from its beginning behind its end; null when it yields nothing. */
function inTurn<T>(walk: () => Iterable<T>): () => T | null {
  let going: Iterator<T> | null = null
  return () => {
    for (const isAnew of [going === null, true]) {
      going ??= walk()[Symbol.iterator]()
      const { done, value } = going.next()
      if (done !== true) return value
      going = null
      if (isAnew) return null
    }
    return null
  }
}
