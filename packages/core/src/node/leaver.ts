/** What `runLeave` needs, from the rooms. */
import type { SharedState } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { ContentStore } from '../content/index.ts'
import type { FileId, NodeId } from '../ids.ts'
import type { Sync } from '../ledger/index.ts'
import type { Commands, Members } from '../membership/index.ts'
import type { Presence } from '../network/index.ts'
import { type LeaveOptions, type LeaveProgress, type Replicator, runLeave, targetCopies } from '../replication/index.ts'
import type { Bell } from './bell.ts'
import { LastBranchError, OnlyAdminError } from './errors.ts'
import type { NodeHoldings } from './holdings.ts'
import type { Session } from './session.ts'
import type { Versions } from './session-versions.ts'

/** Beyond the candidates' own time, for entries to travel. */
const DRAW_SLACK_MS = 20_000

export interface LeaverInit {
  self: NodeId
  state: SharedState
  members: Members
  commands: Commands
  holdings: NodeHoldings
  replicator: Replicator
  store: ContentStore
  sync: Sync
  presence: Presence
  bell: Bell
  clock: Clock
  versions: Versions
  silenceMs: number
}

export function createLeaver(init: LeaverInit): Session['leave'] {
  const { self, state, members, commands, holdings, replicator, store, sync, presence, bell, clock, versions } = init
  const ownBranch = versions.ownBranch(self)

  function others() {
    const all = members.currentMembers().filter(({ node }) => node !== self)
    const online = all.filter(({ node }) => presence.isConnected(node)).length
    return { total: all.length, online, expected: presence.isOpen() ? all.length : 0 }
  }

  /** Copies that must be elsewhere: the target without this node, as far as there are others who can hold them. */
  function drained(): { done: number; hopeless: number; total: number } {
    const holders = members
      .currentMembers()
      .filter(({ node, state: standing }) => node !== self && standing === 'member')
    const target = targetCopies(Math.max(holders.length, 1), state.membership().network)
    let done = 0
    let hopeless = 0
    let total = 0
    for (const file of state.liveFiles()) {
      const version = versions.live(file)
      if (version === null || store.stat(version.shape.root)?.complete !== true) continue
      total += 1
      // whoever may not or cannot hold it, offers no room or is gone cannot be waited for
      const able = replicator.placement(version).filter((node) => node !== self)
      const needed = Math.min(target, able.length)
      if (needed === 0) hopeless += 1
      else if (replicator.completeHolders(version).filter((node) => node !== self).length >= needed) done += 1
    }
    return { done, hopeless, total }
  }

  /** Every candidate that is there has said of every file that is left that it will not take it: there is nothing to wait for. */
  function haveAllPassed(): boolean {
    const departure = state.membership().departures.get(ownBranch())
    if (departure === undefined) return false
    const online = departure.candidates.filter((node) => presence.isConnected(node))
    for (const file of state.filesOwnedBy(ownBranch())) {
      if (!online.every((node) => holdings.hasPassed(departure.seed, file, node))) return false
    }
    return true
  }

  return (options: LeaveOptions & { onProgress: (progress: LeaveProgress) => void }) =>
    runLeave(
      {
        clock,
        beginDrain() {
          holdings.drain(true)
          replicator.lookAtAll()
        },
        endDrain: () => holdings.drain(false),
        drained,
        others,
        leave() {
          const standing = state.membership().departures.get(ownBranch())
          return standing !== undefined && standing.left === null ? standing.seed : commands.leave()
        },
        ownFiles: () => [...state.filesOwnedBy(ownBranch())],
        drawStallMs() {
          const { online } = others()
          return online === 0 || haveAllPassed() ? 0 : online * init.silenceMs + DRAW_SLACK_MS
        },
        left: (_leave, orphans: readonly FileId[], force) => commands.left({ accepted: [], orphans, force }),
        notYetTold: () => sync.peerHeads().filter(({ peer, inSync }) => !inSync && presence.isConnected(peer)).length,
        onChange: bell.on,
        onProgress: options.onProgress,
      },
      options,
    )
}

/**
 * What only `force` may do, before anything is written.
 * @throws {LastBranchError} its files would go with it @throws {OnlyAdminError} nobody could admit or expel any more
 */
export function refuseLoss({ self, members, state, ownBranch }: Session): void {
  const hasOthers = members.currentMembers().some(({ node }) => node !== self)
  if (!hasOthers) {
    const files = new Set([...state.liveFiles(), ...state.filesOwnedBy(ownBranch())])
    if (files.size > 0) throw new LastBranchError(files.size)
  } else if (members.isAdmin(self) && members.admins().length === 1) throw new OnlyAdminError()
}
