/** One audience's keys, and one member's capacity, from their entries. Spec: docs/specs/state-digest.md. Pure. */
import { DecodeError } from '../codec/index.ts'
import { verify } from '../crypto/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type EntryId,
  EVERYONE,
  idBytes,
  idFrom,
  type KeyId,
  type NetworkId,
} from '../ids.ts'
import type { MembershipState, Refusal } from '../membership/index.ts'
import type { IsBeyondEnd } from './closed-feeds.ts'
import { inOrder, type OrdinaryEntry, refuse, type Verdicts } from './fold-entry.ts'
import { DEFAULT_WEIGHT, type OrdinaryBody, ordinaryBodies } from './kinds.ts'
import type { SharedAudience, SharedAudienceKey } from './types.ts'

export interface AudienceFold {
  /** null when it has no key */
  readonly audience: SharedAudience | null
  readonly verdicts: Verdicts
}

interface SubjectInit {
  readonly membership: MembershipState
  readonly entries: readonly OrdinaryEntry[]
  readonly isBeyondEnd: IsBeyondEnd
}

export function foldAudience(init: SubjectInit & { audience: AudienceId; network: NetworkId }): AudienceFold {
  const { audience } = init
  const verdicts: Verdicts = new Map()
  const keys = new Map<KeyId, SharedAudienceKey>()
  eachCounting(init, verdicts, ordinaryBodies.audience, (entry, body) => {
    const key = idFrom<KeyId>(body.key)
    const refusal = refuseKey(init, entry, body, keys)
    if (refusal !== null) return refusal
    keys.set(key, {
      key,
      proof: body.proof,
      grants: idFrom<BoxHash>(body.grants),
      list: body.list === undefined ? null : idFrom<BoxHash>(body.list),
      author: entry.author,
      entry: entry.id,
    })
    return null
  })
  const inTurn = [...keys.values()]
  const last = inTurn.at(-1)
  return { audience: last === undefined ? null : { audience, list: last.list, keys: inTurn }, verdicts }
}

function refuseKey(
  { audience, network, membership }: { audience: AudienceId; network: NetworkId; membership: MembershipState },
  entry: OrdinaryEntry,
  body: OrdinaryBody<'audience'>,
  keys: ReadonlyMap<KeyId, SharedAudienceKey>,
): Refusal | null {
  if (keys.has(idFrom<KeyId>(body.key))) return refuse('already-exists', 'the audience has this key')
  if ((body.list === undefined) !== (audience === EVERYONE)) {
    return refuse('bad-list', 'every audience but "everyone" has a list')
  }
  if (body.renews !== undefined) {
    const previous = keys.get(idFrom<KeyId>(body.renews.key))
    if (previous === undefined) return refuse('unknown-key', 'no such key of the audience stands before it')
    const { signature } = body.renews
    const isSigned = verify(previous.proof, signature, 'audience-renewal', network, idBytes(audience), body.key)
    return isSigned ? null : refuse('bad-proof', 'the key that it renews did not sign it')
  }
  if (keys.size > 0) return refuse('not-renewed', 'the audience has a key, which has to sign the next')
  if (audience === EVERYONE && entry.author !== membership.network?.founder) {
    return refuse('not-founder', 'the first key of "everyone" is the founder’s')
  }
  return null
}

export interface CapacityFold {
  readonly weight: number
  /** null where nothing was written: the default stands */
  readonly entry: EntryId | null
  readonly verdicts: Verdicts
}

/** @param init entries of one author; its last one counts */
export function foldCapacity(init: SubjectInit): CapacityFold {
  const verdicts: Verdicts = new Map()
  let weight = DEFAULT_WEIGHT
  let last: EntryId | null = null
  eachCounting(init, verdicts, ordinaryBodies.capacity, (entry, body) => {
    weight = body.weight
    last = entry.id
    return null
  })
  return { weight, entry: last, verdicts }
}

/** Goes through the entries in order, those whose author has a say where they stand. */
function eachCounting<B>(
  { membership, entries, isBeyondEnd }: SubjectInit,
  verdicts: Verdicts,
  shape: (body: OrdinaryEntry['body']) => B,
  take: (entry: OrdinaryEntry, body: B) => Refusal | null,
): void {
  for (const entry of inOrder(entries)) verdicts.set(entry.id, judge(entry))

  function judge(entry: OrdinaryEntry): Refusal | null {
    if (!membership.members.has(entry.author)) return refuse('not-a-member', 'its author was never admitted')
    if (isBeyondEnd(membership, entry)) return refuse('feed-closed', 'beyond the end of its author’s feed')
    let body: B
    try {
      body = shape(entry.body)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return refuse('malformed', 'the body has not the form of its kind')
    }
    return take(entry, body)
  }
}
