/**
 * Deliberate faults, one for each rule of the ledger: the text of the sources that is changed, and a seed that is known
 * to find it. A rule whose text is no longer there fails the run, so that no fault is left out without a word.
 */

export interface Mutation {
  readonly rule: string
  /** under `packages/core/src` */
  readonly file: string
  /** stands there exactly once */
  readonly find: string
  readonly replace: string
  /** tried first */
  readonly seed: number
}

export const mutations: readonly Mutation[] = [
  // ------------------------------------------------------------------------------------------ order of control entries
  {
    rule: 'control entries fold after what they had seen',
    file: 'ledger/order.ts',
    find: 'parents.set(entry.id, seen)',
    replace: 'parents.set(entry.id, [])',
    seed: 1,
  },
  {
    rule: 'of concurrent control entries the higher rank goes first',
    file: 'membership/rules-authority.ts',
    find: 'return entry.author === state.network.founder ? [1, 0] : [2, member.steps ?? 0]',
    replace: 'return [2, 0]',
    seed: 1,
  },
  {
    rule: 'of one rank the lower id goes first',
    file: 'ledger/order.ts',
    find: 'compareRanks(own, bestRank) || compareText(entry.id, current.id)',
    replace: 'compareRanks(own, bestRank) || compareText(current.id, entry.id)',
    seed: 1,
  },
  {
    rule: 'a late control entry refolds those behind it',
    file: 'ledger/order.ts',
    find: 'return frontier(before).every((id) => seen.has(id))',
    replace: 'return true',
    seed: 1,
  },
  {
    rule: 'an entry that names what is not here blocks nobody else',
    file: 'ledger/order.ts',
    find: 'const { order } = foldControl<null, ControlNode>({ entries, initial: null, apply: () => null, rank: () => [] })',
    replace: 'const order = entries',
    seed: 1,
  },
  {
    rule: 'authority is never decided by a clock',
    file: 'membership/rules-authority.ts',
    find: 'if (entry.cosigned || state.network === null) return [0, 0]',
    replace: 'if (entry.cosigned || state.network === null) return [0, 0]\n  if (entry.ms > 0) return [1, entry.ms]',
    seed: 1,
  },
  // ----------------------------------------------------------------------------------------- order of ordinary entries
  {
    rule: 'ordinary entries are executed by (ms, counter, feed, id)',
    file: 'catalogue/fold-entry.ts',
    find: 'return [...unique.values()].sort(compareOrdinary)',
    replace: 'return [...unique.values()]',
    seed: 1,
  },
  {
    rule: 'a late entry refolds what depends on its author',
    file: 'catalogue/dependents.ts',
    find: 'if (standing(old, before) !== standing(now, after)) changed.add(node)',
    replace: '',
    seed: 1,
  },
  {
    rule: 'a late act refolds its file',
    file: 'catalogue/dependents.ts',
    find: 'if (old !== now && actsText(old) !== actsText(now)) files.add(file)\n    else if',
    replace: 'if',
    seed: 1,
  },
  {
    rule: 'the digest forgets a row that has changed',
    file: 'catalogue/state-rows.ts',
    find: 'if (before !== undefined) hash.remove(elementOf(id, spec, before))',
    replace: '',
    seed: 1,
  },
  {
    rule: 'the digest forgets a file that has changed',
    file: 'catalogue/state-rows.ts',
    find: 'if (before !== null) hash.remove(elementOfFile(id, before))',
    replace: '',
    seed: 1,
  },
  // ------------------------------------------------------------------------------------------------- what may be stored
  {
    rule: 'an entry ahead of local time is held',
    file: 'ledger/ingest.ts',
    find: 'const isAhead = entry.ms > clock.now() + CLOCK_TOLERANCE_MS',
    replace: 'const isAhead = false',
    seed: 1,
  },
  {
    rule: 'what is held is taken when its time has come',
    file: 'ledger/ingest.ts',
    find: 'if (stopped || held.size === 0) return',
    replace: 'if (held.size >= 0) return',
    seed: 1,
  },
  {
    rule: 'entries of unknown authors are not stored',
    file: 'ledger/ingest.ts',
    find: 'if (entry.kind !== FOUND && !store.knowsAuthor(entry.author)) return UNKNOWN_AUTHOR',
    replace: '',
    seed: 1,
  },
  {
    rule: 'clocks rise along a feed',
    file: 'ledger/ingest.ts',
    find: 'if (last !== undefined && !isLater(entry, last)) {',
    replace: 'if (last === null) {',
    seed: 1,
  },
  {
    rule: 'an entry is authentic by a valid signature only',
    file: 'ledger/ingest.ts',
    find: 'if (authentic.has(entry.id) || !isSigned(entry, network)) continue',
    replace: 'if (authentic.has(entry.id)) continue',
    seed: 1,
  },
  {
    rule: 'a signature vouches within its feed only',
    file: 'ledger/ingest.ts',
    find: 'return previous !== undefined && previous.feed === entry.feed && previous.seq === entry.seq - 1',
    replace: 'return previous !== undefined && previous.seq === entry.seq - 1',
    seed: 1,
  },
  {
    rule: 'a cosigned entry bears the recovery key’s signature',
    file: 'ledger/entry.ts',
    find: 'if (!entry.cosigned) return true',
    replace: 'if (entry.id.length > 0) return true',
    seed: 1,
  },
  {
    rule: 'an entry belongs to this network',
    file: 'ledger/entry.ts',
    find: '} else if (idFrom<NetworkId>(net) !== network) throw new EntryForeignError()',
    replace: '}',
    seed: 1,
  },
  {
    rule: 'both branches of a fork are heads',
    file: 'ledger/heads.ts',
    find: '.filter((each) => each.id !== replaced)',
    replace: '.filter(() => false)',
    seed: 1,
  },
  // ------------------------------------------------------------------------------------------------------ own entries
  {
    rule: 'a feed is continued only for a reason',
    file: 'ledger/own-feed.ts',
    find: "      candidate = tip\n      reason = 'unconfirmed'",
    replace: "      current = tip.feed\n      reason = 'unconfirmed'",
    seed: 1,
  },
  {
    rule: 'an entry is later than all that its author had seen',
    file: 'ledger/ledger.ts',
    find: 'hybrid.observe(entry)',
    replace: '',
    seed: 1,
  },
  {
    rule: 'a node whose clock is off does not write',
    file: 'ledger/ledger.ts',
    find: 'Math.abs(skew.ms) > CLOCK_TOLERANCE_MS',
    replace: 'skew.witnesses < 0',
    seed: 1,
  },
  // ----------------------------------------------------------------------------------------------------------- authority
  {
    rule: 'only an admin invites',
    file: 'membership/rules-admission.ts',
    find: "if (!hasAuthority) return refuse('not-admin', 'only an admin may invite')",
    replace: '',
    seed: 1,
  },
  {
    rule: 'only an admin makes admins',
    file: 'membership/rules-authority.ts',
    find: "if (!hasAuthority) return refuse('not-admin', 'only an admin may appoint admins')",
    replace: '',
    seed: 1,
  },
  {
    rule: 'an invite is used once, as far as was seen',
    file: 'membership/rules-admission.ts',
    find: 'if (record?.uses.some(({ admit }) => draft.hasSeen(entry.id, admit)))',
    replace: 'if (record === undefined)',
    seed: 1,
  },
  {
    rule: 'who comes in by a used invite is marked',
    file: 'membership/rules-admission.ts',
    find: "if (record.uses.length > 0) marks.push('invite-reused')",
    replace: '',
    seed: 1,
  },
  {
    rule: 'a newcomer shows the key of its invite',
    file: 'membership/rules-admission.ts',
    find: 'if (!proves(act, invite)) return',
    replace: 'if (node.length === 0) return',
    seed: 1,
  },
  {
    rule: 'two votes agree where no single admin could have made both voices',
    file: 'membership/voices.ts',
    find: 'return !above(a).some(',
    replace: 'return ofB.size > 0 || !above(a).some(',
    seed: 1,
  },
  {
    rule: 'one admin alone does not expel',
    file: 'membership/rules-departure.ts',
    find: 'return draft.mayAct(entry) && draft.decidesAlone(entry) ? new Set([author.node]) : null',
    replace: 'return draft.mayAct(entry) ? new Set([author.node]) : null',
    seed: 1,
  },
  {
    rule: 'an expelled machine’s files: nothing beyond the cut counts',
    file: 'catalogue/closed-feeds.ts',
    find: 'closed.has(entry.author) && !(cuts.get(entry.feed) ?? []).some((end) => counts(entry, end))',
    replace: 'false',
    seed: 1,
  },
  {
    rule: 'a closure reaches back to what sorts before it',
    file: 'membership/rules.ts',
    find: 'this.#isExcluded(entry) ? CLOSED : judge(draft, entry, index)',
    replace: 'judge(draft, entry, index)',
    seed: 1,
  },
  {
    rule: 'no feed is cut before what the closing entry had seen',
    file: 'membership/draft.ts',
    find: 'for (const [feed, entry] of seen) end(feed, entry)',
    replace: '',
    seed: 1,
  },
  // --------------------------------------------------------------------------------------------------------------- files
  {
    rule: 'only the owner changes a file',
    file: 'catalogue/fold-content.ts',
    find: 'mayPurge ? step(draft, entry)',
    replace: "mayPurge || entry.kind === 'update' ? step(draft, entry)",
    seed: 1,
  },
  {
    rule: 'a file id is bound to its first author',
    file: 'catalogue/fold-file.ts',
    find: "if (entry.kind === 'upload' && fileIdFor(network, entry.authorKey, entry.body.salt) === file) bound.add(entry.id)",
    replace: "if (entry.kind === 'upload') bound.add(entry.id)",
    seed: 1,
  },
  {
    rule: 'of two changes that build on one the first counts',
    file: 'catalogue/fold-step.ts',
    find: 'if (idFrom<EntryId>(entry.body.builds) !== draft.head) {',
    replace: "if (idFrom<EntryId>(entry.body.builds) !== draft.head && entry.kind !== 'update') {",
    seed: 1,
  },
  {
    rule: 'the other is kept as a conflict version',
    file: 'catalogue/fold-step.ts',
    find: "return entry.kind === 'update' ? keepConflict(draft, entry) : refuse('conflict', 'it builds on another entry')",
    replace: "return refuse('conflict', 'it builds on another entry')",
    seed: 1,
  },
  {
    rule: 'an open offer freezes the file',
    file: 'catalogue/fold-content.ts',
    find: "return isFrozen(entry, epoch) ? { in: 'frozen' } : { in: index }",
    replace: 'return { in: index }',
    seed: 1,
  },
  {
    rule: 'an acceptance beats a cancel that it had not seen',
    file: 'catalogue/fold-ownership.ts',
    find: 'if (lapses || handover.closings.some((each) => membership.hasSeen(act.entry, each.entry))) {',
    replace: 'if (lapses || handover.closings.length > 0) {',
    seed: 1,
  },
  {
    rule: 'an acceptance that had seen the cancel comes too late',
    file: 'catalogue/fold-ownership.ts',
    find: 'if (lapses || handover.closings.some((each) => membership.hasSeen(act.entry, each.entry))) {',
    replace: 'if (lapses) {',
    seed: 1,
  },
  {
    rule: 'an offer is to one branch',
    file: 'catalogue/fold-ownership.ts',
    find: "if (act.branch !== handover.to) return refuse('not-party', 'the offer is to another branch')",
    replace: '',
    seed: 1,
  },
  {
    rule: 'a file has one owner: the second acceptance contradicts the first',
    file: 'catalogue/fold-ownership.ts',
    find: 'if (epoch.endedBy !== null) return this.#contradict(act, handover, epoch.endedBy)',
    replace: '',
    seed: 1,
  },
  {
    rule: 'who takes a file proves its key: the denied never own',
    file: 'catalogue/fold-ownership.ts',
    find: 'if (verifyKeyProof(network, key, file, proof, ...parts)) return null',
    replace: 'if (key.length === 32) return null',
    seed: 1,
  },
  {
    rule: 'a draw goes to the best rank',
    file: 'catalogue/draw-rank.ts',
    find: 'return near.find(({ node }) => node === best)',
    replace: 'return near.find(({ node }) => node !== best) ?? near[0]',
    seed: 10,
  },
  // --------------------------------------------------------------------------------------------------------- spreading
  {
    rule: 'the comparison of heads is the truth',
    file: 'ledger/sync.ts',
    find: '      if (past.has(toHex(theirs.heads))) return\n      wantFetch(peer)',
    replace: '      if (past.has(toHex(theirs.heads))) return',
    seed: 1,
  },
  {
    rule: 'where a fork began is searched for',
    file: 'ledger/sync-fetch.ts',
    find: 'if (!missing.has(feed) || after < 0) continue',
    replace: 'if (missing.size >= 0) continue',
    seed: 1,
  },
]
