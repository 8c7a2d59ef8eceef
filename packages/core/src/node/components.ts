/**
 * The composition root: the only file that knows all rooms. Makes one session (one node in one network) out of them and
 * wires what a room needs from its right as functions.
 *
 * What each change causes stands in `reactions.ts`, who holds what in `replication-wiring.ts`, where it comes from in
 * `transfer-wiring.ts`, how newcomers get in in `admission-wiring.ts`, what is told to the outside in `event-wiring.ts`.
 */
import { join } from 'node:path'
import {
  createSharedState,
  createSharing,
  DEFAULT_WEIGHT,
  foldControlInTurns,
  kindInfo,
  PREVIEW_MAX,
} from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import { createBoxStore, createStore } from '../content/index.ts'
import type { NetworkId } from '../ids.ts'
import { createCloseWitness, createLedger, createSync, type Ledger } from '../ledger/index.ts'
import { createMembers, SoftwareTooOldError } from '../membership/index.ts'
import { createFacts, createPresence, type Gate, type NetworkHost } from '../network/index.ts'
import { createPreviewMaker } from '../previews/index.ts'
import type { Random } from '../random.ts'
import { weightOf } from '../replication/index.ts'
import { VERSION } from '../version.ts'
import { createAbsence } from './absence.ts'
import { createAccess } from './access.ts'
import { createAdmission } from './admission-wiring.ts'
import { createAnewSealer } from './anew-sealer.ts'
import { createBell } from './bell.ts'
import { wireEvents } from './event-wiring.ts'
import type { EventHub } from './events.ts'
import { openDatabases } from './folder-databases.ts'
import { handoffsOf } from './handoffs.ts'
import { createHoldings } from './holdings.ts'
import type { Identity } from './identity.ts'
import { createIntegrity } from './integrity.ts'
import { createLeaver } from './leaver.ts'
import { removeLeftovers } from './leftovers.ts'
import { createKept, createSettings } from './local-state.ts'
import { createReactions } from './reactions.ts'
import { createReaders } from './readers.ts'
import { createReplication } from './replication-wiring.ts'
import { createResealer } from './resealer.ts'
import { createResealing } from './resealing.ts'
import { createRetention } from './retention.ts'
import { createOwnerUsage, roomOf } from './room.ts'
import { createSealAnew } from './seal-anew.ts'
import type { Session } from './session.ts'
import { createVersions } from './session-versions.ts'
import { createStoreCare } from './store-care.ts'
import { isOfUse, isStillToSeal } from './stored-roots.ts'
import { createTransferring } from './transfer-wiring.ts'
import { createTrust } from './trust.ts'
import type { HandoffPolicy, Tuning } from './types.ts'
import { createViewsMark } from './views-mark.ts'

const DISCONNECTED = 'presence/disconnected'

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
  readonly handoffs: HandoffPolicy
  /** Writes or takes in the first entries, before anything else looks at the ledger; for a folder that has them, nothing. */
  readonly begin: (ledger: Ledger) => NetworkId
  /** what is not in the state yet may be on its way: nothing is removed for it */
  readonly isRebuilding: boolean
  /** the folder is new: every entry, also the first, is news */
  readonly isNew: boolean
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
  const databases = openDatabases(init)
  const { shared: sharedDb, local: localDb, fromDisk } = databases
  const settings = createSettings(localDb)
  const kept = createKept(localDb)

  // --- the ledger and what follows from it
  const ledger: Ledger = fromDisk(() =>
    createLedger({
      db: sharedDb,
      local: settings,
      network: null,
      signer: identity.signing,
      clock,
      random,
      kinds: kindInfo,
      apply: (entries) => state.apply(entries),
      skew: () => presence.skew(),
      twin: () => presence.twin(),
      closeWitness: createCloseWitness({ databasePath: databases.path }),
      witnesses: {
        members: () => others(),
        isSole: (node) => presence.isSole(node),
      },
      assertMayWrite() {
        const active = state.membership().network?.rules ?? 0
        if (state.isBehind()) throw new SoftwareTooOldError(active, tuning.rulesVersion)
      },
      onProblem: (error) => log('ledger', error),
    }),
  )
  // an old log of local.db must not bring the mark of an orderly close back
  localDb.checkpoint()
  const folded = await foldControlInTurns(ledger.control(), tuning.rulesVersion).catch((error: unknown) =>
    fromDisk(() => {
      throw error
    }),
  )
  const state = fromDisk(() =>
    createSharedState({
      db: sharedDb,
      entries: ledger,
      folded,
      network: () => ledger.network(),
      rules: tuning.rulesVersion,
      onChange(change) {
        if (!started) return
        wiring.sharedChanged(change)
        reactions.sharedChanged(change)
      },
    }),
  )
  const network = fromDisk(() => init.begin(ledger))
  const members = createMembers(() => state.membership())
  const viewsMark = createViewsMark(settings, () => state.digest())
  let areViewsWhole = false
  const trust = createTrust(settings, !init.isNew || members.get(self) !== undefined)
  const others = () =>
    members
      .currentMembers()
      .map(({ node }) => node)
      .filter((node) => node !== self)
  const isServed = (node: string) => state.membership().members.get(node as typeof self)?.state === 'member'

  // --- the network
  const gate: Gate = {
    isMember: members.isMember,
    isQuarantined: members.isQuarantined,
    mayConnect: (node) => members.get(node) === undefined || members.isMember(node),
  }
  const facts = createFacts({ db: localDb, host, clock, self, log })
  const presence = createPresence({
    network,
    signer: identity.signing,
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
    digest: () => (state.isBehind() ? null : state.digest()),
    headsIntervalMs: tuning.headsIntervalMs,
    onDiverged(node) {
      events.emit('ledger:diverged', { node })
      integrity.alarm()
    },
    onCurrent: () => bell.ring(),
    onProgress: (progress) => events.emit('ledger:progress', progress),
    onPeerError: (peer, error) => log(`ledger sync with ${peer}`, error),
  })
  const integrity = createIntegrity({
    ledger,
    state,
    databases: [sharedDb, localDb],
    clock,
    onDamage(problem, advice) {
      events.emit('warning', { code: 'damaged', message: `${problem}. ${advice}` })
      log(`damaged: ${problem}`)
    },
    log,
  })
  const holdings = createHoldings(facts, self)

  // --- files
  const store = await createStore({ folder: join(init.folder, 'store'), clock, random })
  holdings.amend((root) => store.stat(root) !== null)
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
  const boxes = createBoxStore({
    database: localDb,
    host,
    mayServe: access.mayServeBox,
    clock,
    onBadSource: (peer, hash) => log(`source ${peer}: wrong-box of ${hash.slice(0, 12)}`),
  })
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
    onFalse: (peer, what) => log(`source ${peer}: false-${what}`),
  })
  const { transfers, faultySources } = createTransferring({
    self,
    db: localDb,
    clock,
    random,
    host,
    presence,
    state,
    members,
    versions,
    access,
    sharing,
    store,
    holdings,
    kept,
    sealAnew: () => sealAnew,
    lookAtRoot: (root) => reactions.lookAtRoot(root),
    log,
  })

  const ownerUsage = createOwnerUsage(store, (root) => state.versionOfRoot(root)?.branch ?? null)
  const sealer = createAnewSealer(store, log)
  const sealAnew = createSealAnew({
    clock,
    state,
    sealer,
    sharing: () => sharing,
    store,
    closing: closing.signal,
    onProblem: (error) => log('sealing anew', error),
    onWaited: (file) => replicator.look(file),
  })
  const readers = createReaders((root) => reactions.lookAtRoot(root))
  const previews = createPreviewMaker({ clock, most: PREVIEW_MAX, log })

  // --- who holds what, and what each change causes
  const absence = createAbsence({
    clock,
    presence,
    graceMs: tuning.repairGraceMs,
    self,
    admittedAt(node) {
      const admit = members.get(node)?.admit
      return (admit === undefined ? undefined : ledger.get(admit)?.ms) ?? 0
    },
  })
  const { replicator, durability, draw, want } = createReplication({
    network,
    self,
    clock,
    random,
    host,
    state,
    members,
    versions,
    access,
    presence,
    isAway: absence.isAway,
    sharing,
    store,
    boxes,
    transfers,
    holdings,
    kept,
    readers,
    sealAnew,
    healing: () => healing,
    ownerUsage,
    events,
    bell,
    tuning,
    trusts: trust.has,
    capacity: init.capacity,
    log,
  })
  const { healing, storeCheck } = createStoreCare({
    settings,
    clock,
    state,
    versions,
    access,
    store,
    boxes,
    transfers,
    readers,
    replicator,
    host,
    self,
    want,
    events,
    bell,
    tuning,
    log,
  })
  const reactions = createReactions({
    self,
    host,
    state,
    members,
    sharing,
    store,
    boxes,
    transfers,
    facts,
    presence,
    ledger,
    holdings,
    replicator,
    draw,
    events,
    bell,
    onClaim(root, node) {
      if (durability.isDoubted(root, node)) durability.check(root)
    },
    onMember: durability.memberCame,
    onDoubted(root, by) {
      const file = state.versionOfRoot(root)?.file
      if (file !== undefined && versions.live(file)?.owner === by) storeCheck.look(root)
    },
    log,
  })
  const retention = createRetention({
    clock,
    retentionMs: tuning.retentionMs,
    files: () => state.allFiles(),
    versions: (file) => state.versions(file),
    ownBranch: versions.ownBranch(self),
    purge: (file) => void sharing.author.purge(file),
    forgetRoot: reactions.forgetRoot,
    forgetFile: reactions.forgetFile,
    bytesOf: (root) => store.stat(root)?.bytes ?? 0,
    room: () => roomOf(store, init.capacity),
    onProblem: (error) => log('retention', error),
  })
  const commands = createAdmission({
    network,
    self,
    signer: identity.signing,
    clock,
    host,
    ledger,
    state,
    members,
    versions,
    presence,
    sharing,
    rules: tuning.rulesVersion,
    log,
  })
  const resealing = createResealing({
    clock,
    settings,
    reseal: createResealer({ state, sharing, store, sealer, transfers }),
    isOwn: (file) => state.file(file)?.owner === members.get(self)?.branch,
    closing: closing.signal,
    onProblem: (error) => log('sealing anew', error),
  })

  let removing = Promise.resolve()
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
    integrity,
    replicator,
    durability,
    healing,
    storeCheck,
    faultySources,
    kept,
    readers,
    previews,
    bell,
    closing: closing.signal,
    capacity: init.capacity,
    trusts: trust.has,
    trust() {
      trust.gain()
      offerCapacity()
      draw.look()
      handoffs.look()
    },
    admittedBy: trust.admittedBy,
    setAdmittedBy: trust.setAdmittedBy,
    ownBranch: versions.ownBranch(self),
    livingBranches: versions.livingBranches,
    nodeOf: versions.nodeOf,
    liveVersion: versions.live,
    liveVersionOf: versions.liveOf,
    reading: (work) => sharedDb.read(() => localDb.read(work)),
    asVersion: versions.of,
    isOfUse: (root) => isOfUse(root, state, store),
    resealing,
    sealedAnew: sealer.totals,
    olderSeal: sealAnew.older,
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
  const wiring = wireEvents(session, events, { after: init.isNew ? 0 : ledger.count() })
  const handoffs = handoffsOf(session, { policy: init.handoffs, log })
  bell.on(handoffs.look)
  bell.on(() => {
    // a ring may come after the databases are closed
    if (closing.signal.aborted) return
    const by = trust.admittedBy()
    if (by === null) return
    const others = sync.peerHeads().filter(({ peer }) => peer !== by && members.isMember(peer))
    if (others.some(({ inSync }) => inSync)) trust.setAdmittedBy(null)
  })

  async function close(): Promise<void> {
    closing.abort(new Error('the node is stopping'))
    started = false
    // what still arrives from now on is not told to anybody
    const asOf = areViewsWhole && !integrity.isRepairing() ? viewsMark.now() : null
    const ending = previews.stop()
    handoffs.stop()
    draw.stop()
    await storeCheck.stop()
    healing.stop()
    await integrity.stop()
    await removing
    absence.stop()
    await presence.stop()
    await sync.stop()
    ownerUsage.stop()
    await sealAnew.stop()
    await ending
    await Promise.all([
      retention.stop(),
      replicator.stop(),
      durability.stop(),
      facts.stop(),
      transfers.stop(),
      faultySources.stop(),
      resealing.stop(),
    ])
    wiring.stop()
    await reactions.stop()
    await sharing.stop()
    if (asOf !== null) viewsMark.leave(asOf)
    boxes.stop()
    await store.stop()
    await host.useNetwork(null, gate)
    ledger.close()
    databases.close()
  }

  try {
    if (!init.isRebuilding) {
      const { isOfUse } = session
      removing = removeLeftovers({
        store,
        isOfUse,
        isStillToSeal: (root) => isStillToSeal(root, state, store),
        whenSound: integrity.whenSound,
        closing: closing.signal,
        log,
      })
    }
    await host.useNetwork(network, gate)
    started = true
    await sharing.start(viewsMark.take() ? null : state.allFiles())
    areViewsWhole = true
    facts.start()
    sync.start()
    await presence.start()
    transfers.start()
    replicator.start()
    retention.start()
    durability.start()
    healing.start()
    storeCheck.start()
    resealing.resume()
    draw.look()
    handoffs.start()
    integrity.start()
    offerCapacity()
    // the founder's first act, again if a crash came between
    if (!state.isBehind() && state.membership().network?.founder === self) await sharing.audiences.ensureEveryone()
  } catch (error) {
    await close()
    throw error
  }

  /** Tells the others how much this node can hold, when that has changed. */
  function offerCapacity(): void {
    if (state.isBehind() || init.capacity === null || members.get(self)?.state !== 'member') return
    const weight = weightOf(init.capacity)
    if ((state.weights().get(self) ?? DEFAULT_WEIGHT) !== weight) ledger.append('capacity', { weight })
  }

  return session
}
