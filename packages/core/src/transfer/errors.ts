import { MaloteError } from '../errors.ts'
import type { NodeId, Root } from '../ids.ts'

/** Nobody in reach has what is missing. Try again when more members are connected. */
export class NoSourceError extends MaloteError {
  override name = 'NoSourceError'
  /** @param details.faulty sources that sent something else, and are not asked any more */
  constructor(root: Root, details: { missing: number; sources: number; faulty: readonly NodeId[] }) {
    const { missing, faulty } = details
    const liars = faulty.length === 0 ? '' : `; what ${faulty.map((peer) => peer.slice(-8)).join(', ')} sent is not it`
    super('no-source', `no member in reach has ${missing} missing chunks of ${root.slice(0, 12)}${liars}`, {
      advice:
        faulty.length === 0
          ? 'Wait until a branch that has the file is connected (`malote nodes` shows who is), then try again; what was to be fetched goes on by itself.'
          : 'Wait until another branch that has the file is connected, then try again; what was to be fetched goes on by itself. Have the one that sent wrong bytes run `malote doctor`: its disk may be damaged, or its software changed.',
      details: { root, ...details },
    })
  }
}

export class TransferNotFoundError extends MaloteError {
  override name = 'TransferNotFoundError'
  constructor(id: string) {
    super('not-found', `no such transfer: ${JSON.stringify(id.slice(0, 80))}`, {
      details: { id: id.slice(0, 80) },
      advice: '`malote transfers` lists them.',
    })
  }
}

/** The transfer is not in a state from which this can be done. */
export class TransferStateError extends MaloteError {
  override name = 'TransferStateError'
  constructor(id: string, state: string, wanted: string) {
    super('conflict', `transfer ${id} is ${state} and cannot be ${wanted}`, { details: { wanted, id, state } })
  }
}

/** Ended by the user, or because nobody waits for it any more. What has arrived stays. */
export class TransferCancelledError extends MaloteError {
  override name = 'TransferCancelledError'
  constructor(id: string) {
    super('interrupted', `transfer ${id} was cancelled`, { details: { id } })
  }
}

/** The peer's fault: it broke the protocol or served bytes that are not what they are named. Ask somebody else. */
export class SourceBrokenError extends MaloteError {
  override name = 'SourceBrokenError'
  readonly peer: NodeId
  constructor(peer: NodeId, message: string, cause?: unknown) {
    super('protocol', `${peer.slice(-8)} ${message}`, { details: { peer }, cause })
    this.peer = peer
  }
}

/** The peer answered that it does not serve this version, to us or at all. */
export class SourceRefusedError extends MaloteError {
  override name = 'SourceRefusedError'
  readonly answer: 'not-here' | 'refused' | 'busy'
  constructor(peer: NodeId, answer: 'not-here' | 'refused' | 'busy') {
    super('no-source', `${peer.slice(-8)} does not serve it: ${answer}`, { details: { peer, answer } })
    this.answer = answer
  }
}
