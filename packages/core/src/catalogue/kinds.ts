/**
 * Bodies of ordinary entries: files, audiences, capacity. Spec: docs/specs/files.md and docs/specs/audiences.md.
 * Nothing here is secret: names, types, tags and lists are in sealed boxes, named by hash.
 */
import { type Shape, type ShapeOf, shape } from '../codec/index.ts'

const file = shape.bytes(16)
const box = shape.bytes(32)
const entry = shape.bytes(32)

/**
 * The shapes that a version may have: a rule of the fold, so that no entry that stands names content that no store can
 * keep. Below the smallest chunk hashes weigh more than they are worth.
 */
export const MIN_CHUNK_BYTES = 64 * 1024
/** What a receiver may have to buffer for one chunk. */
export const MAX_CHUNK_BYTES = 16 * 1024 * 1024
/** 32 MiB of hashes, 16 TiB of content: bounds the memory of a manifest whatever an entry claims. */
export const MAX_CHUNKS = 1_048_576

/** Sealed bytes of one version: 1 MiB chunks or larger, see `chunkSizeFor`. Its bounds are checked by the fold. */
const content = shape.object({
  root: shape.bytes(32),
  /** plain size in bytes */
  size: shape.uint(),
  /** plain bytes per chunk */
  chunk: shape.uint(),
})

/** Opens access epoch `epoch`: a new file key, wrapped for one audience. */
const opens = shape.object({
  epoch: shape.uint(0xffff_ffff),
  audience: shape.bytes(16),
  /** id of the audience key under which `wrap` is */
  key: shape.bytes(16),
  /** nonce, wrapped file key, tag */
  wrap: shape.bytes(60),
  /** public half of the epoch's proof key */
  proof: shape.bytes(32),
  /** the older epochs' file keys, sealed under this epoch's key, for readers of older versions */
  older: shape.optional(shape.bytesUpTo(8192)),
})

const boxes = { meta: box, preview: shape.optional(box) }

/** What a change of a file stands on: the newest entry of the file that its author knew. */
const builds = { file, builds: entry }

export const ordinaryBodies = {
  upload: shape.object({ file, salt: shape.bytes(16), content, opens, ...boxes }),
  /** A new version in the current access epoch, or in a new one when the audience key had to be renewed. */
  update: shape.object({ ...builds, content, epoch: shape.uint(0xffff_ffff), opens: shape.optional(opens), ...boxes }),
  /** Moves the file to another audience: closes the access epoch, opens the next. */
  share: shape.object({ ...builds, opens, ...boxes }),
  /** The present version number sealed anew in the newest access epoch. */
  reseal: shape.object({ ...builds, version: shape.uint(), epoch: shape.uint(0xffff_ffff), content }),
  /** Name, type, tags or campaign changed, nothing else. */
  describe: shape.object({ ...builds, epoch: shape.uint(0xffff_ffff), ...boxes }),
  trash: shape.object(builds),
  /** Out of the trash and, with `version`, back to that version, as a new one with the same content. */
  restore: shape.object({ ...builds, version: shape.optional(shape.uint()) }),
  purge: shape.object(builds),
  /**
   * A new audience, or the next key of one. `list` and `grants` are boxes (everyone has no list). A renewal is signed
   * by the previous key's proof key over (audience, next key id).
   */
  audience: shape.object({
    audience: shape.bytes(16),
    key: shape.bytes(16),
    proof: shape.bytes(32),
    list: shape.optional(box),
    grants: box,
    renews: shape.optional(shape.object({ key: shape.bytes(16), signature: shape.bytes(64) })),
  }),
  /** Weight in the placement: 0 holds nothing for others, 16 is the default, each step of 16 as much again. */
  capacity: shape.object({ weight: shape.uint(4096) }),
} as const satisfies Record<string, Shape<unknown>>

export type OrdinaryKind = keyof typeof ordinaryBodies
export type OrdinaryBody<K extends OrdinaryKind> = ShapeOf<(typeof ordinaryBodies)[K]>
export type FileKind = Exclude<OrdinaryKind, 'audience' | 'capacity'>

export function isOrdinaryKind(kind: string): kind is OrdinaryKind {
  return Object.hasOwn(ordinaryBodies, kind)
}

export const DEFAULT_WEIGHT = 16
