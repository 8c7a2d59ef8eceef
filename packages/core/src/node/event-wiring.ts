/** What the rooms tell, as the events of the facade. Only what this branch may see has a name here. */
import type { FileChange, MemberChange, SharedChange, SharedFile, ViewEvent } from '../catalogue/index.ts'
import { type BranchId, type EntryId, type FileId, idFrom } from '../ids.ts'
import { disputeWarnings } from './disputes.ts'
import type { EventHub } from './events.ts'
import { forkWarnings } from './feed-warnings.ts'
import { entryView } from './ledger.ts'
import type { Session } from './session.ts'
import { transferView } from './views.ts'

/** Entries of a bulk catch-up are not told one by one: whoever wants them all reads the ledger from its cursor. */
const MAX_TOLD_ENTRIES = 200

export interface EventWiring {
  /** Before the views are brought up to date: what changed is told with the view that follows. */
  sharedChanged(change: SharedChange): void
  stop(): void
}

/** @param init.after arrival number; entries that arrived later are told */
export function wireEvents(session: Session, events: EventHub, init: { after: number }): EventWiring {
  const { ledger, transfers, sharing } = session
  /** changes of files that are visible, until their view has followed */
  const changes = new Map<FileId, FileChange>()
  /** offers that were found to contradict each other */
  const disputed = new Set<EntryId>(session.state.marks().map(({ entry }) => entry))
  let arrival = init.after

  function tellMember({ before, after }: MemberChange): void {
    if (after === null) return
    const told = { node: after.node, branch: session.members.branchLabel(after.branch) }
    if (before === null) events.emit('member:joined', told)
    else events.emit('member:changed', { ...told, state: after.state, role: after.role })
  }

  function tellView(event: ViewEvent): void {
    const { file: fileId } = event
    const change = changes.get(fileId)
    changes.delete(fileId)
    if (!('view' in event)) events.forgetName(fileId)
    if (event.type === 'purged') events.emit('file:purged', { fileId })
    if (event.type === 'hidden') events.emit('file:hidden', { fileId })
    if (!('view' in event)) return
    const { name, version } = event.view
    if (event.type === 'visible') events.emit('file:published', { fileId, name, version })
    if (change?.before != null && change.after !== null) tellChange(change.before, change.after, name)
  }

  function tellChange(
    before: NonNullable<FileChange['before']>,
    after: NonNullable<FileChange['after']>,
    name: string,
  ): void {
    const fileId = after.file
    if (before.state !== 'deleted' && after.state === 'deleted') events.emit('file:deleted', { fileId })
    if (before.state === 'deleted' && after.state === 'live')
      events.emit('file:restored', { fileId, version: after.version })
    if (after.version > before.version) events.emit('file:updated', { fileId, name, version: after.version })
    if (after.owner !== before.owner) {
      const owner = session.nodeOf(after.owner)
      events.emit('file:owner', { fileId, owner, branch: session.members.branchLabel(after.owner) })
    }
    if (after.offer !== null && after.offer.entry !== before.offer?.entry) {
      events.emit('handoff:offered', { fileId, from: session.nodeOf(after.owner), to: session.nodeOf(after.offer.to) })
    }
    if (before.offer !== null && after.offer === null) {
      events.emit('handoff:ended', { fileId, outcome: outcomeOf(fileId, before.offer, after.owner) })
    }
  }

  /** An offer that is open no more, and did not make its receiver the owner, was declined or taken back. */
  function outcomeOf(
    file: FileId,
    offer: NonNullable<SharedFile['offer']>,
    owner: BranchId,
  ): 'accepted' | 'declined' | 'cancelled' {
    if (owner === offer.to) return 'accepted'
    const acts = session.state.membership().acts.get(file) ?? []
    const declined = acts.some((act) => act.kind === 'decline' && idFrom<EntryId>(act.body.of) === offer.entry)
    return declined ? 'declined' : 'cancelled'
  }

  /** Once for each offer, when its contradiction has become known. */
  function tellDisputes(fileChanges: readonly FileChange[]): void {
    for (const { file } of fileChanges) {
      const fresh = session.state.marksOfFile(file).filter(({ entry }) => !disputed.has(entry))
      for (const { entry } of fresh) disputed.add(entry)
      for (const { code, message } of disputeWarnings(session, fresh, { named: false }))
        events.emit('warning', { code, message })
    }
  }

  function tellEntries(): void {
    if (ledger.count() - arrival > MAX_TOLD_ENTRIES) arrival = ledger.count()
    for (const stored of ledger.page(arrival, MAX_TOLD_ENTRIES)) {
      arrival = stored.arrival
      events.emit('ledger:entry', entryView(session, stored))
    }
  }

  const leave = [
    sharing.views.onChange(tellView),
    ledger.onEntries(tellEntries),
    transfers.onProgress((status) => events.emit('transfer:progress', transferView(session, status))),
    transfers.onEnded((status) => events.emit('transfer:ended', transferView(session, status))),
  ]
  return {
    sharedChanged({ fileChanges, memberChanges, forks }) {
      for (const each of memberChanges) tellMember(each)
      for (const { code, message } of forkWarnings(session, forks)) events.emit('warning', { code, message })
      tellDisputes(fileChanges)
      for (const each of fileChanges) if (sharing.views.get(each.file) !== null) changes.set(each.file, each)
    },
    stop() {
      for (const each of leave) each()
    },
  }
}
