/** The asking side of one exchange of the `keys` protocol, with a member that is connected. */
import type { NodeId } from '../ids.ts'
import type { Host } from '../network/index.ts'
import { decodeAnswer, encodeRequest, KEYS_FRAME_MAX, type KeysAnswer, type KeysRequest } from './keys-format.ts'

/** @param options.timeoutMs of the whole exchange @throws what `request` throws @throws {DecodeError} */
export async function askKeys(
  host: Pick<Host, 'request'>,
  peer: NodeId,
  request: KeysRequest,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<KeysAnswer> {
  const wait = { maxFrameBytes: KEYS_FRAME_MAX, connectedOnly: true, ...options }
  return decodeAnswer(await host.request(peer, 'keys', encodeRequest(request), wait))
}
