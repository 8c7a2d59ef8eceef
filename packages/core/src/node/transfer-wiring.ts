/** Transfers and the memory of faulty sources, with what they ask of the other rooms. */
import type { SharedState, Sharing } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { ContentStore } from '../content/index.ts'
import type { Database } from '../database/index.ts'
import type { NodeId, Root } from '../ids.ts'
import type { Members } from '../membership/index.ts'
import type { NetworkHost, Presence } from '../network/index.ts'
import type { Random } from '../random.ts'
import { challenge, createTransfers, type Transfers } from '../transfer/index.ts'
import type { Access } from './access.ts'
import { createFaultySources, type FaultySources } from './faulty-sources.ts'
import type { NodeHoldings } from './holdings.ts'
import type { Kept } from './local-state.ts'
import type { SealAnew } from './seal-anew.ts'
import { shapeOf, type Versions } from './session-versions.ts'
import { nearestFirst } from './source-order.ts'

export interface TransferWiring {
  readonly self: NodeId
  readonly db: Database
  readonly clock: Clock
  readonly random: Random
  readonly host: NetworkHost
  readonly presence: Pick<Presence, 'isConnected'>
  readonly state: SharedState
  readonly members: Members
  readonly versions: Versions
  readonly access: Access
  readonly sharing: Sharing
  readonly store: ContentStore
  readonly holdings: NodeHoldings
  readonly kept: Kept
  readonly sealAnew: () => Pick<SealAnew, 'can' | 'seal'>
  /** what is here of a version has changed by itself */
  lookAtRoot(root: Root): void
  readonly log: (message: string, error?: unknown) => void
}

export function createTransferring(rooms: TransferWiring): { transfers: Transfers; faultySources: FaultySources } {
  const { self, clock, random, host, presence, state, members, access, sharing, store, holdings, kept, log } = rooms

  const faultySources = createFaultySources({
    clock,
    log,
    async hasLost(peer, root, index, signal) {
      const version = state.versionOfRoot(root)
      if (version === null) return false
      const proof = access.proofFor(root, peer)
      const shown = proof === undefined ? {} : { proof }
      // nothing here to compare with: what counts is whether it still says that it has it
      const [nonce, expected] = [random.bytes(32), random.bytes(32)]
      const asked = { host, clock, peer, version: shapeOf(version), index, nonce, expected, signal, ...shown }
      return (await challenge(asked)) === 'missing'
    },
  })

  function sourcesOf(root: Root): NodeId[] {
    const holders = holdings.holders(root)
    const version = state.versionOfRoot(root)
    const owner = version === null ? [] : [version.author, members.branchOf(version.author)?.node ?? version.author]
    const nodes = [...holders.keys(), ...owner].filter((node) => node !== self && members.isMember(node))
    const trips = new Map(host.connections().map(({ peer, rttMs }) => [peer, rttMs]))
    return nearestFirst(faultySources.without(root, nodes), {
      isConnected: (node) => presence.isConnected(node),
      hasAll: (node) => holders.get(node) === 'all',
      tripMs: (node) => trips.get(node) ?? undefined,
    })
  }

  function proofFor(root: Root, peer: NodeId): Uint8Array | undefined {
    const proof = access.proofFor(root, peer)
    // whoever has just connected may give the ticket that others did not
    if (proof === undefined) {
      access
        .seekTicket(root)
        .then((isNew) => isNew && transfers.refresh(root))
        .catch((error: unknown) => log('seeking a ticket', error))
    }
    return proof
  }

  const transfers = createTransfers({
    db: rooms.db,
    store,
    host,
    clock,
    random,
    sourcesOf,
    relatedTo: rooms.versions.related,
    isWanted: (file) => kept.has(file) && sharing.views.gaveUp(file) === null,
    makeHere: (root) => (rooms.sealAnew().can(root) ? rooms.sealAnew().seal(root) : null),
    mayFetch: access.mayFetch,
    proofFor,
    onStarted: (root) => holdings.say(root, 'partial'),
    onDamaged: (root) => rooms.lookAtRoot(root),
    onSourceProblem(problem) {
      const { peer, kind, root } = problem
      log(`source ${peer}: ${kind} of ${root.slice(0, 12)}`)
      faultySources.told(problem)
    },
    onProblem: (error) => log('transfers', error),
  })
  return { transfers, faultySources }
}
