/**
 * What a healed run left behind, as the checks look at it. Nothing here asks the folds how they decided: causality is
 * worked out once more from the bare entries, so that a wrong rule does not vouch for itself.
 */

import type { SharedFile, SharedState } from '../../packages/core/src/catalogue/index.ts'
import {
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NodeId,
  nodeIdFromPublicKey,
} from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { isControlKind, type MembershipState } from '../../packages/core/src/membership/index.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

export interface Evidence {
  readonly world: World
  /** whose copy is looked at; all others are equal to it */
  readonly witness: SimNode
  readonly present: readonly SimNode[]
  /** in order of arrival at the witness */
  readonly entries: readonly Entry[]
  readonly byId: ReadonlyMap<EntryId, Entry>
  readonly control: readonly Entry[]
  readonly membership: MembershipState
  readonly state: SharedState
  readonly files: readonly SharedFile[]
  /** ordinary entries per file */
  readonly changes: ReadonlyMap<FileId, readonly Entry[]>
  /** everything that a control entry had seen, itself not; undefined while something it names is missing */
  ancestors(id: EntryId): ReadonlySet<EntryId> | undefined
  /** why the entry has no effect on that file; null when it has */
  refusalOn(file: FileId, id: EntryId): string | null
  /** it names, directly or through others, what is not here */
  isWaiting(id: EntryId): boolean
  /** codes of the entries that the ledger shows as refused */
  readonly shown: ReadonlyMap<EntryId, string>
  problem(text: string): void
}

export function gather(world: World, present: readonly SimNode[]): Evidence {
  const witness = present.find(({ hostile }) => !hostile) ?? present[0]
  if (witness === undefined) throw new TypeError('nobody is left')
  const { ledger, state, db } = witness.up
  const stored = ledger.page(0, 1_000_000)
  const entries = stored.map(({ entry }) => entry)
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const control = entries.filter(({ kind }) => isControlKind(kind))
  const ancestors = ancestryOf(control)
  const refusal = db.prepare<{ code: string }>('SELECT code FROM refusals WHERE subject = ? AND entry = ?')
  return {
    world,
    witness,
    present,
    entries,
    byId,
    control,
    membership: state.membership(),
    state,
    files: [...state.allFiles()],
    changes: changesOf(entries),
    ancestors,
    isWaiting: (id) => isControlKind(byId.get(id)?.kind ?? '') && ancestors(id) === undefined,
    shown: new Map(stored.flatMap(({ entry, refusal }) => (refusal === null ? [] : [[entry.id, refusal.code]]))),
    refusalOn: (file, id) => refusal.get(idBytes(file), idBytes(id))?.code ?? null,
    problem: (text) => world.problem(text),
  }
}

function changesOf(entries: readonly Entry[]): Map<FileId, Entry[]> {
  const changes = new Map<FileId, Entry[]>()
  for (const entry of entries) {
    if (isControlKind(entry.kind)) continue
    const file = fieldOf(entry, 'file')
    if (file === undefined || file.length !== 16) continue
    const id = idFrom<FileId>(file)
    changes.set(id, [...(changes.get(id) ?? []), entry])
  }
  return changes
}

/** A field of bytes in a body of any form. */
export function fieldOf(entry: Entry, name: string): Uint8Array | undefined {
  const value = (entry.body as { readonly [key: string]: unknown })[name]
  return value instanceof Uint8Array ? value : undefined
}

export function idIn(entry: Entry, name: string): EntryId | undefined {
  const bytes = fieldOf(entry, name)
  return bytes === undefined ? undefined : idFrom<EntryId>(bytes)
}

function ancestryOf(control: readonly Entry[]): Evidence['ancestors'] {
  const byId = new Map(control.map((entry) => [entry.id, entry]))
  const known = new Map<EntryId, ReadonlySet<EntryId> | undefined>()
  const open = new Set<EntryId>()
  return function ancestors(id) {
    if (known.has(id)) return known.get(id)
    const entry = byId.get(id)
    if (entry === undefined || open.has(id)) return undefined
    open.add(id)
    const all = new Set<EntryId>()
    let isComplete = true
    for (const parent of entry.seen) {
      const further = ancestors(parent)
      if (further === undefined) isComplete = false
      all.add(parent)
      for (const each of further ?? []) all.add(each)
    }
    open.delete(id)
    known.set(id, isComplete ? all : undefined)
    return known.get(id)
  }
}

export function nameOf({ world }: Evidence, node: NodeId): string {
  return world.named(node)
}

/** Whom an act is about. */
export function targetOf(entry: Entry): NodeId | undefined {
  const node = fieldOf(entry, 'node')
  return node?.length === 32 ? nodeIdFromPublicKey(node) : undefined
}
