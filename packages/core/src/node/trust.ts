/**
 * Whether a newcomer believes what the member that admitted it has told: not before others have shown the same. Spec:
 * docs/specs/register.md.
 */
import type { NodeId } from '../ids.ts'
import type { LocalSettings } from '../ledger/index.ts'

const ADMITTED_BY = 'joining/admitted-by'

export interface Trust {
  /** false until as many others as could be reached were asked: nothing is decided on what was given */
  has(): boolean
  gain(): void
  /** whose word alone this node has, also over restarts; null once another member has confirmed it */
  admittedBy(): NodeId | null
  setAdmittedBy(node: NodeId | null): void
}

/** @param initially a folder that was new and began without this node in it is a newcomer's */
export function createTrust(settings: LocalSettings, initially: boolean): Trust {
  let trusts = initially
  return {
    has: () => trusts,
    gain() {
      trusts = true
    },
    admittedBy() {
      const node = settings.getSetting(ADMITTED_BY)
      return node === null ? null : (Buffer.from(node).toString() as NodeId)
    },
    setAdmittedBy: (node) => settings.setSetting(ADMITTED_BY, node === null ? null : new TextEncoder().encode(node)),
  }
}
