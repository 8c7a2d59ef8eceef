import { DecodeError } from '../codec/index.ts'
import { MaloteError } from '../errors.ts'

/** A well-formed entry that belongs to another network. A peer's fault. */
export class EntryForeignError extends DecodeError {
  override name = 'EntryForeignError'
  constructor() {
    super('the entry belongs to another network')
  }
}

/** An entry of ours that would be larger than any node accepts. */
export class EntryTooLargeError extends MaloteError {
  override name = 'EntryTooLargeError'
  constructor(bytes: number, max: number) {
    super('too-large', `an entry of ${bytes} bytes where at most ${max} are allowed`, {
      advice: 'Name fewer things at once.',
      details: { bytes, max },
    })
  }
}

/** Our clock differs so much from the others' that what we write would be held, or would look older than it is. */
export class ClockSkewError extends MaloteError {
  override name = 'ClockSkewError'
  /** @param ms how far our clock is ahead of the others; negative when it is behind */
  constructor(ms: number, witnesses: number) {
    const seconds = Math.round(Math.abs(ms) / 1000)
    const members = witnesses === 1 ? '1 member' : `${witnesses} members`
    super(
      'clock-skew',
      `the clock of this machine is ${seconds} s ${ms > 0 ? 'ahead of' : 'behind'} that of ${members}`,
      {
        advice: 'Set the clock of this machine (or of the others) right, then try again.',
        details: { ms, witnesses },
      },
    )
  }
}

/** What a change builds on is dated after it: the change would sort before, and have no effect for good. */
export class BuildsOnFutureError extends MaloteError {
  override name = 'BuildsOnFutureError'
  constructor(ms: number) {
    const time = new Date(ms).toISOString()
    super('clock-skew', `it was last changed by an entry dated ${time}, which is ahead of the clock of this machine`, {
      advice: 'Try again after that time. If the clock of this machine is behind, set it right.',
      details: { until: time },
    })
  }
}

/** Another process with our identity is alive and was there before: what both write could fork. */
export class RunningTwiceError extends MaloteError {
  override name = 'RunningTwiceError'
  constructor({ since, by }: { since: number; by: string }) {
    const began = new Date(since).toISOString()
    super('running-twice', `another machine runs under the identity of this node since ${began}`, {
      advice:
        'Stop one of the two; a copied data folder is no second branch: invite that with `malote invite`. If the other is not yours, have an admin quarantine this node.',
      details: { since: began, toldBy: by },
    })
  }
}

/** Nothing can be written before this node belongs to a network. */
export class NotInNetworkError extends MaloteError {
  override name = 'NotInNetworkError'
  constructor() {
    super('not-a-member', 'this node belongs to no network yet', {
      advice: 'Found one with `malote init`, or join one with `malote register`.',
    })
  }
}

/** The tables hold the ledger of one network for good. */
export class LedgerTakenError extends MaloteError {
  override name = 'LedgerTakenError'
  constructor(network: string) {
    super('already-member', `this node already belongs to network ${network}`, { details: { network } })
  }
}

/** A stored row that cannot be what was written. */
export class LedgerDamagedError extends MaloteError {
  override name = 'LedgerDamagedError'
  constructor(what: string, cause?: unknown) {
    super('damaged', `the ledger on disk is damaged: ${what}`, {
      details: { why: what },
      cause,
      advice: 'Stop the node and start it with `malote up --rebuild`.',
    })
  }
}
