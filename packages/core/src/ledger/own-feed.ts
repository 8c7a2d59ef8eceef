/**
 * Which feed we write to. Going on with one that another copy of this folder goes on with as well would fork it, so a
 * feed is continued only for a reason; else the next write opens a new one. Spec: docs/specs/entry.md, "Feeds".
 */
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { equalBytes, sha256 } from '../crypto/index.ts'
import { type EntryId, type FeedId, feedIdFrom, feedIncarnation, idBytes, idFrom, toHex } from '../ids.ts'
import type { Random } from '../random.ts'
import { CLOCK_TOLERANCE_MS, isLater } from './clock.ts'
import type { HeadIndex, Tip } from './heads.ts'
import type { Head } from './types.ts'

/** Settings of this node only; both calls are durable when they return. */
export interface LocalSettings {
  getSetting(name: string): Uint8Array | null
  /** null removes it */
  setSetting(name: string, value: Uint8Array | null): void
}

const MARK = 'ledger/orderly-close'
const MARK_MAX_BYTES = 256
const markShape = shape.tuple(shape.bytes(32), shape.bytes(16), shape.uint(), shape.bytes(32))

export interface OwnFeedInit {
  publicKey: Uint8Array
  heads: HeadIndex
  local: LocalSettings
  /** what a copy of the folder does not carry; null when there is no such thing, then no close counts as orderly */
  folderId: () => Uint8Array | null
  clock: Clock
  random: Random
}

export interface OwnFeed {
  /** Where the next entry goes; opens a new feed when the last one may not be continued. */
  place(): { incarnation: Uint8Array; feed: FeedId; seq: number; prev: EntryId | null }
  /** Goes on with a feed that this very run has begun. */
  open(feed: FeedId): void
  /** The newest of our feeds, when it waits for a peer to confirm that it ends where ours ends. */
  unconfirmed(): Head | null
  /** A peer ends our feed at this entry. @returns true when the feed is continued from now on */
  confirm(head: Head): boolean
  /** Entries of ours came back from a peer: this folder is older than what we wrote, so its feed is not continued. */
  regained(feed: FeedId): void
  /** Leaves the mark of an orderly close. */
  close(): void
}

export function createOwnFeed(init: OwnFeedInit): OwnFeed {
  const { heads, local, clock } = init
  const prefix = `${toHex(init.publicKey)}/`
  let current: FeedId | null = null
  let candidate: Head | null = newest()
  const mark = readMark()
  // from here on a power cut or a copy finds no mark
  if (local.getSetting(MARK) !== null) local.setSetting(MARK, null)
  if (mark !== null && candidate !== null && sameHead(mark, candidate)) {
    current = candidate.feed
    candidate = null
  }

  function newest(): Tip | null {
    let found: Tip | null = null
    for (const tip of heads.all()) {
      if (tip.feed.startsWith(prefix) && (found === null || isLater(tip, found))) found = tip
    }
    return found
  }

  function readMark(): Head | null {
    const bytes = local.getSetting(MARK)
    const folder = init.folderId()
    if (bytes === null || folder === null) return null
    try {
      const [boundTo, incarnation, seq, id] = markShape(decodeCbor(bytes, MARK_MAX_BYTES))
      return equalBytes(boundTo, folder)
        ? { feed: feedIdFrom(init.publicKey, incarnation), seq, id: idFrom<EntryId>(id) }
        : null
    } catch {
      return null // a mark that cannot be read is no mark
    }
  }

  /** The end of our feed if it has exactly one, in a time that others accept. */
  function end(feed: FeedId): Tip | null | 'unusable' {
    const tips = heads.of(feed)
    const [tip] = tips
    if (tip === undefined) return null
    return tips.length === 1 && tip.ms <= clock.now() + CLOCK_TOLERANCE_MS ? tip : 'unusable'
  }

  return {
    place() {
      const tip = current === null ? 'unusable' : end(current)
      if (current === null || tip === 'unusable') {
        current = feedIdFrom(init.publicKey, init.random.bytes(16))
        candidate = null
        return { incarnation: feedIncarnation(current), feed: current, seq: 0, prev: null }
      }
      const at = tip === null ? { seq: 0, prev: null } : { seq: tip.seq + 1, prev: tip.id }
      return { incarnation: feedIncarnation(current), feed: current, ...at }
    },
    open(feed) {
      current = feed
      candidate = null
    },
    unconfirmed: () => candidate,
    confirm(head) {
      if (candidate === null || !sameHead(head, candidate)) return false
      const tip = end(head.feed)
      if (tip === null || tip === 'unusable' || tip.id !== head.id) return false
      current = head.feed
      candidate = null
      return true
    },
    regained(feed) {
      if (candidate?.feed === feed) candidate = null
      if (current === feed) current = null
    },
    close() {
      const folder = init.folderId()
      const tip = current === null ? null : end(current)
      if (folder === null || tip === null || tip === 'unusable') return
      local.setSetting(MARK, encodeCbor([folder, feedIncarnation(tip.feed), tip.seq, idBytes(tip.id)]))
    },
  }
}

/**
 * What a copied folder does not carry: the inode of its database and the machine's id (machine-id(5); its name where
 * there is none). 32 bytes; null for a database that is no file.
 */
export function folderIdOf(databasePath: string): Uint8Array | null {
  try {
    const { ino } = statSync(databasePath, { bigint: true })
    return sha256(new TextEncoder().encode(`${machineId()}\0${ino}`))
  } catch {
    return null
  }
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return hostname()
  }
}

function sameHead(a: Head, b: Head): boolean {
  return a.feed === b.feed && a.seq === b.seq && a.id === b.id
}
