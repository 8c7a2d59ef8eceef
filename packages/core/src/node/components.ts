/**
 * The composition root: the only file that knows all rooms. Makes one session (one node in one network) out of them and
 * wires what a room needs from its right as functions.
 *
 * What each change causes, in one place: an entry's commit -> `onSharedChange`; a member's statement -> `onFact`; a name
 * that came or went -> `event-wiring.ts`.
 */
import { join } from 'node:path'
import {
  createSharedState,
  createSharing,
  DEFAULT_WEIGHT,
  EpochMovedError,
  kindInfo,
  type SharedChange,
} from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import { createBoxStore, createStore, reseal } from '../content/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import type { FileId, NetworkId } from '../ids.ts'
import { createLedger, createSync, folderIdOf, type Ledger } from '../ledger/index.ts'
import { createCommands, createMembers, serveRegister } from '../membership/index.ts'
import { createFacts, createPresence, type Gate, type NetworkHost } from '../network/index.ts'
import type { Random } from '../random.ts'
import { createDraw, createDurability, createReplicator, weightOf } from '../replication/index.ts'
import { challenge, challengeAnswer, createTransfers } from '../transfer/index.ts'
import { createAccess } from './access.ts'
import { createBell } from './bell.ts'
import { wireEvents } from './event-wiring.ts'
import type { EventHub } from './events.ts'
import { createHoldings } from './holdings.ts'
import type { Identity } from './identity.ts'
import { createLeaver } from './leaver.ts'
import { createKept, createSettings } from './local-state.ts'
import { createRetention } from './retention.ts'
import type { Session } from './session.ts'
import { createVersions, shapeOf } from './session-versions.ts'
import { VERSION } from './status.ts'
import type { Tuning } from './types.ts'

const DISCONNECTED = 'presence/disconnected'
/** Chances to reseal while others change the audience meanwhile. */
const RESEAL_TRIES = 3

export interface SessionInit {
  /** `<data>/network`, made by the caller */
  readonly folder: string
  readonly identity: Identity
  readonly host: NetworkHost
  readonly clock: Clock
  readonly random: Random
  readonly events: EventHub
  readonly tuning: Tuning
  readonly capacity: number | null
  /** Writes or takes in the first entries, before anything else looks at the ledger; for a folder that has them, nothing. */
  readonly begin: (ledger: Ledger) => NetworkId
  readonly log: (message: string, error?: unknown) => void
}

/** Opens the folder and starts everything. Whoever made the folder removes it when this throws. */
export async function openSession(init: SessionInit): Promise<Session> {
  const { host, clock, random, identity, events, tuning, log } = init
  const self = identity.id
  const closing = new AbortController()
  const bell = createBell()
  /** false while `begin` writes the first entries, before the rooms that would be told exist */
  let started = false
  const openFile = (name: 'shared' | 'local') =>
    openDatabase({ path: join(init.folder, `${name}.db`), migrations: migrationsFolder(name) })
  const sharedDb = openFile('shared')
  const localDb = openFile('local')
  const settings = createSettings(localDb)
  const kept = createKept(localDb)

  // --- the ledger and what follows from it
  const ledger: Ledger = createLedger({
    db: sharedDb,
    local: settings,
    network: null,
    signer: identity.signing,
    clock,
    random,
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    skew: () => presence.skew(),
    folderId: () => folderIdOf(join(init.folder, 'shared.db')),
  })
  const state = createSharedState({
    db: sharedDb,
    entries: ledger,
    network: () => ledger.network(),
    onChange: (change) => onSharedChange(change),
  })
  const network = init.begin(ledger)
  const members = createMembers(() => state.membership())
  const isServed = (node: string) => state.membership().members.get(node as typeof self)?.state === 'member'

  // --- the network
  const gate: Gate = {
    isMember: members.isMember,
    isQuarantined: members.isQuarantined,
    mayConnect: (node) => members.get(node) === undefined || members.isMember(node),
  }
  const facts = createFacts({ db: localDb, host, clock, self, log })
  const presence = createPresence({
    host,
    facts,
    db: localDb,
    clock,
    random,
    members: () => members.currentMembers().map(({ node }) => node),
    version: VERSION,
    disconnected: settings.getSetting(DISCONNECTED) !== null,
    heartbeatMs: tuning.heartbeatMs,
    log,
  })
  const sync = createSync({
    ledger,
    host,
    clock,
    random,
    isMember: members.isMember,
    digest: () => state.digest(),
    headsIntervalMs: tuning.headsIntervalMs,
    onDiverged: (node) => events.emit('ledger:diverged', { node }),
    onPeerError: (peer, error) => log(`ledger sync with ${peer}`, error),
  })
  const holdings = createHoldings(facts, self)

  // --- files
  const store = await createStore({ folder: join(init.folder, 'store'), clock, random })
  const versions = createVersions({ state, members })
  const access = createAccess({
    network,
    self,
    reads: state,
    sharing: () => sharing,
    isServed,
    versionOfRoot: (root) => state.versionOfRoot(root),
    boxOwner: (hash) => state.boxOwner(hash),
  })
  const boxes = createBoxStore({ database: localDb, host, mayServe: access.mayServeBox, clock })
  const sharing = createSharing({
    db: localDb,
    network,
    self,
    signer: identity.signing,
    sealing: identity.sealing,
    clock,
    random,
    host,
    reads: state,
    boxes,
    sources(subject) {
      if ('audience' in subject) return [subject.author, ...host.connections().map(({ peer }) => peer)]
      const version = versions.live(subject.file)
      const listed = version === null ? [] : replicator.placement(version)
      return [...new Set([...listed, ...host.connections().map(({ peer }) => peer)])].filter((node) => node !== self)
    },
    append: (kind, body) => ledger.append(kind, body),
    authorOf: (entry) => ledger.get(entry)?.author ?? null,
  })
  const transfers = createTransfers({
    db: localDb,
    store,
    host,
    clock,
    random,
    sourcesOf(root) {
      const holders = holdings.holders(root)
      const version = state.versionOfRoot(root)
      const owner = version === null ? [] : [version.author, members.branchOf(version.author)?.node ?? version.author]
      const nodes = [...holders.keys(), ...owner].filter((node) => node !== self && members.isMember(node))
      return [...new Set(nodes)].sort((a, b) => Number(presence.isConnected(b)) - Number(presence.isConnected(a)))
    },
    mayFetch: access.mayFetch,
    proofFor: access.proofFor,
    onStarted: (root) => holdings.say(root, 'partial'),
    onDamaged: (root) => lookAtRoot(root),
    onSourceProblem: ({ peer, kind }) => log(`source ${peer}: ${kind}`),
  })

  // --- who holds what
  const durability = createDurability({
    async challenge(peer, version, signal) {
      const file = await store.get(version.root)
      if (file === null || file.count === 0) return file !== null || version.size === 0
      const index = random.below(file.count)
      const nonce = random.bytes(32)
      const expected = challengeAnswer(nonce, await file.read(index))
      const proof = access.proofFor(version.root, peer)
      const asked = {
        host,
        clock,
        peer,
        version,
        index,
        nonce,
        expected,
        signal,
        ...(proof === undefined ? {} : { proof }),
      }
      return (await challenge(asked)) === 'right'
    },
    otherMembers: () => members.currentMembers().length - 1,
    onDurable(root) {
      const version = state.versionOfRoot(root)
      if (version !== null) events.emit('file:durable', { fileId: version.file, version: version.version })
      bell.ring()
    },
  })
  const replicator = createReplicator({
    clock,
    network,
    self,
    holdings,
    intervalMs: tuning.repairIntervalMs,
    liveVersion: versions.live,
    liveFiles: () => state.liveFiles(),
    members: () => versions.placementMembers(),
    maxCopies: () => state.membership().network?.maxCopies ?? null,
    isAway(node) {
      const { connected, lastSeen } = presence.get(node)
      return !connected && lastSeen !== null && clock.now() - lastSeen > tuning.repairGraceMs
    },
    local(root) {
      const stored = store.stat(root)
      if (stored === null) return 'none'
      return stored.complete ? 'all' : 'partial'
    },
    mayHold: (version) => access.mayHold(version) && hasRoomFor(version.shape.size),
    isKept: (version) => kept.has(version.file) || version.owner === self,
    want(version) {
      for (const box of version.boxes)
        if (boxes.local(box) === null) void boxes.get(box, replicator.placement(version)).catch(() => null)
      if (transfers.byRoot(version.shape.root) !== null) return
      const wanted = transfers.want(version.shape, { kind: 'replicate', fileId: version.file })
      wanted.done.catch(() => undefined) // told by `onEnded`
    },
    unwant: (root) => void transfers.cancelRoot(root),
    async drop(version) {
      await transfers.cancelRoot(version.shape.root)
      await store.remove(version.shape.root)
    },
    onCopies(file, copies) {
      const version = versions.live(file)
      if (version?.owner === self) {
        durability.check(
          version.shape,
          replicator.completeHolders(version).filter((node) => node !== self),
        )
      }
      events.emit('file:copies', { fileId: file, ...copies })
      bell.ring()
    },
  })
  const draw = createDraw({
    clock,
    self,
    silenceMs: tuning.drawSilenceMs,
    openDraws: () => versions.openDraws(),
    order: (seed, file, candidates) => versions.drawOrder(seed, file, candidates),
    canAccept: (file) => sharing.ownership.canAccept(file),
    accept: (seed, files) => void sharing.ownership.acceptDrawn(seed, files),
    hasPassed: holdings.hasPassed,
    pass: holdings.pass,
    isOnline: (node) => node === self || presence.isConnected(node),
    onProblem: (error) => log('draw', error),
  })

  const retention = createRetention({
    clock,
    retentionMs: tuning.retentionMs,
    files: () => state.allFiles(),
    versions: (file) => state.versions(file),
    ownBranch: versions.ownBranch(self),
    purge: (file) => void sharing.author.purge(file),
    forgetRoot,
    onProblem: (error) => log('retention', error),
  })
  const commands = createCommands({
    state: () => state.membership(),
    append: (kind, body, options) => ledger.append(kind, body, options),
    self,
    signer: identity.signing,
    clock,
    cutsOf: versions.cutsOf(ledger),
    inviteAddresses: () => [
      ...host.addresses(),
      ...presence
        .list()
        .filter(({ connected }) => connected)
        .flatMap(({ addresses }) => addresses.slice(0, 2)),
    ],
  })
  serveRegister({
    host,
    clock,
    state: () => state.membership(),
    controlEntries: () => ledger.control(),
    append: (kind, body) => ledger.append(kind, body),
    cutsOf: versions.cutsOf(ledger),
    addresses: () => [
      { node: self, addresses: host.addresses() },
      ...presence.list().map(({ node, addresses }) => ({ node, addresses })),
    ],
    grantsFor(node, branch) {
      const sealing = members.get(node)?.sealing
      return sealing === undefined ? new Uint8Array(0) : sharing.grants.grantsFor({ branch, sealing })
    },
    log,
  })

  // --- what each change causes
  function hasRoomFor(bytes: number): boolean {
    const { used, free, floor } = store.usage()
    return free - bytes > floor && (init.capacity === null || used + bytes <= init.capacity)
  }

  function lookAtRoot(root: Parameters<typeof store.stat>[0]): void {
    const version = state.versionOfRoot(root)
    if (version !== null) replicator.look(version.file)
  }

  function onSharedChange(change: SharedChange): void {
    if (!started) return
    wiring.sharedChanged(change)
    sharing.changed(change)
    if (change.members) {
      presence.refresh()
      facts.refresh()
      replicator.lookAtAll()
      draw.look()
      void transfers.recheck()
      for (const node of change.gone) {
        facts.forget(node)
        void host.hangUp(node)
      }
    }
    for (const file of change.files) {
      replicator.look(file)
      void tidy(file)
    }
    if (change.files.length > 0) draw.look()
    bell.ring()
  }

  /** Purged versions go, replaced roots too; whoever may no longer fetch is told so. */
  async function tidy(file: FileId): Promise<void> {
    const shared = state.file(file)
    const purged = shared?.state === 'purged'
    for (const version of state.versions(file)) {
      if (purged) await forgetRoot(version.root)
      else void transfers.recheck(version.root)
      for (const root of version.formerRoots)
        if (purged || store.stat(version.root)?.complete === true) await forgetRoot(root)
    }
    if (purged) for (const box of state.boxesOf(file)) boxes.remove(box)
  }

  async function forgetRoot(root: Parameters<typeof store.stat>[0]): Promise<void> {
    if (store.stat(root) === null && transfers.byRoot(root) === null) return
    await transfers.cancelRoot(root)
    await store.remove(root)
    holdings.say(root, 'none')
  }

  const cleanUp = [
    store.onChange((root) => {
      lookAtRoot(root)
      bell.ring()
    }),
    facts.onChange(({ topic, key, node }) => {
      if ((topic === 'hold' || topic === 'decline') && key !== '*') {
        lookAtRoot(key as Parameters<typeof store.stat>[0])
        if (node !== self) transfers.refresh(key as Parameters<typeof store.stat>[0])
      } else if (topic === 'decline') replicator.lookAtAll()
      else if (topic === 'pass') draw.look()
      bell.ring()
    }),
    presence.onChange(({ type, node }) => {
      const branch = members.get(node)?.branch
      if (branch !== undefined && type !== 'changed')
        events.emit(`member:${type}`, { node, branch: members.branchLabel(branch) })
      if (type === 'connected') transfers.refresh()
      draw.look()
      bell.ring()
    }),
    ledger.onEntries(() => bell.ring()),
    sharing.views.onChange(() => bell.ring()),
  ]

  let closed: Promise<void> | undefined
  const session: Session = {
    network,
    self,
    clock,
    host,
    ledger,
    state,
    members,
    commands,
    sharing,
    store,
    transfers,
    facts,
    presence,
    sync,
    replicator,
    durability,
    kept,
    bell,
    closing: closing.signal,
    capacity: init.capacity,
    ownBranch: versions.ownBranch(self),
    livingBranches: versions.livingBranches,
    nodeOf: versions.nodeOf,
    liveVersion: versions.live,
    asVersion: versions.of,
    isKnownRoot: (root) => state.versionOfRoot(root) !== null,
    async reseal(file, signal) {
      for (let tries = 1; ; tries++) {
        const shared = state.file(file)
        const version = state.versions(file).find((each) => each.version === shared?.version && !each.conflict)
        if (shared == null || version === undefined || version.epoch === shared.epoch) return
        const oldKeys = sharing.keyring.fileKey(file, version.epoch)
        const newKeys = sharing.keyring.fileKey(file, shared.epoch)
        if (oldKeys === null || newKeys === null) throw new EpochMovedError(file)
        const from = await store.open(shapeOf(version))
        if (!from.complete) await transfers.want(shapeOf(version), { kind: 'fetch', fileId: file }).done
        const sealed = await reseal({ store, from, oldKeys, newKeys, signal: signal ?? closing.signal })
        try {
          sharing.author.publishReseal({ file, version: version.version, keys: newKeys, content: shapeOf(sealed.file) })
          return
        } catch (error) {
          await store.remove(sealed.file.root)
          if (!(error instanceof EpochMovedError) || tries === RESEAL_TRIES) throw error
        }
      }
    },
    async setConnected(connected) {
      settings.setSetting(DISCONNECTED, connected ? null : Uint8Array.of(1))
      await (connected ? presence.connect() : presence.disconnect())
    },
    leave: createLeaver({
      self,
      state,
      members,
      commands,
      holdings,
      replicator,
      store,
      sync,
      presence,
      bell,
      clock,
      versions,
      silenceMs: tuning.drawSilenceMs,
    }),
    until: (condition, signal) =>
      bell.until(condition, signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])),
    close() {
      closed ??= close()
      return closed
    },
  }
  const wiring = wireEvents(session, events)
  cleanUp.push(wiring.stop)

  async function close(): Promise<void> {
    closing.abort(new Error('the node is stopping'))
    started = false
    draw.stop()
    await presence.stop()
    await sync.stop()
    await Promise.all([retention.stop(), replicator.stop(), durability.stop(), facts.stop(), transfers.stop()])
    for (const each of cleanUp) each()
    await sharing.stop()
    boxes.stop()
    await store.stop()
    await host.useNetwork(null, gate)
    ledger.close()
    sharedDb.close()
    localDb.close()
  }

  try {
    await removeUnpublished()
    await host.useNetwork(network, gate)
    started = true
    await sharing.start(state.allFiles())
    facts.start()
    sync.start()
    await presence.start()
    transfers.start()
    replicator.start()
    retention.start()
    draw.look()
    offerCapacity()
    // the founder's first act, again if a crash came between
    if (state.membership().network?.founder === self) await sharing.audiences.ensureEveryone()
  } catch (error) {
    await close()
    throw error
  }

  /** Tells the others how much this node can hold, when that has changed. */
  function offerCapacity(): void {
    if (init.capacity === null || members.get(self)?.state !== 'member') return
    const weight = weightOf(init.capacity)
    if ((state.weights().get(self) ?? DEFAULT_WEIGHT) !== weight) ledger.append('capacity', { weight })
  }

  /** Sealed versions whose entry was never written: an upload that the last run did not get to publish. */
  async function removeUnpublished(): Promise<void> {
    for (const { root } of store.list()) if (state.versionOfRoot(root) === null) await store.remove(root)
  }

  return session
}
