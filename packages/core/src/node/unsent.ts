/** What an entry of this node that nobody can take is about, for the operator, who alone can do it again. */
import { kindInfo } from '../catalogue/index.ts'
import { type BoxHash, type FileId, idFrom } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { showText } from '../show-text.ts'
import type { Session } from './session.ts'

/** Each once: the kind of entry, and the file by its name where this node can still open that. */
export function unsentTexts(session: Session, entries: readonly Entry[]): string[] {
  return [...new Set(entries.map((entry) => unsentText(session, entry)))]
}

function unsentText(session: Session, { kind, body, authorKey }: Entry): string {
  const info = kindInfo(kind)
  const subject = info?.subject(body, authorKey) ?? null
  if (subject === null || kind === 'audience' || kind === 'capacity') return kind
  const file = idFrom<FileId>(subject)
  const name = session.sharing.views.get(file)?.name ?? sealedName(session, file, body)
  return name === null ? `${kind} of file ${file}` : `${kind} of ${showText(name)} (${file})`
}

/** Out of the box that the entry names, which is here since this node has made it. */
function sealedName({ sharing }: Session, file: FileId, body: Entry['body']): string | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof Uint8Array) return null
  const { meta, epoch, opens } = body as { meta?: unknown; epoch?: unknown; opens?: { epoch?: unknown } }
  const of = opens?.epoch ?? epoch
  if (!(meta instanceof Uint8Array) || typeof of !== 'number') return null
  return sharing.views.metaIn(file, of, idFrom<BoxHash>(meta))?.name ?? null
}
