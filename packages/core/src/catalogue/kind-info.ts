/** What the ledger must know of the kinds of entries: which are control entries, and what the others are about. */
import { type CborValue, DecodeError } from '../codec/index.ts'
import type { KindInfo } from '../ledger/index.ts'
import { isControlKind } from '../membership/index.ts'
import { isOrdinaryKind, type OrdinaryKind, ordinaryBodies } from './kinds.ts'

const CONTROL: KindInfo = { isControl: true, subject: () => null }

function ordinary(kind: OrdinaryKind): KindInfo {
  return {
    isControl: false,
    subject(body, authorKey) {
      try {
        return subjectOf(kind, body, authorKey)
      } catch (error) {
        if (error instanceof DecodeError) return null
        throw error
      }
    },
  }
}

function subjectOf(kind: OrdinaryKind, body: CborValue, authorKey: Uint8Array): Uint8Array {
  if (kind === 'capacity') {
    ordinaryBodies.capacity(body)
    return authorKey
  }
  if (kind === 'audience') return ordinaryBodies.audience(body).audience
  return ordinaryBodies[kind](body).file
}

const infos = new Map<string, KindInfo>(
  (Object.keys(ordinaryBodies) as OrdinaryKind[]).map((kind) => [kind, ordinary(kind)]),
)

/** Undefined for kinds that the active rules do not know: they are stored, passed on, and have no effect. */
export function kindInfo(kind: string): KindInfo | undefined {
  if (isControlKind(kind)) return CONTROL
  return isOrdinaryKind(kind) ? infos.get(kind) : undefined
}
