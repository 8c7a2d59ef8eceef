/**
 * What a newcomer is shown of the control entries, what it checks before it believes a member, and whom it asks before it
 * trusts what it was given. Spec: docs/specs/register.md.
 */
import type { EntryId, NetworkId, NodeId } from '../ids.ts'
import {
  decodeEntry,
  type Entry,
  foldControl,
  isCosigned,
  isSigned,
  type Ledger,
  recoveryKeyOf,
  type SignedBytes,
} from '../ledger/index.ts'
import { createFold, isControlKind, type MembershipState } from '../membership/index.ts'
import { type Random, shuffled } from '../random.ts'

/** Members whose heads a newcomer compares before it trusts what it was given, beside the one that admitted it. */
const COMPARED_PEERS = 3
/** Entries of one feed looked at to find one that vouches. */
const PAGE = 256

/**
 * All control entries in order of arrival. One without a signature of its own is followed by the entries of its feed up to
 * one that has one: the newcomer has nothing else of that feed.
 */
export function controlWithVouchers(ledger: Ledger, network: NetworkId): SignedBytes[] {
  return ledger.control().flatMap((entry) => [entry, ...(entry.sig === null ? vouchersOf(ledger, network, entry) : [])])
}

function vouchersOf(ledger: Ledger, network: NetworkId, entry: Entry): Entry[] {
  const chain: Entry[] = []
  let last = entry
  for (;;) {
    const page = ledger.after(last.feed, last.seq, PAGE)
    const before = last
    for (const next of page) {
      // of a fork only the branch that follows it
      if (next.prev !== last.id) continue
      chain.push(next)
      if (isSigned(next, network)) return chain
      last = next
    }
    if (last === before) return chain
  }
}

/**
 * Folds what is authentic, by the rule that holds everywhere: by a signature of its own, or by that of a later entry of its
 * feed which descends from it. The rest is left out, and so is what builds on it: one member that writes rubbish must not
 * keep everyone out. Whether it suffices, the joiner sees from the state.
 * @throws {DecodeError} for bytes that are no entry of this network
 */
export function foldControlEntries(network: NetworkId, signed: readonly SignedBytes[], rules: number): MembershipState {
  const decoded = new Map(signed.map((each) => decodeEntry(each, network)).map((entry) => [entry.id, entry]))
  const founding = decoded.get(network as string as EntryId)
  const recovery = founding === undefined ? null : recoveryKeyOf(founding)
  const entries = authentic(decoded, network).filter(
    (entry) => isControlKind(entry.kind) && isCosigned(entry, network, recovery),
  )
  const fold = createFold(rules)
  foldControl<typeof fold, Entry>({
    entries,
    initial: fold,
    apply: (running, entry) => running.apply(entry) as typeof fold,
    rank: (running, entry) => running.rank(entry),
  })
  return fold.state()
}

function authentic(decoded: ReadonlyMap<EntryId, Entry>, network: NetworkId): Entry[] {
  const found = new Map<EntryId, Entry>()
  for (const entry of decoded.values()) {
    if (found.has(entry.id) || !isSigned(entry, network)) continue
    for (let at: Entry | undefined = entry; at !== undefined && !found.has(at.id); ) {
      found.set(at.id, at)
      const previous: Entry | undefined = at.prev === null ? undefined : decoded.get(at.prev)
      at = previous?.feed === at.feed && previous.seq === at.seq - 1 ? previous : undefined
    }
  }
  return [...found.values()]
}

/**
 * Compares heads with members other than the one that admitted, and fetches what they have more, until enough have
 * answered or nobody is left. First those that the invite names: they were chosen by its issuer.
 * @returns those that answered
 */
export async function compareWithOthers(init: {
  readonly named: readonly NodeId[]
  readonly others: readonly NodeId[]
  readonly random: Random
  readonly signal: AbortSignal
  compare(peer: NodeId, signal: AbortSignal): Promise<unknown>
  onFailure(peer: NodeId, error: unknown): void
}): Promise<NodeId[]> {
  const queue = [...new Set([...init.named, ...shuffled([...init.others], init.random)])]
  const answered: NodeId[] = []
  const next = async (): Promise<void> => {
    while (answered.length < COMPARED_PEERS && !init.signal.aborted) {
      const peer = queue.shift()
      if (peer === undefined) return
      try {
        await init.compare(peer, init.signal)
        answered.push(peer)
      } catch (error) {
        init.onFailure(peer, error)
      }
    }
  }
  await Promise.all(Array.from({ length: COMPARED_PEERS }, next))
  return answered
}
