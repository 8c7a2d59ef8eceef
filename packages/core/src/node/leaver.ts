/** What `runLeave` needs, from the rooms. */
import type { SharedState } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { ContentStore } from '../content/index.ts'
import type { FileId, NodeId } from '../ids.ts'
import type { Sync } from '../ledger/index.ts'
import type { Commands, Members } from '../membership/index.ts'
import type { Presence } from '../network/index.ts'
import { type LeaveProgress, type Replicator, runLeave, targetCopies } from '../replication/index.ts'
import type { Bell } from './bell.ts'
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

  /** Copies that must be elsewhere: the target without this node, as far as there are others who can hold them. */
  function drained(): { done: number; total: number } {
    const others = members
      .currentMembers()
      .filter(({ node, state: standing }) => node !== self && standing === 'member')
    const target = targetCopies(Math.max(others.length, 1), state.membership().network?.maxCopies ?? null)
    let done = 0
    let total = 0
    for (const file of state.liveFiles()) {
      const version = versions.live(file)
      if (version === null || store.stat(version.shape.root)?.complete !== true) continue
      total += 1
      // whoever may not or cannot hold it cannot be waited for
      const declines = holdings.declines(version.shape.root)
      const needed = Math.min(target, others.filter(({ node }) => !declines.has(node)).length)
      if (replicator.completeHolders(version).filter((node) => node !== self).length >= needed) done += 1
    }
    return { done, total }
  }

  return (options: { force: boolean; signal: AbortSignal; onProgress: (progress: LeaveProgress) => void }) =>
    runLeave(
      {
        clock,
        beginDrain() {
          holdings.drain(true)
          replicator.lookAtAll()
        },
        endDrain: () => holdings.drain(false),
        drained,
        leave() {
          const standing = state.membership().departures.get(ownBranch())
          return standing !== undefined && standing.left === null ? standing.seed : commands.leave()
        },
        ownFiles: () => [...state.filesOwnedBy(ownBranch())],
        drawStallMs() {
          const online = members.currentMembers().filter(({ node }) => presence.isConnected(node)).length
          return online === 0 ? 0 : online * init.silenceMs + DRAW_SLACK_MS
        },
        left: (_leave, orphans: readonly FileId[], force) => commands.left({ accepted: [], orphans, force }),
        notYetTold: () => sync.peerHeads().filter(({ peer, inSync }) => !inSync && presence.isConnected(peer)).length,
        onChange: bell.on,
        onProgress: options.onProgress,
      },
      options,
    )
}
