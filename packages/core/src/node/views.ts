/** From what the rooms know to the JSON shapes of the facade. Reads only. */
import { deniedAmong, type FileRecord, type SharedVersion, type VisibleFile } from '../catalogue/index.ts'
import type { BranchId, NodeId, Root } from '../ids.ts'
import type { InviteInfo, Member } from '../membership/index.ts'
import type { LiveVersion } from '../replication/index.ts'
import type { TransferStatus } from '../transfer/index.ts'
import { isDisputed } from './disputes.ts'
import type { Session } from './session.ts'
import type { FileView, InviteView, NodeView, TransferView, VersionView } from './types.ts'

const iso = (ms: number) => new Date(ms).toISOString()

export function fileView(session: Session, view: VisibleFile): FileView {
  const record = session.state.record(view.file)
  const version = record === null ? null : (session.liveVersionOf(record) ?? versionInTrash(session, view, record))
  const offer = record?.file.offer
  return {
    id: view.file,
    name: view.name,
    size: view.size,
    type: view.type,
    version: view.version,
    owner: branchView(session, view.owner),
    createdAt: iso(view.created),
    updatedAt: iso(view.updated),
    campaign: view.campaign,
    tags: [...view.tags],
    audience: view.list.mode,
    denied: deniedAmong(view.list, session.livingBranches()).map((branch) => session.nodeOf(branch)),
    copies: version === null ? { held: 0, target: 0 } : session.replicator.copies(version),
    local: version === null ? 'none' : localState(session, version.shape.root),
    state: view.state,
    handoff: offer == null ? null : { to: branchView(session, offer.to), since: iso(offer.ms) },
    disputed: isDisputed(session, view.file),
    hasPreview: view.preview !== null,
  }
}

/** Nobody makes copies of it any more, but those that there are stay for the retention. */
function versionInTrash(session: Session, view: VisibleFile, { versions }: FileRecord): LiveVersion | null {
  const version = versions.find((each) => each.version === view.version && !each.conflict)
  return view.state !== 'deleted' || version === undefined ? null : session.asVersion(version)
}

export function versionView(session: Session, view: VisibleFile, version: SharedVersion): VersionView {
  const meta = session.sharing.views.metaOf(view.file, version.version)
  return {
    version: version.version,
    size: version.size,
    name: meta?.name ?? view.name,
    createdAt: iso(version.ms),
    author: { id: version.author, branch: session.members.branchLabel(version.branch) },
    current: version.version === view.version && !version.conflict,
    conflict: version.conflict,
    local: localState(session, version.root),
    copies: session.replicator.copies(session.asVersion(version)),
  }
}

export function localState(session: Session, root: Root): FileView['local'] {
  const stored = session.store.stat(root)
  if (stored === null) return 'none'
  if (stored.complete) return 'complete'
  return stored.held > 0 ? 'partial' : 'none'
}

export function branchView(session: Session, branch: BranchId): { id: string; branch: string } {
  return { id: session.nodeOf(branch), branch: session.members.branchLabel(branch) }
}

export function nodeView(session: Session, member: Member): NodeView {
  const self = member.node === session.self
  const presence = session.presence.get(member.node)
  const connection = session.host.connections().find((each) => each.peer === member.node)
  return {
    id: member.node,
    branch: session.members.branchLabel(member.branch),
    role: member.role,
    connected: self ? session.presence.isOpen() : presence.connected,
    lastSeen: self ? iso(session.clock.now()) : presence.lastSeen === null ? null : iso(presence.lastSeen),
    path: connection?.path ?? null,
    pathKind: connection?.kind ?? null,
    rttMs: connection?.rttMs ?? presence.rttMs,
    bytesPerSecond: connection?.bytesPerSecond ?? null,
    paths: (connection?.paths ?? []).map(({ kind, address, ageMs, rttMs, bytesPerSecond }) => ({
      kind,
      address,
      ageSeconds: Math.floor(ageMs / 1000),
      rttMs,
      bytesPerSecond,
    })),
    self,
    state: member.state,
    addresses: self ? session.host.addresses() : [...presence.addresses],
    marks: marksOf(session, member),
  }
}

/** Of its admission, of how it dealt with files, of its feeds. */
function marksOf({ state }: Session, { node, marks }: Member): string[] {
  const ofFiles = state.marksOf(node).map(({ mark }) => mark)
  const ofFeeds = state.forks().some((fork) => fork.node === node) ? ['feed-forked'] : []
  return [...new Set([...marks, ...ofFiles, ...ofFeeds])]
}

export function transferView(session: Session, status: TransferStatus): TransferView {
  const kinds = new Map(session.host.connections().map(({ peer, kind }) => [peer, kind]))
  return {
    id: status.id,
    kind: status.kind,
    fileId: status.fileId,
    name: session.sharing.views.get(status.fileId)?.name ?? null,
    state: status.state,
    bytes: status.bytes,
    total: status.total,
    bytesPerSecond: status.bytesPerSecond,
    etaSeconds: status.etaSeconds,
    sources: status.sources.map(({ id, bytes }) => ({
      id,
      branch: branchOfNode(session, id),
      bytes,
      path: kinds.get(id) ?? null,
    })),
    startedAt: iso(status.startedAt),
    finishedAt: status.finishedAt === null ? null : iso(status.finishedAt),
    error: status.error === null ? null : { ...status.error },
  }
}

export function inviteView(info: InviteInfo): InviteView {
  return {
    id: info.id,
    branch: info.branch,
    role: info.role,
    expires: iso(info.expires),
    state: info.state,
    replaces: info.replaces,
    usedBy: info.usedBy[0] ?? null,
  }
}

function branchOfNode(session: Session, node: NodeId): string {
  const branch = session.members.get(node)?.branch
  return branch === undefined ? node : session.members.branchLabel(branch)
}
