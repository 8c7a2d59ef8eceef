/** "Who can see this file?", and who could before: for the owner, who is to know what a denial cannot take back. */
import {
  type AudienceList,
  deniedAmong,
  EVERYONE_LIST,
  entitled,
  type SharedEpoch,
  type VisibleFile,
} from '../catalogue/index.ts'
import { type BranchId, type EntryId, EVERYONE, idBytes, idFrom } from '../ids.ts'
import type { Session } from './session.ts'
import type { SeenByView } from './types.ts'
import { branchView } from './views.ts'

/** An access epoch: who could read in it, as far as this node knows, and from when on. */
export interface KnownEpoch {
  /** null where the list cannot be read here */
  readonly list: AudienceList | null
  /** ms */
  readonly opened: number
}

export interface LostAccess {
  readonly lost: { readonly branch: BranchId; readonly until: number }[]
  /** ms; null when all lists are known */
  readonly knownSince: number | null
}

/**
 * Who of these branches may not read now and could in an epoch before. A branch that joined when that epoch was over
 * never could. Pure.
 * @param epochs in order, the present one last
 */
export function lostAccess(
  epochs: readonly KnownEpoch[],
  branches: readonly { readonly id: BranchId; readonly since: number }[],
): LostAccess {
  const unknown = epochs.findLastIndex(({ list }) => list === null)
  const known = epochs.slice(unknown + 1)
  const present = known.at(-1)?.list ?? EVERYONE_LIST
  const lost: LostAccess['lost'] = []
  for (const { id, since } of branches) {
    if (entitled(present, id)) continue
    for (let at = known.length - 1; at > 0; at--) {
      const list = known[at - 1]?.list ?? null
      const until = known[at]?.opened ?? 0
      if (list === null || !entitled(list, id) || since >= until) continue
      lost.push({ branch: id, until })
      break
    }
  }
  return { lost, knownSince: unknown < 0 ? null : (known[0]?.opened ?? null) }
}

export function seenByView(session: Session, view: VisibleFile): SeenByView {
  const living = session.livingBranches()
  const refused = new Set(deniedAmong(view.list, living))
  const named = (branches: readonly BranchId[]) =>
    branches.map((branch) => branchView(session, branch)).sort((a, b) => a.branch.localeCompare(b.branch))
  const readers = named(living.filter((branch) => !refused.has(branch)))
  const denied = named([...refused])
  const { lost, knownSince } = lostAccess(
    session.state.epochs(view.file).map((epoch) => knownEpoch(session, epoch)),
    // a branch's id is that of its first `admit`
    living.map((id) => ({ id, since: timeOf(session, idFrom<EntryId>(idBytes(id))) })),
  )
  const iso = (ms: number) => new Date(ms).toISOString()
  return {
    text: textOf(view.list, readers, denied),
    readers,
    denied,
    hadAccess:
      view.owner === session.ownBranch()
        ? lost.map(({ branch, until }) => ({ ...branchView(session, branch), until: iso(until) }))
        : null,
    knownSince: knownSince === null ? null : iso(knownSince),
  }
}

type Named = readonly { branch: string }[]

function textOf({ mode }: AudienceList, readers: Named, denied: Named): string {
  const names = (of: Named) => of.map(({ branch }) => branch).join(', ')
  if (mode === 'only') return `only ${names(readers)}`
  // those who were excepted may have left since
  return denied.length === 0 ? 'everyone' : `everyone except ${names(denied)}`
}

function knownEpoch(session: Session, { audience, key, entry }: SharedEpoch): KnownEpoch {
  const opened = timeOf(session, entry)
  if (audience === EVERYONE) return { list: EVERYONE_LIST, opened }
  const held = session.sharing.keyring.audienceKey(audience, key)
  held?.secret.fill(0)
  return { list: held?.list ?? null, opened }
}

function timeOf({ ledger }: Session, entry: EntryId): number {
  return ledger.get(entry)?.ms ?? 0
}
