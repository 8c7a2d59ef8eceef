/** Gets a version's manifest, a page at a time, from the first source that has it. Decides and checks; sends nothing. */
import { createManifestVerifier, type Manifest, PAGE_HASHES, type VersionShape } from '../content/index.ts'
import { silentAfter } from './source-picker.ts'

/** A source without the manifest is asked again after this (ms): it may be fetching it itself. */
const RETRY_MS = 1_000
/** A page of 2 MiB on a slow path. */
const PAGE_MS = silentAfter(PAGE_HASHES * 32)
/** Where a person waits another source is asked after this (ms), or the time of the page at the rate below. */
const URGENT_PAGE_MS = 1_000
/** bytes per ms: 4 Mbit/s */
const URGENT_PER_MS = 512

export interface ManifestFetch<Id> {
  readonly manifest: Manifest | null
  /** Whom to ask for which page now; null when one is on its way, or nobody can be asked. @param urgent a person waits */
  next(sources: readonly Id[], now: number, urgent: boolean): { source: Id; page: number } | null
  /** What to ask of this source at once, so that this chunk can be verified; nothing while somebody else is asked. */
  first(source: Id, index: number, now: number): number[]
  /** @returns false for bytes that are not that page; true also for a page that came late */
  page(source: Id, page: number, bytes: Uint8Array): boolean
  /** The source does not have it, or has gone. */
  without(source: Id, now: number): void
}

/** @throws {ShapeInvalidError} @throws {TooManyChunksError} */
export function createManifestFetch<Id>(version: VersionShape): ManifestFetch<Id> {
  const verifier = createManifestVerifier(version)
  const notBefore = new Map<Id, number>()
  let asked: { readonly source: Id; readonly at: number; pages: number } | null = null
  const patience = (urgent: boolean, page: number) =>
    urgent ? Math.max(URGENT_PAGE_MS, verifier.pageBytes(page) / URGENT_PER_MS) : PAGE_MS
  return {
    get manifest() {
      return verifier.manifest
    },
    next(sources, now, urgent) {
      const page = verifier.missing
      if (page === null) return null
      const before = asked
      if (before !== null && now - before.at < patience(urgent, page)) return null
      const isAgain = before !== null && now - before.at >= 2 * PAGE_MS
      const isFree = (each: Id) => (isAgain || each !== before?.source) && (notBefore.get(each) ?? 0) <= now
      const source = sources.find(isFree)
      if (source === undefined) return null
      if (before !== null && before.source !== source) notBefore.set(before.source, now + PAGE_MS)
      asked = { source, at: now, pages: 1 }
      return { source, page }
    },
    first(source, index, now) {
      const { missing } = verifier
      if (missing === null || asked !== null || (notBefore.get(source) ?? 0) > now) return []
      const pages = missing === 0 ? [0, 1 + Math.floor(index / PAGE_HASHES)] : [missing]
      asked = { source, at: now, pages: pages.length }
      return pages
    },
    page(source, page, bytes) {
      if (asked?.source === source) {
        asked.pages -= 1
        if (asked.pages === 0) asked = null
      }
      // nothing can be said of it before the header page is here, which this source may have lacked when it was asked
      if (page !== 0 && verifier.missing === 0) return true
      return verifier.add(page, bytes)
    },
    without(source, now) {
      notBefore.set(source, now + RETRY_MS)
      if (asked?.source === source) asked = null
    },
  }
}
