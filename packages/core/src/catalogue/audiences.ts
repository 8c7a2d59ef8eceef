/**
 * Which audience and which of its keys a writer uses. The decision is pure; making a new audience or the next key of
 * one is not. Spec: docs/specs/audiences.md.
 */
import type { CborValue } from '../codec/index.ts'
import { audienceProofKey, keyIdOf, newAudienceKey, type SealingKey, sign } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { type AudienceId, EVERYONE, idBytes, type KeyId, type NetworkId, type NodeId, newAudienceId } from '../ids.ts'
import type { MembershipState } from '../membership/index.ts'
import { systemRandom } from '../random.ts'
import { nextTurn } from '../turns.ts'
import { type AudienceList, EVERYONE_LIST, entitledBy, sameList } from './audience-list.ts'
import { encodeGrants, SLOTS_MAX, sealGone, sealList } from './boxes-format.ts'
import { AudienceKeyMissingError } from './errors.ts'
import type { Keyring } from './keyring.ts'
import type { AppendEntry, Boxes, SharedReads } from './reads.ts'
import { wrapForAll } from './wraps.ts'

/** A key as the writer knows it; `list` and `gone` are null where their boxes were not opened. */
export interface CandidateKey {
  readonly key: KeyId
  readonly readable: boolean
  readonly list: AudienceList | null
  readonly gone: readonly NodeId[] | null
}

export interface CandidateAudience {
  readonly audience: AudienceId
  /** in the order of their entries */
  readonly keys: readonly CandidateKey[]
}

export type KeyChoice =
  | { readonly do: 'use'; readonly audience: AudienceId; readonly key: KeyId }
  | { readonly do: 'renew'; readonly audience: AudienceId; readonly previous: KeyId }
  | { readonly do: 'create' }

/**
 * True when someone who has the key, or may have it, is no current member. Whoever was ever admitted to an entitled
 * branch and is not a current member counts as having it, unless the key's maker had left it out as gone already.
 */
export function isSpoiled(
  list: AudienceList,
  gone: readonly NodeId[] | null,
  members: MembershipState['members'],
): boolean {
  const leftOut = new Set(gone ?? [])
  const isEntitled = entitledBy(list)
  for (const member of members.values()) {
    if (member.state !== 'member' && isEntitled(member.branch) && !leftOut.has(member.node)) return true
  }
  return false
}

/**
 * The first usable key in order, of the first audience that has one; else the first audience whose key can be renewed;
 * else a new audience. A key counts only with the wanted list beside it: a renewal may have come with another one.
 */
export function chooseKey(
  wanted: AudienceList,
  candidates: readonly CandidateAudience[],
  members: MembershipState['members'],
): KeyChoice {
  const fits = (key: CandidateKey) => key.readable && key.list !== null && sameList(key.list, wanted)
  for (const { audience, keys } of candidates) {
    const usable = keys.find((key) => fits(key) && !isSpoiled(wanted, key.gone, members))
    if (usable !== undefined) return { do: 'use', audience, key: usable.key }
  }
  for (const { audience, keys } of candidates) {
    const last = keys.findLast(fits)
    if (last !== undefined) return { do: 'renew', audience, previous: last.key }
  }
  return { do: 'create' }
}

export interface WritingKey {
  readonly audience: AudienceId
  readonly key: KeyId
  /** 32 bytes */
  readonly secret: Uint8Array
}

export interface AudiencesInit {
  /** of keys and boxes: what belongs together is written together, and waited for once */
  db: Pick<Database, 'write'>
  network: NetworkId
  sealing: SealingKey
  reads: SharedReads
  keyring: Keyring
  boxes: Boxes
  append: AppendEntry
  /** seeks a key that is not here */
  acquire(audience: AudienceId, key: KeyId): Promise<boolean>
}

export interface Audiences {
  /**
   * A key to write with for this list; appends an `audience` entry when there is none yet.
   * @throws {AudienceKeyMissingError} when "everyone" has keys but none is here
   */
  writingKey(list: AudienceList): Promise<WritingKey>
  /** Whether the key may still be used, now. */
  isUsable(list: AudienceList, audience: AudienceId, key: KeyId): boolean
  /** The founder's first act: the first key of "everyone". Does nothing when there is one. */
  ensureEveryone(): Promise<void>
  /** Members that are here again (released) may have got keys since: forget that those keys' makers left them out. */
  membersChanged(): void
}

/** Times that membership may change while a key is being made. */
const ATTEMPTS = 5

export function createAudiences(init: AudiencesInit): Audiences {
  const { network, sealing, reads, keyring, boxes } = init
  let queue: Promise<unknown> = Promise.resolve()

  function candidate(audience: AudienceId): CandidateAudience {
    const keys = (reads.audience(audience)?.keys ?? []).map(({ key }): CandidateKey => {
      const held = keyring.audienceKey(audience, key)
      held?.secret.fill(0)
      return {
        key,
        readable: held !== null,
        list: audience === EVERYONE ? EVERYONE_LIST : (held?.list ?? null),
        gone: held?.gone ?? null,
      }
    })
    return { audience, keys }
  }

  function choose(list: AudienceList): KeyChoice {
    const audiences = list.mode === 'everyone' ? [EVERYONE] : keyring.audiencesWith(list)
    return chooseKey(list, audiences.map(candidate), reads.membership().members)
  }

  async function make(list: AudienceList, audience: AudienceId, previous: KeyId | null): Promise<void> {
    const secret = newAudienceKey()
    const key = keyIdOf(network, audience, secret)
    const isEntitled = entitledBy(list)
    const all = [...reads.membership().members.values()].filter((member) => isEntitled(member.branch))
    const gone = all.filter((member) => member.state !== 'member').map((member) => member.node)
    const receivers = all.filter((member) => member.state === 'member').slice(0, SLOTS_MAX)
    const slots = await wrapForAll({ network, sealing, audience, key, secret, receivers })
    await nextTurn()
    const grants = encodeGrants(
      { from: sealing.publicKey, gone: sealGone(network, audience, secret, gone), slots },
      systemRandom.bytes,
    )
    const proof = audienceProofKey(network, audience, secret).publicKey
    await nextTurn()
    const body: Record<string, CborValue> = { audience: idBytes(audience), key: idBytes(key), proof }
    if (previous !== null) {
      const before = keyring.audienceKey(audience, previous)
      if (before === null) throw new AudienceKeyMissingError(audience)
      const signer = audienceProofKey(network, audience, before.secret)
      before.secret.fill(0)
      const signature = sign(signer, 'audience-renewal', network, idBytes(audience), idBytes(key))
      body.renews = { key: idBytes(previous), signature }
    }
    init.db.write(() => {
      body.grants = idBytes(boxes.put(grants))
      if (list.mode !== 'everyone') body.list = idBytes(boxes.put(sealList(network, audience, secret, list)))
      keyring.putAudienceKey(audience, key, secret)
      keyring.note(audience, key, { gone, list })
    })
    secret.fill(0)
    try {
      init.append('audience', body)
    } catch (error) {
      keyring.forgetAudienceKey(audience, key)
      throw error
    }
  }

  /** "Everyone" cannot be made anew: a member that has none of its keys yet has to get one. */
  async function seekEveryone(): Promise<void> {
    const keys = reads.audience(EVERYONE)?.keys ?? []
    if (keys.length === 0) return await make(EVERYONE_LIST, EVERYONE, null)
    for (const { key } of keys.toReversed()) if (await init.acquire(EVERYONE, key)) return
    throw new AudienceKeyMissingError(EVERYONE)
  }

  async function find(list: AudienceList): Promise<WritingKey> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const choice = choose(list)
      if (choice.do === 'use') {
        const held = keyring.audienceKey(choice.audience, choice.key)
        if (held !== null) return held
      } else if (choice.do === 'renew') await make(list, choice.audience, choice.previous)
      else if (list.mode !== 'everyone') await make(list, newAudienceId(), null)
      else await seekEveryone()
      // a key for many takes its time to be stored and announced; what is written with it takes another
      await nextTurn()
    }
    throw new AudienceKeyMissingError(
      list.mode === 'everyone' ? EVERYONE : (keyring.audiencesWith(list)[0] ?? EVERYONE),
    )
  }

  /** One at a time, so that two uploads do not make two audiences of one list. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = queue.then(work, work)
    queue = done.catch(() => undefined)
    return done
  }

  return {
    writingKey: (list) => inTurn(() => find(list)),
    isUsable(list, audience, key) {
      const found = candidate(audience).keys.find((each) => each.key === key)
      if (found === undefined || !found.readable || found.list === null || !sameList(found.list, list)) return false
      return !isSpoiled(list, found.gone, reads.membership().members)
    },
    async ensureEveryone() {
      if ((reads.audience(EVERYONE)?.keys.length ?? 0) === 0) await inTurn(() => find(EVERYONE_LIST))
    },
    membersChanged() {
      const { members } = reads.membership()
      for (const { audience, key, gone, secret } of keyring.audienceKeys()) {
        secret.fill(0)
        if (gone === null) continue
        const still = gone.filter((node) => members.get(node)?.state !== 'member')
        if (still.length !== gone.length) keyring.note(audience, key, { gone: still })
      }
    },
  }
}
