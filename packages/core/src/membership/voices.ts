/**
 * Whose votes count beside each other. Spec: docs/specs/control.md, "Agreement"; docs/decisions/0016. Pure.
 *
 * A voice lies *under* an admin who could have made it alone: every chain of grants that leads to it passes through that
 * admin. Two votes agree only if there is no admin under whom both lie: then no single stolen machine can have cast both.
 */
import type { NodeId } from '../ids.ts'
import type { MembershipState, Standing, Voice } from './types.ts'

export const NO_STANDING: Standing = { voice: null, isRoot: false, quarantines: [], demotions: [], votes: [] }

/**
 * The voice after a grant by this appointer. A further grant can only take away who could have made it alone, so that
 * nobody loses its say by what another writes.
 */
export function grantedVoice(known: Voice | null, appointer: NodeId, by: Voice | null): Voice {
  const chain = [...new Set([appointer, ...(by?.under ?? [])])].sort()
  if (known === null) return { steps: (by?.steps ?? 0) + 1, under: chain }
  return { steps: known.steps, under: known.under.filter((node) => chain.includes(node)) }
}

export function areIndependent(standingOf: (node: NodeId) => Standing, a: NodeId, b: NodeId): boolean {
  if (a === b) return false
  const above = (node: NodeId) => [node, ...(standingOf(node).voice?.under ?? [])]
  const ofB = new Set(above(b))
  // a root appoints everyone in most networks: it weighs only when it votes itself
  return !above(a).some((node) => ofB.has(node) && (!standingOf(node).isRoot || node === a || node === b))
}

/** Present members with a voice that agrees with this one's. */
export function secondersOf(state: MembershipState, node: NodeId): NodeId[] {
  const standingOf = (each: NodeId) => state.standings.get(each) ?? NO_STANDING
  return [...state.members.values()]
    .filter((member) => member.state === 'member' || member.state === 'quarantined')
    .map((member) => member.node)
    .filter((each) => standingOf(each).voice !== null && areIndependent(standingOf, each, node))
}

/** Whether a grant by `appointer` would add to what `node` is. */
export function wouldSecond(state: MembershipState, appointer: NodeId, node: NodeId): boolean {
  const voice = state.standings.get(node)?.voice ?? null
  const by = state.standings.get(appointer)?.voice ?? null
  return voice === null || grantedVoice(voice, appointer, by).under.length < voice.under.length
}
