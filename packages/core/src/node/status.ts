/** `node.status()` and `node.doctor()`: how this node and its network are, in words and figures. */
import { toHex } from '../ids.ts'
import { CLOCK_TOLERANCE_MS } from '../ledger/index.ts'
import type { NetworkHost } from '../network/index.ts'
import { VERSION } from '../version.ts'
import { bytesText, chunkChecks, chunkWarnings } from './chunk-checks.ts'
import { copyWarnings, faultyWarnings, filesShort } from './copy-warnings.ts'
import { disputeWarnings } from './disputes.ts'
import type { EventHub } from './events.ts'
import { clockText, feedCheck, feedWarnings } from './feed-warnings.ts'
import { integrityWarnings } from './integrity-warnings.ts'
import { keyChecks } from './key-checks.ts'
import { pathChecks, pathsInUse, unreachableWarnings } from './path-report.ts'
import type { Session } from './session.ts'
import type { DoctorCheck, StatusView, VerificationView } from './types.ts'

const branchesText = (count: number) => (count === 1 ? '1 other branch' : `${count} other branches`)

/** For what members say about the NAT (ms): a person waits. */
const NAT_MS = 8_000

export interface StatusInit {
  readonly host: NetworkHost
  readonly session: Session | null
  /** a newcomer's, which takes in the ledger before this node counts as a member's */
  readonly joining: Session | null
  readonly isLeaving: boolean
  /** newest rules version that this software executes */
  readonly rulesVersion: number
  readonly startedAt: number
  readonly now: number
}

export function statusView({
  host,
  session,
  joining,
  isLeaving,
  rulesVersion,
  startedAt,
  now,
}: StatusInit): StatusView {
  const common = {
    id: host.id,
    reachability: host.reachability(),
    upnp: host.upnp(),
    addresses: host.addresses(),
    version: VERSION,
    rules: { active: session?.state.membership().network?.rules ?? null, known: rulesVersion },
    uptimeSeconds: Math.floor((now - startedAt) / 1000),
  }
  if (session === null) {
    return {
      ...common,
      branch: null,
      role: null,
      network: null,
      connected: false,
      members: { total: 0, connected: 0 },
      paths: [],
      files: { total: 0, bytes: 0, atRisk: 0, short: [] },
      ledger: {
        entries: joining?.ledger.count() ?? 0,
        state: '',
        inSyncWith: 0,
        held: 0,
        waiting: 0,
        diverged: 0,
        catchingUp: joining?.sync.catchingUp() ?? null,
      },
      disk: { used: 0, free: 0, capacity: null },
      warnings: [],
    }
  }
  const { members, presence, state, sharing, replicator, ledger, sync, store } = session
  const facts = state.membership().network
  const own = members.get(session.self)
  const current = members.currentMembers()
  const { files, bytes } = sharing.views.count()
  const { used, free } = store.usage()
  return {
    ...common,
    branch: own === undefined ? null : members.branchLabel(own.branch),
    role: own?.role ?? null,
    network: facts === null ? null : { id: facts.id, name: facts.name },
    connected: presence.isOpen(),
    members: {
      total: current.length,
      connected: current.filter(({ node }) => (node === session.self ? presence.isOpen() : presence.isConnected(node)))
        .length,
    },
    paths: pathsInUse(session),
    files: { total: files, bytes, atRisk: replicator.short().size, short: filesShort(session) },
    ledger: {
      entries: ledger.count(),
      state: toHex(state.digest()),
      inSyncWith: sync.inSyncWith(),
      held: ledger.held().length,
      waiting: ledger.waiting() + state.waiting(),
      diverged: sync.divergedFrom().length,
      catchingUp: sync.catchingUp(),
    },
    disk: { used, free, capacity: session.capacity },
    warnings: warnings(session, isLeaving),
  }
}

function warnings(session: Session, isLeaving: boolean): StatusView['warnings'] {
  const { members, ledger, state } = session
  const found: StatusView['warnings'] = []
  const warn = (code: string, message: string, advice: string | null) => found.push({ code, message, advice })
  found.push(...integrityWarnings(session), ...feedWarnings(session))
  const own = members.get(session.self)
  if (own?.state === 'quarantined') warn('quarantined', 'this node is quarantined by an admin', 'Ask an admin.')
  const departure = own === undefined ? undefined : state.membership().departures.get(own.branch)
  if (isLeaving) warn('leaving', 'this branch is leaving the network', null)
  else if (departure?.left === null)
    warn('leaving', 'this branch is leaving the network', 'Finish with `malote unregister`.')
  const by = session.admittedBy()
  if (by !== null && members.currentMembers().length > 2) {
    const branch = members.get(by)?.branch
    const name = branch === undefined ? by : members.branchLabel(branch)
    const message = `all that this node knows of the network it has from ${name}`
    warn('not-compared', message, 'It goes when another branch is reached and tells the same.')
  }
  const admins = members.admins()
  if (admins.length === 0) warn('no-admin', 'the network has no admin', 'Restore one with `malote recover`.')
  else if (admins.length === 1) {
    const advice = members.isAdmin(session.self)
      ? 'Appoint a second one: `malote role <node> admin`.'
      : 'Ask the admin to appoint a second one.'
    warn('one-admin', 'the network has only one admin', advice)
  }
  found.push(...copyWarnings(session), ...chunkWarnings(session), ...faultyWarnings(session))
  if (ledger.held().length > 0)
    warn('held-entries', `${ledger.held().length} entries are dated in the future and wait`, null)
  for (const { node, marks, branch } of state.membership().members.values()) {
    for (const mark of marks) warn(mark, `${members.branchLabel(branch)} (${node})`, 'See `malote nodes`.')
  }
  found.push(...disputeWarnings(session, state.marks()), ...unreachableWarnings(session))
  return found
}

/** Checks from the inside out: disk, database, clock, peers, files. */
export async function runDoctor(
  init: StatusInit & { verify: () => Promise<VerificationView> },
): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = []
  const add = (name: string, state: DoctorCheck['state'], message: string, advice: string | null = null) =>
    checks.push({ name, state, message, advice })
  const { host, session } = init
  add('version', 'ok', `Malote ${VERSION} on Node.js ${process.versions.node}`)
  const addresses = host.addresses()
  if (addresses.length > 0) add('ports', 'ok', `listening on ${addresses.join(', ')}`)
  else add('ports', 'problem', 'listening nowhere', 'Start the node with another --port or --listen.')
  if (session === null) {
    add('network', 'warning', 'this node belongs to no network', 'Run `malote init` or `malote register <invite>`.')
    return checks
  }
  const { free, floor, used } = session.store.usage()
  if (free > floor) add('disk', 'ok', `${bytesText(used)} used, ${bytesText(free)} free`)
  else
    add(
      'disk',
      'problem',
      `only ${bytesText(free)} are free; ${bytesText(floor)} are kept free`,
      'Make room, or move the data folder.',
    )
  const verified = await init.verify()
  if (verified.ok) add('database', 'ok', 'every entry is as it was signed, and the state is what the entries say')
  else add('database', 'problem', verified.problems.join('; '), verified.advice)
  checks.push(...chunkChecks(session), ...keyChecks(session))
  const skew = session.presence.skew()
  if (skew === null) add('clock', 'warning', 'nobody is there to compare the clock with')
  else if (Math.abs(skew.ms) > CLOCK_TOLERANCE_MS)
    add(
      'clock',
      'problem',
      `${clockText(skew.ms)} ${branchesText(skew.witnesses)}`,
      'Correct the clock of this machine.',
    )
  else add('clock', 'ok', `${skew.ms} ms off from ${branchesText(skew.witnesses)}`)
  checks.push(feedCheck(session))
  const others = session.members.currentMembers().filter(({ node }) => node !== session.self)
  const absent = others.filter(({ node }) => !session.presence.isConnected(node))
  if (others.length === 0)
    add('members', 'warning', 'no other branch yet', 'Invite one: `malote invite --branch <name>`.')
  else if (absent.length === 0)
    add(
      'members',
      'ok',
      others.length === 1 ? 'the other branch is connected' : `all ${others.length} other branches are connected`,
    )
  else {
    const names = absent.map(({ branch }) => session.members.branchLabel(branch)).join(', ')
    add(
      'members',
      'warning',
      `not connected: ${names}`,
      'If it should be there: is it switched on, is its port open, does a member run with --relay?',
    )
  }
  const nat = await host.nat({ timeoutMs: NAT_MS }).catch(() => null)
  checks.push(...pathChecks(host, session, nat))
  if (host.reachability().udp === 'unavailable')
    add(
      'udp',
      'warning',
      `no UDP: there is no QUIC for ${process.platform}-${process.arch} here`,
      'Members behind some NATs are then reached over relays only. Install with optional dependencies.',
    )
  for (const { code, message, advice } of warnings(session, init.isLeaving)) {
    if (code !== 'clock-skew' && code !== 'damaged' && code !== 'damaged-chunks') add(code, 'warning', message, advice)
  }
  return checks
}

function lacking({ sync, ledger }: Session): number {
  const counts = sync.peerHeads().map(({ status }) => status?.entries ?? 0)
  return Math.max(0, Math.max(0, ...counts) - ledger.count())
}

/** Prometheus text exposition format 0.0.4. */
export function metricsText(status: StatusView, session: Session | null, events: EventHub): string {
  const lines: string[] = []
  const metric = (name: string, type: 'gauge' | 'counter', help: string, value: number) =>
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`)
  metric('malote_up', 'gauge', '1 while the node runs.', 1)
  metric('malote_uptime_seconds', 'counter', 'Time since the node started.', status.uptimeSeconds)
  metric('malote_connected', 'gauge', 'Whether the presence of this node is switched on.', status.connected ? 1 : 0)
  metric('malote_members', 'gauge', 'Current members of the network.', status.members.total)
  metric('malote_members_connected', 'gauge', 'Members connected, this node among them.', status.members.connected)
  metric('malote_files', 'gauge', 'Files that this branch may see.', status.files.total)
  metric('malote_files_bytes', 'gauge', 'Plain size of these files.', status.files.bytes)
  metric('malote_files_at_risk', 'gauge', 'Live files with fewer copies than their target.', status.files.atRisk)
  metric('malote_ledger_entries', 'gauge', 'Entries stored.', status.ledger.entries)
  metric('malote_ledger_waiting', 'gauge', 'Entries that wait for others to be taken.', status.ledger.waiting)
  metric(
    'malote_ledger_diverged',
    'gauge',
    'Connected members with the same entries and another state.',
    status.ledger.diverged,
  )
  metric('malote_ledger_held', 'gauge', 'Entries dated in the future, outside of the state.', status.ledger.held)
  metric(
    'malote_ledger_in_sync_with',
    'gauge',
    'Connected members with the same entries and state.',
    status.ledger.inSyncWith,
  )
  metric(
    'malote_ledger_diverged_total',
    'counter',
    'Alarms: same entries, another state.',
    events.count('ledger:diverged'),
  )
  metric('malote_store_used_bytes', 'gauge', 'Bytes of sealed chunks on disk.', status.disk.used)
  metric('malote_disk_free_bytes', 'gauge', 'Bytes free on the disk.', status.disk.free)
  if (session !== null) {
    metric(
      'malote_ledger_behind',
      'gauge',
      'Whether this software lacks the active rules: entries are stored, not executed.',
      session.state.isBehind() ? 1 : 0,
    )
    metric('malote_ledger_catching_up', 'gauge', 'Fetches from other members running now.', session.sync.fetching())
    metric(
      'malote_ledger_lacking',
      'gauge',
      'Entries that the furthest connected member has more than this node.',
      lacking(session),
    )
    metric(
      'malote_ledger_damaged',
      'gauge',
      'Whether the last check found damage.',
      session.integrity.damage() === null ? 0 : 1,
    )
    metric(
      'malote_store_damaged',
      'gauge',
      'Versions and boxes that the disk has spoilt and that are not whole again.',
      session.healing.versions().length + session.healing.boxes(),
    )
    metric(
      'malote_store_healed_total',
      'counter',
      'Versions and boxes that were damaged and are whole again.',
      session.healing.healed(),
    )
    metric(
      'malote_store_checked_bytes_total',
      'counter',
      'Bytes of the store that were looked at for damage.',
      session.storeCheck.bytes(),
    )
    const { sentBytes, receivedBytes, clients, receiving } = session.transfers.totals()
    metric('malote_transfer_sent_bytes_total', 'counter', 'Sealed bytes of chunks sent.', sentBytes)
    metric('malote_transfer_received_bytes_total', 'counter', 'Sealed bytes of chunks received.', receivedBytes)
    const { sealed, left } = session.sealedAnew()
    metric('malote_sealed_anew_bytes_total', 'counter', 'Plain bytes sealed under newer keys.', sealed)
    metric(
      'malote_sealed_anew_left_bytes_total',
      'counter',
      'Plain bytes that a run before had sealed so, and that were not sealed again.',
      left,
    )
    metric('malote_transfer_clients', 'gauge', 'Streams served now.', clients)
    metric('malote_transfer_receiving', 'gauge', 'Versions being received now.', receiving)
  }
  return `${lines.join('\n')}\n`
}
