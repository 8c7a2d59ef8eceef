/**
 * Bodies of control entries: authority, membership and ownership. Spec: docs/specs/control.md.
 * Control entries name, in `seen`, the control frontier that their author knew; ownership entries carry an
 * `OwnershipRef`, so that they can be judged without the file's ordinary entries.
 */
import { type Shape, type ShapeOf, shape } from '../codec/index.ts'

const key32 = shape.bytes(32)
const id32 = shape.bytes(32)
const fileId = shape.bytes(16)
const signature = shape.bytes(64)
const incarnation = shape.bytes(16)
const role = shape.oneOf('member', 'admin')
export const BRANCH_NAME_MAX = 255
export const NETWORK_NAME_MAX = 255
/** Ends of feeds in one closing entry. */
export const CUTS_MAX = 512
const branchName = shape.text(BRANCH_NAME_MAX, 1)

/** A file and the proof of who owned it first: file id = H('file-id', author, salt). */
const ownershipRef = { file: fileId, author: key32, salt: shape.bytes(16) }

/**
 * The last entry that counts, and its place, in each feed of one author, or in each branch where it forked; feeds that are
 * not listed are closed from 0. What the closing entry had seen counts in any case. Why the id: decision 0023.
 */
const cuts = shape.array(shape.tuple(incarnation, shape.uint(), id32), CUTS_MAX)

export const controlBodies = {
  found: shape.object({
    name: shape.text(NETWORK_NAME_MAX, 1),
    branch: branchName,
    sealing: key32,
    recovery: key32,
    policy: shape.object({
      minCopies: shape.optional(shape.uint(10_000)),
      maxCopies: shape.optional(shape.uint(10_000)),
    }),
    rules: shape.uint(),
  }),
  invite: shape.object({
    key: key32,
    branch: branchName,
    role,
    expires: shape.uint(),
    replaces: shape.optional(key32),
    /** with `replaces`: how far the issuer knew the old feeds; they are not cut before that */
    cuts: shape.optional(cuts),
  }),
  revoke: shape.object({ invite: id32 }),
  /** `proof`: the invite's key over (node, sealing); `accepts`: the newcomer's own key over (invite, sealing). `cuts` with `replaces`. */
  admit: shape.object({
    invite: id32,
    node: key32,
    sealing: key32,
    proof: signature,
    accepts: signature,
    cuts: shape.optional(cuts),
  }),
  role: shape.object({ node: key32, role }),
  quarantine: shape.object({ node: key32 }),
  release: shape.object({ node: key32 }),
  /** `last`, by the recovery key: of its control entries only this one counts and what it had seen; the cuts are meant literally */
  expel: shape.object({ node: key32, cuts, last: shape.optional(id32) }),
  leave: shape.object({}),
  left: shape.object({
    leave: id32,
    accepted: shape.array(id32, 1024),
    orphans: shape.array(fileId, 1024),
    force: shape.bool,
    /** the author's other feeds; the one it is written in ends with this entry */
    cuts: shape.optional(cuts),
  }),
  /** `to`: the branch that shall own it; `builds`: the newest file entry that the owner stands by. */
  offer: shape.object({ ...ownershipRef, to: id32, builds: id32 }),
  /**
   * Of an offer or `assign` (one file) or, in a draw, of a `leave` or `expel` (many files).
   * `proof`: the proof key of the file's newest access epoch over (file, of, accepting branch).
   */
  accept: shape.object({ of: id32, files: shape.array(shape.object({ ...ownershipRef, proof: signature }), 256) }),
  decline: shape.object({ of: id32, file: fileId }),
  cancel: shape.object({ of: id32, file: fileId }),
  /** An admin settles who shall own an orphan or a disputed file; takes effect at the assignee's acceptance. */
  assign: shape.object({ ...ownershipRef, to: id32 }),
  /** Anyone with the key proof may take an orphan. `proof` over (file, branch). */
  adopt: shape.object({ ...ownershipRef, proof: signature }),
  upgrade: shape.object({ rules: shape.uint() }),
} as const satisfies Record<string, Shape<unknown>>

export type ControlKind = keyof typeof controlBodies
export type ControlBody<K extends ControlKind> = ShapeOf<(typeof controlBodies)[K]>

export function isControlKind(kind: string): kind is ControlKind {
  return Object.hasOwn(controlBodies, kind)
}

/** Rules version that this software founds networks with and understands. */
export const RULES_VERSION = 1
