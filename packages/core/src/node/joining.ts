/** What the newcomer checks before it believes a member: the control entries, folded by the same rules as everywhere. */
import type { NetworkId } from '../ids.ts'
import {
  decodeEntry,
  type Entry,
  foldControl,
  isCosigned,
  isSigned,
  recoveryKeyOf,
  type SignedBytes,
} from '../ledger/index.ts'
import { createFold, type MembershipState } from '../membership/index.ts'

/**
 * Entries without a valid signature of their own are left out, and so is what builds on them: one member that writes
 * rubbish must not keep everyone out. Whether the rest suffices, the joiner sees from the state.
 * @throws {DecodeError} for bytes that are no entry of this network
 */
export function foldControlEntries(network: NetworkId, signed: readonly SignedBytes[], rules: number): MembershipState {
  const decoded = signed.map((each) => decodeEntry(each, network))
  const founding = decoded.find(({ id }) => (id as string) === network)
  const recovery = founding === undefined ? null : recoveryKeyOf(founding)
  const entries = decoded.filter((entry) => isSigned(entry, network) && isCosigned(entry, network, recovery))
  const fold = createFold(rules)
  foldControl<typeof fold, Entry>({
    entries,
    initial: fold,
    apply: (running, entry) => running.apply(entry) as typeof fold,
    rank: (running, entry) => running.rank(entry),
  })
  return fold.state()
}
