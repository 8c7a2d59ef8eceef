/** Gets a version's manifest, a page at a time, from the first source that has it. Decides and checks; sends nothing. */
import { createManifestVerifier, type Manifest, PAGE_HASHES, type VersionShape } from '../content/index.ts'
import { silentAfter } from './source-picker.ts'

/** A source without the manifest is asked again after this (ms): it may be fetching it itself. */
const RETRY_MS = 1_000
/** A page of 2 MiB on a slow path. */
const PAGE_MS = silentAfter(PAGE_HASHES * 32)

export interface ManifestFetch<Id> {
  readonly manifest: Manifest | null
  /** Whom to ask for which page now; null when one is on its way, or nobody can be asked. */
  next(sources: readonly Id[], now: number): { source: Id; page: number } | null
  /** @returns false for bytes that are not that page; true also for a page that came late */
  page(source: Id, page: number, bytes: Uint8Array): boolean
  /** The source does not have it, or has gone. */
  without(source: Id, now: number): void
}

/** @throws {ShapeInvalidError} @throws {TooManyChunksError} */
export function createManifestFetch<Id>(version: VersionShape): ManifestFetch<Id> {
  const verifier = createManifestVerifier(version)
  const notBefore = new Map<Id, number>()
  let asked: { source: Id; at: number } | null = null
  return {
    get manifest() {
      return verifier.manifest
    },
    next(sources, now) {
      const page = verifier.missing
      if (page === null) return null
      if (asked !== null) {
        if (now - asked.at < PAGE_MS) return null
        notBefore.set(asked.source, now + PAGE_MS)
        asked = null
      }
      const source = sources.find((each) => (notBefore.get(each) ?? 0) <= now)
      if (source === undefined) return null
      asked = { source, at: now }
      return { source, page }
    },
    page(source, page, bytes) {
      if (asked?.source === source) asked = null
      return verifier.add(page, bytes)
    },
    without(source, now) {
      notBefore.set(source, now + RETRY_MS)
      if (asked?.source === source) asked = null
    },
  }
}
