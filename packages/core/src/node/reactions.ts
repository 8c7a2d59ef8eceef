/** What each change causes elsewhere: one place to see what follows from an entry, a statement, a connection. */
import { boxesOf, type FileChange, type SharedChange, type SharedState, type Sharing } from '../catalogue/index.ts'
import type { BoxStore, ContentStore } from '../content/index.ts'
import type { BoxHash, FileId, NodeId, Root } from '../ids.ts'
import type { Ledger } from '../ledger/index.ts'
import type { Members } from '../membership/index.ts'
import type { Facts, Host, Presence } from '../network/index.ts'
import type { Draw, Replicator } from '../replication/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Bell } from './bell.ts'
import type { EventHub } from './events.ts'
import { EVERYTHING, type NodeHoldings } from './holdings.ts'
import { isOfUse } from './stored-roots.ts'

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
  /** One has connected. */
  onMember(): void
  /** A member states what it holds of a version. */
  onClaim(root: Root, node: NodeId): void
  /** A member does not believe this node's copy. */
  onDoubted(root: Root, by: NodeId): void
  readonly log: (message: string, error?: unknown) => void
}

export interface Reactions {
  /** After the commit of entries. */
  sharedChanged(change: SharedChange): void
  lookAtRoot(root: Root): void
  /** Ends the transfer of a version of this file, removes its chunks, and says so. Not if it is another file's version. */
  forgetRoot(file: FileId, root: Root): Promise<void>
  /** All that this node holds of a file: chunks of every version, and boxes. */
  forgetFile(file: FileId): Promise<void>
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

  function goOnWith(node: NodeId): void {
    inBackground('going on with transfers', transfers.sourceCame(node))
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
    if (state.file(file)?.state === 'purged') return await forgetFile(file)
    for (const { root, formerRoots } of state.versions(file)) {
      inBackground('asking again who may be served', transfers.recheck(root))
      for (const former of formerRoots) if (!isOfUse(former, state, store)) await forgetRoot(file, former)
    }
  }

  async function forgetFile(file: FileId): Promise<void> {
    for (const { root, formerRoots } of state.versions(file)) {
      for (const each of [root, ...formerRoots]) await forgetRoot(file, each)
    }
    removeBoxes(file, state.boxesOf(file))
  }

  /** Naming a box in a file of one's own must give no say over the file that it belongs to. */
  function removeBoxes(file: FileId, hashes: Iterable<BoxHash>): void {
    for (const hash of hashes) {
      if (boxes.has(hash) && (state.boxOwner(hash)?.file ?? file) === file) boxes.remove(hash)
    }
  }

  /**
   * Boxes that were replaced go when their access epoch is closed, everywhere: nobody needs them, and whoever has the
   * epoch's key must not find them. A holder that never had a key lets go of all that it may not serve any more; readers
   * need the boxes of older versions.
   */
  function pruneBoxes({ file, before, after }: FileChange): void {
    if (before === null || after === null) return
    const versions = state.versions(file)
    const isReader = state.epochs(file).some(({ epoch }) => sharing.keyring.fileKey(file, epoch) !== null)
    const needed = boxesOf({ file: after, versions: versions.filter(({ epoch }) => isReader || epoch >= after.epoch) })
    const known = isReader ? sharing.keyring.boxesOf(file, after.epoch - 1) : [...boxesOf({ file: before, versions })]
    removeBoxes(
      file,
      known.filter((hash) => after.state === 'purged' || !needed.has(hash)),
    )
  }

  async function forgetRoot(file: FileId, root: Root): Promise<void> {
    // naming a root in a file of one's own must give no say over the chunks of the file that it belongs to
    const version = state.versionOfRoot(root)
    if (version !== null && version.file !== file) return
    if (store.stat(root) === null && transfers.byRoot(root) === null) return
    holdings.say(root, 'none') // before it is true, never after
    await transfers.cancelRoot(root)
    await store.remove(root)
    holdings.say(root, 'none')
  }

  /** The newly sealed version is complete: what it replaces can go. */
  function dropReplaced(root: Root): void {
    const version = store.stat(root)?.complete === true ? state.versionOfRoot(root) : null
    if (version !== null && version.formerRoots.length > 0) inBackground('tidying up', tidy(version.file))
  }

  const leave = [
    store.onChange((root) => {
      lookAtRoot(root)
      dropReplaced(root)
      bell.ring()
    }),
    facts.onChange(({ topic, key, node }) => {
      if (topic === 'pass') draw.look()
      else if (key === EVERYTHING) replicator.lookAtAll()
      else if (topic === 'hold' || topic === 'decline') {
        const root = key as Root
        lookAtRoot(root)
        if (node !== self) {
          transfers.refresh(root)
          if (topic === 'hold' && presence.isConnected(node)) goOnWith(node)
        }
        if (node !== self && topic === 'hold') rooms.onClaim(root, node)
      } else if (topic === 'doubt') {
        const root = key as Root
        lookAtRoot(root)
        if (node !== self && holdings.doubted(node, root).has(self)) rooms.onDoubted(root, node)
      }
      bell.ring()
    }),
    presence.onChange(({ type, node }) => {
      const branch = members.get(node)?.branch
      if (branch !== undefined && type !== 'changed') {
        events.emit(`member:${type}`, { node, branch: members.branchLabel(branch) })
      }
      if (type === 'connected') {
        transfers.refresh()
        goOnWith(node)
        rooms.onMember()
      }
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
    forgetFile,
    sharedChanged(change) {
      sharing.changed(change)
      if (change.members) membersChanged(change.gone)
      for (const file of change.files) {
        replicator.look(file)
        inBackground('tidying up after a change', tidy(file))
      }
      for (const each of change.fileChanges) pruneBoxes(each)
      draw.look()
      bell.ring()
    },
    async stop() {
      for (const each of leave) each()
      await Promise.all(running)
    },
  }
}
