/**
 * `createNode`: one node, with or without a network. Owns the data folder, the identity, the host, and at most one
 * session; founding, joining and leaving replace the session, one at a time.
 */

import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { FIRST_CHECK_MS } from '../content/index.ts'
import { SealBrokenError } from '../crypto/index.ts'
import { DatabaseDamagedError, type FolderLock, lockFolder } from '../database/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { type Ledger, LedgerDamagedError } from '../ledger/index.ts'
import { type Admitted, createJoiner, foundBody, newRecoveryKey, RULES_VERSION } from '../membership/index.ts'
import { atPort, createHost, DEFAULT_PORT, type Gate, type NetworkHost } from '../network/index.ts'
import { systemRandom } from '../random.ts'
import { readAnchor, writeAnchor } from './anchor.ts'
import { openSession } from './components.ts'
import { makeDataFolder } from './data-folder.ts'
import { AlreadyMemberError, IncompleteNetworkError, LeavingError, NoNetworkError } from './errors.ts'
import { createEventHub } from './events.ts'
import { createFiles } from './files.ts'
import { DEFAULT_HANDOFF_POLICY } from './handoffs.ts'
import { createIdentity, loadIdentity, syncFolder } from './identity.ts'
import { compareWithOthers, foldControlEntries } from './joining.ts'
import { refuseLoss } from './leaver.ts'
import { type Leaving, newLeaving } from './leaving.ts'
import { createLedgerVerbs } from './ledger.ts'
import { createMemberVerbs } from './members.ts'
import { continueRebuild, type Rebuild } from './rebuild.ts'
import { beginRebuild, finishMoving, setAsideFiles } from './rebuild-files.ts'
import type { Session } from './session.ts'
import { metricsText, runDoctor, statusView } from './status.ts'
import { createTransferVerbs } from './transfers.ts'
import type { MaloteNode, NetworkVerbs, NodeInit, StatusView, Tuning } from './types.ts'

const HOUR = 3_600_000
/** Times, milliseconds, of a node whose `tuning` says nothing else. */
export const DEFAULT_TUNING: Tuning = {
  heartbeatMs: 10_000,
  headsIntervalMs: 5_000,
  repairGraceMs: 24 * HOUR,
  repairIntervalMs: 60_000,
  retentionMs: 30 * 24 * HOUR,
  drawSilenceMs: 10_000,
  storeCheckMs: FIRST_CHECK_MS,
  rulesVersion: RULES_VERSION,
}
/** For a newcomer to compare heads with other members, ms. */
const COMPARE_MS = 10_000

/** While a newcomer knocks it has no members, and waits for nobody else. */
const NOBODY: Gate = { isMember: () => false, isQuarantined: () => false, mayConnect: () => true }

/**
 * Starts a node on a data folder. `await node.stop()` ends it.
 * @throws {FolderLockedError} when another node runs there @throws {FolderUnusableError}
 * @throws {IdentityDamagedError} @throws {DatabaseDamagedError} @throws {DatabaseNewerError} @throws {ListenError}
 * @example
 * const node = await createNode({ dataDir: './branch' })
 * await node.network.init({ name: 'Agência Horizonte', branch: 'São Paulo' })
 */
export async function createNode(init: NodeInit): Promise<MaloteNode> {
  makeDataFolder(init.dataDir)
  const lock = lockFolder(init.dataDir)
  try {
    const runtime = new Runtime(init, lock)
    await runtime.start()
    return runtime.facade
  } catch (error) {
    lock.release()
    throw error
  }
}

class Runtime {
  readonly facade: MaloteNode
  readonly #init: NodeInit
  readonly #lock: FolderLock
  readonly #folder: string
  readonly #tuning: Tuning
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #events
  readonly #stopping = new AbortController()
  #identity
  #host: NetworkHost | undefined
  #joining: Session | undefined
  #session: Session | undefined
  /** founding, joining and leaving, one after the other */
  #change: Promise<unknown> = Promise.resolve()
  #leaving: Leaving | undefined
  #rebuild: Rebuild | null = null
  #stopped: Promise<void> | undefined

  constructor(init: NodeInit, lock: FolderLock) {
    this.#init = init
    this.#clock = init.clock ?? systemClock
    this.#startedAt = this.#clock.now()
    this.#events = createEventHub(this.#clock, (error) => this.#log('event listener', error))
    this.#lock = lock
    this.#folder = join(init.dataDir, 'network')
    this.#tuning = { ...DEFAULT_TUNING, ...init.tuning }
    this.#identity = loadIdentity(init.dataDir)
    this.facade = this.#createFacade()
  }

  async start(): Promise<void> {
    const hasNetwork = existsSync(join(this.#folder, 'shared.db')) || readAnchor(this.#folder) !== null
    if (hasNetwork) await this.#prepareFolder()
    this.#host = await this.#createHost()
    if (!hasNetwork) return
    try {
      this.#session = await this.#open((ledger) => this.#networkOf(ledger), false)
      await this.#continueRebuild(this.#session)
      this.#writeAnchor(this.#session)
    } catch (error) {
      await this.#session?.close()
      this.#session = undefined
      // founding or joining was cut off before anything was promised to anybody
      if (error instanceof IncompleteNetworkError) this.#removeFolder()
      else {
        await this.#host.stop()
        throw error
      }
    }
  }

  /** @throws {DatabaseDamagedError} when a file is missing that must be there */
  async #prepareFolder(): Promise<void> {
    if (this.#init.rebuild === true) await beginRebuild(this.#folder, (message) => this.#log(message))
    else finishMoving(this.#folder)
    if (readAnchor(this.#folder) === null || setAsideFiles(this.#folder) !== null) return
    for (const name of ['shared.db', 'local.db']) {
      const path = join(this.#folder, name)
      const size = statSync(path, { throwIfNoEntry: false })?.size
      if (size === undefined) throw new DatabaseDamagedError(path, new Error('the file is missing'))
      if (size === 0) throw new DatabaseDamagedError(path, new Error('the file is empty'))
    }
  }

  #networkOf(ledger: Ledger): NetworkId {
    const anchor = readAnchor(this.#folder)
    if (anchor !== null && setAsideFiles(this.#folder) !== null && ledger.network() === null) {
      ledger.join(anchor.network)
      return anchor.network
    }
    const network = ledger.network()
    if (anchor !== null && network !== anchor.network)
      throw new LedgerDamagedError(network === null ? 'the founding entry is missing' : 'it is that of another network')
    if (network === null || ledger.founding() === undefined) throw new IncompleteNetworkError()
    return network
  }

  async #continueRebuild(session: Session): Promise<void> {
    this.#rebuild = await continueRebuild({
      folder: this.#folder,
      session,
      host: this.#hostNow(),
      clock: this.#clock,
      signal: this.#init.signal ?? this.#stopping.signal,
      log: (message, error) => this.#log(message, error),
    })
    if (this.#rebuild !== null) session.integrity.noteRebuild(this.#rebuild.left)
  }

  /** Where others are now, for the day on which nothing else of the network is left here. */
  #writeAnchor(session: Session): void {
    const others = session.presence.list().filter(({ addresses }) => addresses.length > 0)
    others.sort((a, b) => Number(b.connected) - Number(a.connected))
    try {
      writeAnchor(this.#folder, { network: session.network, addresses: others })
    } catch (error) {
      // a full or read-only disk: an older one, or the ledger, tells as much
      this.#log('writing the anchor', error)
    }
  }

  #createFacade(): MaloteNode {
    const session = () => this.#current()
    const runtime = this
    return {
      get id() {
        return runtime.#identity.id
      },
      get addresses() {
        return runtime.#hostNow().addresses()
      },
      network: this.#networkVerbs(),
      members: createMemberVerbs(session),
      files: createFiles({ session }),
      transfers: createTransferVerbs(session),
      ledger: createLedgerVerbs(session),
      events: this.#events,
      status: () => this.#status(),
      doctor: async (options) => {
        if (options?.chunks === true) await session().storeCheck.now(options.signal)
        return runDoctor({
          ...this.#statusInit(),
          verify: () => createLedgerVerbs(session).verify(options),
        })
      },
      metrics: () => metricsText(this.#status(), this.#session ?? null, this.#events),
      stop: () => {
        this.#stopped ??= this.#stop()
        return this.#stopped
      },
    }
  }

  #networkVerbs(): NetworkVerbs {
    return {
      init: (request) =>
        this.#inTurn(async () => {
          this.#refuseMember()
          const recovery = newRecoveryKey()
          const { name, branch, policy } = request
          const body = foundBody({
            name,
            branch,
            sealing: this.#identity.sealing.publicKey,
            recovery: recovery.key.publicKey,
            rules: this.#tuning.rulesVersion,
            ...(policy === undefined ? {} : { policy }),
          })
          this.#session = await this.#openNew((ledger) => ledger.found(body))
          this.#writeAnchor(this.#session)
          this.#tellJoined(this.#session)
          return { status: this.#status(), recoveryKey: recovery.text }
        }),
      register: (request, options = {}) =>
        this.#inTurn(async () => {
          this.#refuseMember()
          await this.#register(
            request,
            AbortSignal.any([this.#stopping.signal, ...(options.signal === undefined ? [] : [options.signal])]),
          )
          return this.#status()
        }),
      unregister: async ({ force = false }, { signal } = {}) => {
        const session = this.#current()
        if (this.#leaving !== undefined) {
          if (!force || this.#leaving.force) throw new LeavingError()
          this.#leaving.force = true
          this.#leaving.follow(signal)
          return { done: this.#leaving.done }
        }
        if (!force) refuseLoss(session)
        const leaving = newLeaving(force)
        leaving.follow(signal)
        leaving.done = this.#inTurn(() => this.#leave(leaving)).finally(() => {
          leaving.follow(undefined)
          this.#leaving = undefined
        })
        leaving.done.catch(() => undefined) // whoever waits for `done` is told
        this.#leaving = leaving
        return { done: leaving.done }
      },
      connect: async () => {
        await this.#current().setConnected(true)
        return this.#status()
      },
      disconnect: async () => {
        await this.#current().setConnected(false)
        return this.#status()
      },
      upgrade: async ({ rules = this.#tuning.rulesVersion } = {}) => {
        this.#current().commands.upgrade(rules)
        return this.#status()
      },
      recover: async ({ recoveryKey }) => {
        this.#current().commands.recover(recoveryKey)
        return this.#status()
      },
    }
  }

  async #register(request: { invite: string; via?: string }, signal: AbortSignal): Promise<void> {
    const host = this.#hostNow()
    const joiner = createJoiner({
      host,
      clock: this.#clock,
      random: systemRandom,
      signer: this.#identity.signing,
      sealing: this.#identity.sealing.publicKey,
      enter: (network) => host.useNetwork(network, NOBODY),
      abandon: () => host.useNetwork(null, NOBODY),
      rules: this.#tuning.rulesVersion,
      fold: (network, entries) => foldControlEntries(network, entries, this.#tuning.rulesVersion),
      onAdmitted: async ({ addresses, ticket, from, grants }) => {
        for (const peer of addresses) host.learn(peer.node, [...peer.addresses])
        const session = await this.#openNew((ledger) => {
          ledger.join(ticket.network)
          return ticket.network
        })
        this.#joining = session
        try {
          // without the ledger of the one that admitted it this node does not know its own network
          await session.sync.fetch(from, { signal })
          for (const peer of addresses) session.presence.learn(peer.node, peer.addresses)
          await this.#takeGrants(session, grants, from)
          await this.#compare(session, { from, ticket, addresses }, signal)
        } catch (error) {
          await session.close()
          this.#removeFolder()
          throw error
        } finally {
          this.#joining = undefined
        }
        this.#session = session
        this.#writeAnchor(session)
      },
    })
    await joiner.register(request, { signal })
    this.#tellJoined(this.#current())
  }

  /** What its admitter gives is a help, not a condition: keys that are none are asked of any reader. */
  async #takeGrants(session: Session, grants: Uint8Array, from: NodeId): Promise<void> {
    try {
      await session.sharing.grants.takeGrants(grants)
    } catch (error) {
      if (!(error instanceof SealBrokenError || error instanceof DecodeError)) throw error
      this.#log(`source ${from}: false-keys`, error)
    }
  }

  /** Admitted is admitted: what cannot be compared now is compared by the sync that goes on, and `status` tells until then. */
  async #compare(
    session: Session,
    { from, ticket, addresses }: Pick<Admitted, 'from' | 'ticket' | 'addresses'>,
    signal: AbortSignal,
  ): Promise<void> {
    const isOther = (node: NodeId) => node !== from && node !== session.self
    const named = new Map<NodeId, string[]>()
    for (const address of ticket.addresses) {
      const node = address.slice(address.lastIndexOf('/') + 1) as NodeId
      if (isOther(node)) named.set(node, [...(named.get(node) ?? []), address])
    }
    for (const [node, list] of named) this.#hostNow().learn(node, list)
    session.setAdmittedBy(from)
    const answered = await compareWithOthers({
      named: [...named.keys()].filter(session.members.isMember),
      others: addresses.map(({ node }) => node).filter((node) => isOther(node) && session.members.isMember(node)),
      random: systemRandom,
      signal: AbortSignal.any([signal, AbortSignal.timeout(COMPARE_MS)]),
      compare: (peer, both) => session.sync.fetch(peer, { signal: both }),
      onFailure: (peer, error) => {
        if (!this.#stopping.signal.aborted) this.#log(`comparing heads with ${peer}`, error)
      },
    })
    signal.throwIfAborted()
    if (answered.length > 0) session.setAdmittedBy(null)
    session.trust()
  }

  async #leave(leaving: Leaving): Promise<void> {
    const session = this.#current()
    await session.leave({
      get force() {
        return leaving.force
      },
      signal: this.#stopping.signal,
      cancel: leaving.cancelled,
      onProgress: (progress) => this.#events.emit('leave:progress', progress),
    })
    const { network } = session
    this.#session = undefined
    await this.#rebuild?.stop()
    this.#rebuild = null
    await session.close()
    await this.#hostNow().stop()
    this.#removeFolder()
    // a PeerId that left does not come back: the next network meets somebody else
    this.#identity = createIdentity(this.#init.dataDir)
    this.#host = await this.#createHost()
    this.#events.emit('network:left', { network })
  }

  #open(begin: (ledger: Ledger) => NetworkId, isNew: boolean): Promise<Session> {
    return openSession({
      folder: this.#folder,
      identity: this.#identity,
      host: this.#hostNow(),
      clock: this.#clock,
      random: systemRandom,
      events: this.#events,
      tuning: this.#tuning,
      capacity: this.#init.capacity ?? null,
      handoffs: { ...DEFAULT_HANDOFF_POLICY, ...this.#init.handoffs },
      begin,
      isRebuilding: setAsideFiles(this.#folder) !== null,
      isNew,
      log: (message, error) => this.#log(message, error),
    })
  }

  async #openNew(begin: (ledger: Ledger) => NetworkId): Promise<Session> {
    this.#removeFolder()
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    syncFolder(this.#init.dataDir)
    try {
      return await this.#open(begin, true)
    } catch (error) {
      this.#removeFolder()
      throw error
    }
  }

  #createHost(): Promise<NetworkHost> {
    const { listen, port = DEFAULT_PORT } = this.#init
    return listen === undefined
      ? atPort(port, this.#init.transports, (addresses) => this.#createHostAt(addresses))
      : this.#createHostAt(listen)
  }

  #createHostAt(listen: string[]): Promise<NetworkHost> {
    const { transports, announce, relay, relayLimit, mdns, upnp, lanes } = this.#init
    return createHost({
      signingKey: this.#identity.signing,
      listen,
      clock: this.#clock,
      log: (message, error) => this.#log(message, error),
      ...(transports === undefined ? {} : { transports }),
      ...(announce === undefined ? {} : { announce }),
      ...(relay === undefined ? {} : { relay }),
      ...(relayLimit === undefined ? {} : { relayLimit }),
      ...(mdns === undefined ? {} : { mdns }),
      ...(upnp === undefined ? {} : { upnp }),
      ...(lanes === undefined ? {} : { lanes }),
    })
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#change.catch(() => undefined)
    const session = this.#session
    this.#session = undefined
    await this.#rebuild?.stop()
    if (session !== undefined) this.#writeAnchor(session)
    await session?.close()
    await this.#host?.stop()
    this.#lock.release()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#change.then(work, work)
    this.#change = done.catch(() => undefined)
    return done
  }

  #current(): Session {
    if (this.#session === undefined) throw new NoNetworkError()
    return this.#session
  }

  #hostNow(): NetworkHost {
    if (this.#host === undefined) throw new TypeError('the node is not running')
    return this.#host
  }

  #refuseMember(): void {
    const name = this.#session?.state.membership().network?.name
    if (this.#session !== undefined) throw new AlreadyMemberError(name ?? this.#session.network)
  }

  #tellJoined(session: Session): void {
    this.#events.emit('network:joined', {
      network: session.network,
      name: session.state.membership().network?.name ?? '',
    })
  }

  #statusInit() {
    return {
      host: this.#hostNow(),
      session: this.#session ?? null,
      joining: this.#joining ?? null,
      isLeaving: this.#leaving !== undefined,
      rulesVersion: this.#tuning.rulesVersion,
      startedAt: this.#startedAt,
      now: this.#clock.now(),
    }
  }

  #status(): StatusView {
    return statusView(this.#statusInit())
  }

  #removeFolder(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #log(message: string, error?: unknown): void {
    this.#init.log?.(message, error)
  }
}
