/** A hostile member's pen: it signs whatever it likes with its real key, in feeds of its own, at any time it says. */
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import type { SigningKey } from '../../packages/core/src/crypto/index.ts'
import type { EntryId, NetworkId } from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import type { Entry, SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { encodeSyncFrame, FRAME_MAX_BYTES } from '../../packages/core/src/ledger/sync-frames.ts'
import type { SimNode } from './sim-node.ts'

export interface WriteOptions {
  readonly ms?: number
  readonly seen?: readonly EntryId[]
  readonly cosignWith?: SigningKey
  /** another network's entry */
  readonly network?: NetworkId
}

/** As much of a node as a pen needs; the key may be another's. */
export type Hand = Pick<SimNode, 'random' | 'up' | 'key'>

export class EvilFeed {
  readonly #node: Hand
  readonly #network: NetworkId
  readonly incarnation: Uint8Array
  seq = 0
  prev: EntryId | null = null
  ms = 0

  /** @param incarnation of a feed that there is already */
  constructor(node: Hand, network: NetworkId, incarnation?: Uint8Array) {
    this.#node = node
    this.#network = network
    this.incarnation = incarnation ?? node.random.bytes(16)
  }

  /** @param advance false: the feed stays where it is, so that the next entry forks it */
  write(kind: string, body: CborValue, options: WriteOptions = {}, advance = true): Entry {
    const now = this.#node.up.clock.now()
    const ms = options.ms ?? Math.max(now, this.ms + 1)
    const entry = makeEntry(
      {
        network: options.network ?? this.#network,
        incarnation: this.incarnation,
        seq: this.seq,
        prev: this.prev,
        ms,
        counter: this.#node.random.below(3),
        kind,
        seen: options.seen ?? [],
        body,
      },
      this.#node.key,
      options.cosignWith,
    )
    if (advance && options.network === undefined) {
      this.seq += 1
      this.prev = entry.id
      this.ms = Math.max(this.ms, ms)
    }
    return entry
  }
}

/** Pushes entries to connected members as if they were news. Whoever has thrown the node out does not hear it. */
export function inject(
  from: SimNode,
  entries: readonly SignedBytes[],
  to: (peer: SimNode) => boolean,
  peers: readonly SimNode[],
): void {
  const frame = encodeSyncFrame({
    type: 'push',
    entries: entries.map(({ bytes, sig, cosig }) => ({ bytes, sig, cosig })),
  })
  for (const peer of peers) {
    if (from.on === null || !to(peer) || from.up.host.peers.get(peer.id) !== peer.on?.host) continue
    from.up.host
      .open(peer.id, 'ledger', { maxFrameBytes: FRAME_MAX_BYTES })
      .then(async (stream) => {
        await stream.write(frame)
        await stream.close()
      })
      .catch(() => undefined)
  }
}
