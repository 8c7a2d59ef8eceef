/** Of the founding entry; null: not said. */
export interface CopiesPolicy {
  readonly minCopies: number | null
  readonly maxCopies: number | null
}

/**
 * How many holders a live version should have: one third of the members and one more, so that any third may be off;
 * at least three where there are three members; more where the policy asks for more and there are so many members;
 * never more than it allows.
 */
export function targetCopies(members: number, policy: CopiesPolicy | null): number {
  const wanted = Math.max(Math.floor(members / 3) + 1, Math.min(3, members), Math.min(policy?.minCopies ?? 0, members))
  return Math.max(1, Math.min(wanted, policy?.maxCopies ?? wanted))
}
