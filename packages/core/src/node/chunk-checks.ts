/** What `doctor` and `status` say of the chunks on this disk. Spec: docs/specs/scrub.md. */
import type { LiveVersion } from '../replication/index.ts'
import type { Session } from './session.ts'
import type { DoctorCheck, StatusView } from './types.ts'

/** Files that are named; of the others the number. */
const NAMED_MAX = 10
const MIB = 1024 ** 2

/** MiB, and GiB from one on. */
export function bytesText(bytes: number): string {
  return bytes < 1024 * MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / (1024 * MIB)).toFixed(1)} GiB`
}

export function chunkChecks(session: Session): DoctorCheck[] {
  const { healing, storeCheck } = session
  const checks = damagedChecks(session)
  if (healing.boxes() > 0) {
    const message = `${healing.boxes()} description(s) or preview(s) are damaged on this disk and are fetched from other branches`
    checks.push({ name: 'chunks', state: 'warning', message, advice: 'Check this disk if that happens again.' })
  }
  if (checks.length > 0) return checks
  const place = storeCheck.place()
  const healed = healing.healed() === 0 ? '' : `; ${healing.healed()} that were damaged have been healed`
  const message = `${place === null ? 'not looked through yet' : lookedAt(place)}${healed}`
  return [{ name: 'chunks', state: 'ok', message, advice: null }]
}

function lookedAt(place: NonNullable<ReturnType<Session['storeCheck']['place']>>): string {
  const { began, ended, bytes } = place
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  return ended === null
    ? `being looked through since ${day(began)}: ${bytesText(bytes)} so far are as they were sealed`
    : `every chunk was as it was sealed when last looked through (${day(ended)}, ${bytesText(bytes)})`
}

function damagedChecks(session: Session): DoctorCheck[] {
  const damaged = session.healing.versions()
  const checks = damaged.slice(0, NAMED_MAX).map((version): DoctorCheck => {
    const { text, isHopeless } = whatOf(session, version)
    const advice = isHopeless
      ? 'Bring branches online that may have it: `malote show <file>` says who holds copies. Check this disk.'
      : 'It goes by itself; check this disk if that happens again.'
    return { name: 'chunks', state: isHopeless ? 'problem' : 'warning', message: text, advice }
  })
  if (damaged.length > NAMED_MAX) {
    const message = `${damaged.length - NAMED_MAX} more versions are damaged on this disk`
    checks.push({ name: 'chunks', state: 'warning', message, advice: null })
  }
  return checks
}

/** Only what cannot be healed now: the rest is nobody's concern. */
export function chunkWarnings(session: Session): StatusView['warnings'] {
  return session.healing
    .versions()
    .map((version) => whatOf(session, version))
    .filter(({ isHopeless }) => isHopeless)
    .slice(0, NAMED_MAX)
    .map(({ text }) => ({ code: 'damaged-chunks', message: text, advice: 'Run `malote doctor`.' }))
}

function whatOf(session: Session, version: LiveVersion): { text: string; isHopeless: boolean } {
  const { store, sharing, replicator, presence, self } = session
  const stored = store.stat(version.shape.root)
  const name = sharing.views.get(version.file)?.name
  const file = name === undefined ? `file ${version.file}` : JSON.stringify(name)
  const missing = stored === null ? 'all chunks' : `${stored.count - stored.held} of ${stored.count} chunks`
  const what = stored?.held === stored?.count && stored !== null ? 'the list of chunks' : missing
  const holders = replicator.completeHolders(version).filter((node) => node !== self)
  const connected = holders.filter((node) => presence.isConnected(node))
  const rest =
    connected.length > 0
      ? 'it is fetched from another branch'
      : holders.length > 0
        ? 'no branch that has it whole is connected'
        : 'no other branch says that it has it whole: the file is at risk'
  return {
    text: `${file}, version ${version.version}: ${what} damaged on this disk; ${rest}`,
    isHopeless: connected.length === 0,
  }
}
