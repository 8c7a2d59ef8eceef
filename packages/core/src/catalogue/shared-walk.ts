/** Everything that is to be folded, once each, for who makes or checks the whole state: without a list of it in memory. */
import { idBytes } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { kindInfo } from './kind-info.ts'
import type { SharedEntries } from './shared-fold.ts'
import type { RefusalRow } from './state-tables.ts'

/** Decoded at once: a millisecond or two. */
const PAGE = 64

/** A subject, met at the first entry about it, or the refusal of an entry that is about nothing. */
export type WalkStep = { readonly subject: Uint8Array } | { readonly refusal: RefusalRow }

export interface Walk {
  /** null when there is nothing more at this moment: entries that arrive later come with later calls */
  next(): WalkStep | null
}

export function createWalk(entries: SharedEntries): Walk {
  let page: ReturnType<SharedEntries['page']> = []
  let at = 0
  let last = 0
  return {
    next() {
      for (;;) {
        if (at === page.length) {
          page = entries.page(last, PAGE)
          at = 0
        }
        const found = page[at++]
        if (found === undefined) {
          at = page.length
          return null
        }
        last = found.arrival
        const step = stepOf(entries, found.entry, found.arrival)
        if (step !== null) return step
      }
    },
  }
}

function stepOf(entries: SharedEntries, entry: Entry, arrival: number): WalkStep | null {
  const info = kindInfo(entry.kind)
  if (info?.isControl === true) return null
  const subject = info?.subject(entry.body, entry.authorKey) ?? null
  if (subject === null) return { refusal: shapelessRow(entry) }
  return entries.subjectsBefore([subject], arrival - 1).size > 0 ? null : { subject }
}

/** Of an entry that is about nothing: a kind nobody knows, or a body that has not its form. */
export function shapelessRow({ id, kind }: Entry): RefusalRow {
  const isKnown = kindInfo(kind) !== undefined
  return {
    subject: new Uint8Array(0),
    entry: idBytes(id),
    code: isKnown ? 'malformed' : 'unknown-kind',
    reason: isKnown ? 'the body has not the form of its kind' : 'not a kind of the active rules',
  }
}
