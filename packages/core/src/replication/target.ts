/**
 * How many holders a live version should have: one third of the members and one more, so that any third may be off;
 * at least three where there are three members; never more than the policy allows.
 */
export function targetCopies(members: number, maxCopies: number | null): number {
  const wanted = Math.max(Math.floor(members / 3) + 1, Math.min(3, members))
  return maxCopies === null ? wanted : Math.max(1, Math.min(wanted, maxCopies))
}
