/**
 * Which of several paths to one peer is used. Pure; both ends run it over what they have measured themselves. Why so:
 * decision 0044; spec: docs/specs/paths.md.
 */
import type { FinePath, PathKind } from './types.ts'

export interface Path {
  readonly id: string
  readonly path: PathKind
  readonly kind: FinePath
  /** we have opened it */
  readonly isOutbound: boolean
  /** what it leads to, without the port, or over whom: paths between the same two places are alike */
  readonly via: string
  readonly openedAt: number
  readonly rttMs: number | null
  /** the most that has passed in a second of late; null as long as nothing large has */
  readonly bytesPerMs: number | null
  /** something is owed over it, and nothing has come for too long */
  readonly isSilent: boolean
}

/** Paths are compared by what a request and a mebibyte would take. */
const PIECE_BYTES = 1024 * 1024
/** Of a path whose round trip nobody has measured yet, milliseconds. */
const UNKNOWN_RTT_MS = 100
const UNKNOWN_LAN_MS = 5
/** QUIC costs three times the processor time of TCP with lanes, so it must be clearly faster. */
const UDP_PENALTY = 1.5
/** What would replace the path in use must take so much less, by share and in milliseconds: no flapping. */
const GAIN = 0.7
const GAIN_MS = 5

/**
 * Those that answer before those that do not, direct before relayed, then what takes least as measured; the one in use
 * stays unless another is clearly better. Of paths between the same two places the one that the smaller id has opened, then the
 * oldest: measuring cannot tell them apart, and both ends come to the same.
 * @param how.current the path in use
 * @param how.isSmaller this node's id is smaller than the peer's
 */
export function bestPath(
  paths: readonly Path[],
  how: { readonly current: string | undefined; readonly isSmaller: boolean },
): Path | undefined {
  const live = paths.filter(({ isSilent }) => !isSilent)
  const answering = live.length > 0 ? live : paths
  const direct = answering.filter(({ path }) => path !== 'relay')
  const candidates = direct.length > 0 ? direct : answering
  const current = candidates.find(({ id }) => id === how.current)
  const takes = costIn(candidates)
  const chosen = [...groupsOf(candidates, how.isSmaller).values()].sort(
    (a, b) => takes(a) - takes(b) || compareStatic(a, b, how.isSmaller),
  )
  const best = chosen[0]
  if (current === undefined || best === undefined) return best
  const used = chosen.find((each) => placeOf(each) === placeOf(current)) ?? current
  const isClearlyBetter = takes(best) < takes(used) * GAIN && takes(best) < takes(used) - GAIN_MS
  return isClearlyBetter ? best : used
}

/** One for each two places between which there are several. */
function groupsOf(paths: readonly Path[], isSmaller: boolean): Map<string, Path> {
  const groups = new Map<string, Path>()
  for (const path of paths) {
    const known = groups.get(placeOf(path))
    if (known === undefined || compareStatic(path, known, isSmaller) < 0) groups.set(placeOf(path), path)
  }
  return groups
}

function placeOf({ path, kind, via }: Path): string {
  return `${path} ${kind} ${via}`
}

/** @returns what each takes, in milliseconds; one whose rate nobody knows is taken for as fast as the fastest of the others */
function costIn(paths: readonly Path[]): (path: Path) => number {
  const fastest = Math.max(0, ...paths.map(({ bytesPerMs }) => bytesPerMs ?? 0))
  return ({ path, kind, rttMs, bytesPerMs }) => {
    const rate = bytesPerMs ?? fastest
    const trip = rttMs ?? (kind === 'lan' ? UNKNOWN_LAN_MS : UNKNOWN_RTT_MS)
    const takes = trip + (rate === 0 ? 0 : PIECE_BYTES / rate)
    return path === 'udp' ? takes * UDP_PENALTY : takes
  }
}

function compareStatic(a: Path, b: Path, isSmaller: boolean): number {
  const rank = ({ isOutbound }: Path) => (isOutbound === isSmaller ? 0 : 1)
  return rank(a) - rank(b) || a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1)
}
