/** What each change causes elsewhere: one place to see what follows from an entry, a statement, a connection. */
import type { SharedChange, SharedState, Sharing } from '../catalogue/index.ts'
import type { BoxStore, ContentStore } from '../content/index.ts'
import type { FileId, NodeId, Root } from '../ids.ts'
import type { Ledger } from '../ledger/index.ts'
import type { Members } from '../membership/index.ts'
import type { Facts, Host, Presence } from '../network/index.ts'
import type { Draw, Replicator } from '../replication/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Bell } from './bell.ts'
import type { EventHub } from './events.ts'
import { EVERYTHING, type NodeHoldings } from './holdings.ts'

export interface ReactionsInit {
  readonly self: NodeId
  readonly host: Host
  readonly state: SharedState
  readonly members: Members
  readonly sharing: Sharing
  readonly store: ContentStore
  readonly boxes: BoxStore
  readonly transfers: Transfers
  readonly facts: Facts
  readonly presence: Presence
  readonly ledger: Ledger
  readonly holdings: NodeHoldings
  readonly replicator: Replicator
  readonly draw: Draw
  readonly events: EventHub
  readonly bell: Bell
  readonly log: (message: string, error?: unknown) => void
}

export interface Reactions {
  /** After the commit of entries. */
  sharedChanged(change: SharedChange): void
  lookAtRoot(root: Root): void
  /** Ends the transfer of a version, removes its chunks, and says so. */
  forgetRoot(root: Root): Promise<void>
  stop(): Promise<void>
}

export function createReactions(rooms: ReactionsInit): Reactions {
  const { self, host, state, members, sharing, store, boxes, transfers, facts, presence } = rooms
  const { holdings, replicator, draw, events, bell } = rooms

  /** what is under way and nobody but `stop` waits for */
  const running = new Set<Promise<void>>()

  function inBackground(what: string, work: Promise<unknown>): void {
    const settled = work
      .then(
        () => undefined,
        (error: unknown) => rooms.log(what, error),
      )
      .finally(() => running.delete(settled))
    running.add(settled)
  }

  function lookAtRoot(root: Root): void {
    const version = state.versionOfRoot(root)
    if (version !== null) replicator.look(version.file)
  }

  function membersChanged(gone: readonly NodeId[]): void {
    presence.refresh()
    facts.refresh()
    replicator.lookAtAll()
    inBackground('asking again who may be served', transfers.recheck())
    for (const node of gone) {
      facts.forget(node)
      inBackground('hanging up', host.hangUp(node))
    }
  }

  /** Purged versions go, replaced roots too; who is being served is asked again whether it still may. */
  async function tidy(file: FileId): Promise<void> {
    const isPurged = state.file(file)?.state === 'purged'
    for (const { root, formerRoots } of state.versions(file)) {
      if (isPurged) await forgetRoot(root)
      else inBackground('asking again who may be served', transfers.recheck(root))
      const isReplaced = isPurged || store.stat(root)?.complete === true
      if (isReplaced) for (const former of formerRoots) await forgetRoot(former)
    }
    if (isPurged) for (const box of state.boxesOf(file)) boxes.remove(box)
  }

  async function forgetRoot(root: Root): Promise<void> {
    if (store.stat(root) === null && transfers.byRoot(root) === null) return
    await transfers.cancelRoot(root)
    await store.remove(root)
    holdings.say(root, 'none')
  }

  const leave = [
    store.onChange((root) => {
      lookAtRoot(root)
      bell.ring()
    }),
    facts.onChange(({ topic, key, node }) => {
      if (topic === 'pass') draw.look()
      else if (key === EVERYTHING) replicator.lookAtAll()
      else if (topic === 'hold' || topic === 'decline') {
        const root = key as Root
        lookAtRoot(root)
        if (node !== self) transfers.refresh(root)
      }
      bell.ring()
    }),
    presence.onChange(({ type, node }) => {
      const branch = members.get(node)?.branch
      if (branch !== undefined && type !== 'changed') {
        events.emit(`member:${type}`, { node, branch: members.branchLabel(branch) })
      }
      if (type === 'connected') transfers.refresh()
      draw.look()
      bell.ring()
    }),
    rooms.ledger.onEntries(bell.ring),
    sharing.views.onChange(({ file }) => {
      replicator.look(file)
      bell.ring()
    }),
  ]

  return {
    lookAtRoot,
    forgetRoot,
    sharedChanged(change) {
      sharing.changed(change)
      if (change.members) membersChanged(change.gone)
      for (const file of change.files) {
        replicator.look(file)
        inBackground('tidying up after a change', tidy(file))
      }
      draw.look()
      bell.ring()
    },
    async stop() {
      for (const each of leave) each()
      await Promise.all(running)
    },
  }
}
