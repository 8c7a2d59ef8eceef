/** What the operator should know of this node's feed, of forks, of second processes with one identity, and of clocks. */
import type { SharedFork } from '../catalogue/index.ts'
import type { NodeId } from '../ids.ts'
import { CLOCK_TOLERANCE_MS } from '../ledger/index.ts'
import type { Session } from './session.ts'
import type { DoctorCheck, StatusView } from './types.ts'

type Warning = StatusView['warnings'][number]

const iso = (ms: number) => new Date(ms).toISOString()
const TWIN_ADVICE =
  'Stop one of the two: a copied data folder is no second branch (invite that with `malote invite`). If the other machine is not yours, have an admin quarantine this node.'

export function feedWarnings(session: Session): Warning[] {
  return [
    ...twinWarnings(session),
    ...ownFeedWarnings(session),
    ...forkWarnings(session, session.state.forks()),
    ...clockWarnings(session),
  ]
}

function nameOf({ members }: Session, node: NodeId): string {
  const branch = members.get(node)?.branch
  return branch === undefined ? node : `${members.branchLabel(branch)} (${node})`
}

function twinWarnings(session: Session): Warning[] {
  const { presence } = session
  const found: Warning[] = presence.doubled().map((node) => ({
    code: 'member-twice',
    message: `two machines run under the identity of ${nameOf(session, node)}; the later one was sent away`,
    advice: 'Ask that branch to stop one of them. If nobody there has copied its data folder, quarantine it.',
  }))
  const twin = presence.twin()
  if (twin === null) return found
  const began = `another machine runs under the identity of this node since ${iso(twin.since)}`
  const told = `(${nameOf(session, twin.by)} has met it)`
  const message = twin.weAreLater
    ? `${began} ${told}; until that is solved nothing is written here`
    : `${began} ${told}; it started later and was sent away`
  return [{ code: 'running-twice', message, advice: TWIN_ADVICE }, ...found]
}

function ownFeedWarnings({ ledger }: Session): Warning[] {
  const { regained, aheadUntil } = ledger.ownFeed()
  const found: Warning[] = []
  if (regained > 0) {
    found.push({
      code: 'folder-restored',
      message: `this data folder was older than what this node had written: ${regained} entries came back from other branches`,
      advice: 'Nothing is to be done: this node writes into a new feed. Bytes that only this machine had are not back.',
    })
  }
  if (aheadUntil !== null) {
    found.push({
      code: 'own-entries-ahead',
      message: `entries of this node are dated up to ${iso(aheadUntil)}, ahead of its clock; other branches hold them back until then`,
      advice: 'If the clock is right now, nothing is to be done: new entries are not concerned.',
    })
  }
  return found
}

export function forkWarnings(session: Session, forks: readonly SharedFork[]): Warning[] {
  return forks.map(({ node, seq, entries }) => ({
    code: 'feed-forked',
    message: `${nameOf(session, node)} has written two entries at place ${seq} of one feed: ${entries.join(' and ')}`,
    advice: 'Both count. Two machines have run with one data folder: see that only one does.',
  }))
}

export function clockText(ms: number): string {
  return `${Math.round(Math.abs(ms) / 1000)} s ${ms > 0 ? 'ahead of' : 'behind'}`
}

function clockWarnings(session: Session): Warning[] {
  const { presence } = session
  const skew = presence.skew()
  if (skew === null) return []
  if (Math.abs(skew.ms) > CLOCK_TOLERANCE_MS) {
    const witnesses = skew.witnesses === 1 ? 'the only other branch in reach' : `${skew.witnesses} other branches`
    return [
      {
        code: 'clock-skew',
        message: `the clock of this machine is ${clockText(skew.ms)} that of ${witnesses}`,
        advice:
          skew.witnesses >= 3
            ? 'Correct it; until then nothing can be written.'
            : 'Correct whichever is wrong; until then nothing can be written. If you are sure of this one, `malote disconnect` lets you write, and `malote connect` sends it later.',
      },
    ]
  }
  return presence
    .clocks()
    .filter(({ ms }) => Math.abs(ms) > CLOCK_TOLERANCE_MS)
    .map(({ node, ms }) => ({
      code: 'clock-differs',
      message: `the clock of this machine is ${clockText(ms)} that of ${nameOf(session, node)}`,
      advice:
        skew.witnesses >= 3 ? 'Most agree with this machine: theirs is to be corrected.' : 'One of the two is wrong.',
    }))
}

/** Where the next entry goes, and why. */
export function feedCheck({ ledger, presence }: Session): DoctorCheck {
  const { feed, reason, confirmedBy, members } = ledger.ownFeed()
  const check = (state: DoctorCheck['state'], message: string, advice: string | null = null) => ({
    name: 'feed',
    state,
    message,
    advice,
  })
  if (presence.twin()?.weAreLater === true) {
    return check('problem', 'another machine runs under this identity: nothing is written', TWIN_ADVICE)
  }
  if (feed !== null) {
    const why = {
      'orderly-close': 'it was closed in order',
      confirmed: 'a majority of the members ends it where this node does',
      opened: 'it was begun in this run',
    }
    const text = reason in why ? why[reason as keyof typeof why] : reason
    return check('ok', `the next entry goes on with feed ${feed.slice(-32)}: ${text}`)
  }
  const next = 'the next entry opens a new feed: '
  if (reason === 'unconfirmed') {
    const text = `${confirmedBy} of ${members} other members confirm the old one so far`
    return check('ok', `${next}${text}, more than half would have to`)
  }
  if (reason === 'moved') return check('ok', `${next}this folder is a copy, or was moved`)
  if (reason === 'regained') return check('warning', `${next}this folder was an old copy`)
  return check('ok', `${next}nothing has been written yet`)
}
