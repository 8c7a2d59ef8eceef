/** Does a member really have a chunk? Asked at random, for durability and for good. */
import type { Clock } from '../clock.ts'
import { chunkCount, type VersionShape } from '../content/index.ts'
import { equalBytes } from '../crypto/index.ts'
import { idBytes, type NodeId } from '../ids.ts'
import { type Host, TimeoutError } from '../network/index.ts'
import { SourceRefusedError } from './errors.ts'
import { SourceSession } from './source-session.ts'

/** Reading one chunk and waiting for one's turn behind others (ms). */
const ANSWER_MS = 30_000

export interface ChallengeInit {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly peer: NodeId
  readonly version: VersionShape
  readonly index: number
  /** 32 random bytes, new for each challenge */
  readonly nonce: Uint8Array
  /** `challengeAnswer(nonce, the sealed chunk)` */
  readonly expected: Uint8Array
  readonly proof?: Uint8Array
  readonly signal?: AbortSignal
  /** @default 30 s */
  readonly timeoutMs?: number
}

/**
 * `right`: the peer has this chunk now. `wrong`: it answered for other bytes. `missing`: it says that it has it not, or
 * does not serve it.
 *
 * @throws {UnreachableError} @throws {TimeoutError} when nothing can be said about it now
 * @throws {SourceBrokenError} when it broke the protocol
 */
export async function challenge(init: ChallengeInit): Promise<'right' | 'wrong' | 'missing'> {
  const { peer, version, index, nonce } = init
  const timeoutMs = init.timeoutMs ?? ANSWER_MS
  const deadline = new AbortController()
  const cancel = init.clock.after(timeoutMs, () => deadline.abort(new TimeoutError('challenge', timeoutMs)))
  const signal = init.signal === undefined ? deadline.signal : AbortSignal.any([init.signal, deadline.signal])
  try {
    const session = await SourceSession.open({
      host: init.host,
      clock: init.clock,
      peer,
      root: version.root,
      rootBytes: idBytes(version.root),
      chunk: version.chunk,
      count: chunkCount(version),
      urgent: false,
      proof: init.proof,
      idleMs: timeoutMs,
      signal,
    })
    let result: 'right' | 'wrong' | 'missing' | undefined
    const answered = new AbortController()
    try {
      session.challenge(index, nonce)
      await session.run(
        (answer) => {
          if (answer.t !== 'answer' || answer.index !== index) return
          if (answer.hash === null) result = 'missing'
          else result = equalBytes(answer.hash, init.expected) ? 'right' : 'wrong'
          answered.abort(new Error('answered'))
        },
        AbortSignal.any([signal, answered.signal]),
      )
    } catch (error) {
      if (result === undefined) throw error
    } finally {
      if (result === undefined) session.abort()
      else await session.close()
    }
    if (result === undefined) throw new TimeoutError('challenge', timeoutMs)
    return result
  } catch (error) {
    // a busy peer says nothing about its copy
    if (error instanceof SourceRefusedError && error.answer !== 'busy') return 'missing'
    throw error
  } finally {
    cancel()
  }
}
