/** Section 4: the one form of an entry, the verdict that it shows, forks that are told, states that are compared. */
import { decodeCbor, encodeCbor } from '../../packages/core/src/codec/index.ts'
import { equalBytes } from '../../packages/core/src/crypto/index.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { type Evidence, nameOf } from './evidence.ts'

const ENTRY_BYTES = 65_536
const SEEN = 64
const KINDS = new Set([
  ...['found', 'invite', 'revoke', 'admit', 'role', 'quarantine', 'release', 'expel', 'leave', 'left', 'upgrade'],
  ...['offer', 'accept', 'decline', 'cancel', 'assign', 'adopt'],
  ...['upload', 'update', 'share', 'reseal', 'describe', 'trash', 'restore', 'purge', 'audience', 'capacity'],
])

export function checkEntries(evidence: Evidence): void {
  for (const entry of evidence.entries) {
    checkForm(evidence, entry)
    checkVerdict(evidence, entry)
  }
  checkForks(evidence)
  checkAlarm(evidence)
}

/** A set of seen entries, a number, a map has one form, so that nothing means the same under two ids. */
function checkForm(evidence: Evidence, entry: Entry): void {
  const name = `${entry.kind} ${entry.id.slice(0, 8)} of ${nameOf(evidence, entry.author)}`
  if (entry.bytes.length > ENTRY_BYTES) return void evidence.problem(`entry-form: ${name} is too large`)
  if (!equalBytes(encodeCbor(decodeCbor(entry.bytes, ENTRY_BYTES)), entry.bytes))
    evidence.problem(`entry-form: ${name} is not in canonical form`)
  const isSorted = entry.seen.every((id, at) => at === 0 || id > (entry.seen[at - 1] ?? ''))
  if (!isSorted || entry.seen.length > SEEN) evidence.problem(`entry-form: ${name} names what it saw in another form`)
}

/** What was not allowed is kept and says so, of everybody whom nobody let in all of it. */
function checkVerdict(evidence: Evidence, entry: Entry): void {
  const { membership, state, shown } = evidence
  const refusal = state.refusalOf(entry.id)
  const name = `${entry.kind} ${entry.id.slice(0, 8)} of ${nameOf(evidence, entry.author)}`
  const isSilent = !membership.members.has(entry.author) || !KINDS.has(entry.kind)
  if (isSilent && refusal === null && !evidence.isWaiting(entry.id))
    evidence.problem(`verdicts: ${name} is not refused`)
  // of several files in one entry some may be refused
  if (entry.kind === 'accept') return
  if ((shown.get(entry.id) ?? null) !== (refusal?.code ?? null))
    evidence.problem(`verdicts: ${name} is shown as ${shown.get(entry.id) ?? 'accepted'}, and is ${refusal?.code}`)
}

/** Of each feed that forked the lowest place with two entries, and the two lowest ids there: the proof for all. */
function checkForks(evidence: Evidence): void {
  const places = new Map<string, Entry[]>()
  for (const entry of evidence.entries) {
    const place = `${entry.feed} ${entry.seq}`
    places.set(place, [...(places.get(place) ?? []), entry])
  }
  const expected = new Map<string, string>()
  for (const entries of [...places.values()].sort((a, b) => (a[0]?.seq ?? 0) - (b[0]?.seq ?? 0))) {
    const [first] = entries
    if (first === undefined || entries.length < 2 || expected.has(first.feed)) continue
    const ids = entries.map(({ id }) => id).sort()
    expected.set(first.feed, `${first.seq} ${ids.slice(0, 2).join(' ')}`)
  }
  const told = new Map(evidence.state.forks().map(({ feed, seq, entries }) => [feed, `${seq} ${entries.join(' ')}`]))
  for (const [feed, text] of expected) {
    if (told.get(feed as Entry['feed']) !== text) evidence.problem(`forks-told: of ${feed.slice(-8)}`)
  }
  if (told.size !== expected.size) evidence.problem(`forks-told: ${told.size} are told, ${expected.size} there are`)
}

/** Equal entries and another state is an alarm at whoever hears of it. */
function checkAlarm({ world, present, problem }: Evidence): void {
  const liars = present.filter(({ lies }) => lies)
  const hearers = present.filter((node) => !node.lies && liars.some(({ id }) => node.up.host.peers.has(id)))
  if (hearers.length > 0 && world.alarmed.size === 0) problem('alarm: nobody noticed who tells another state')
}
