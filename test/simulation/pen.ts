/** What a hostile act has at hand: a member's real key, feeds of its own, and whatever its node knows. */

import type { SharedState } from '../../packages/core/src/catalogue/index.ts'
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import type { SigningKey } from '../../packages/core/src/crypto/index.ts'
import type { BranchId, EntryId, FileId } from '../../packages/core/src/ids.ts'
import { type Entry, frontier, SEEN_MAX, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import type { Member } from '../../packages/core/src/membership/index.ts'
import { type EvilFeed, type Hand, inject, type WriteOptions } from './evil-feed.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

export type Evil = (pen: Pen) => void

export class Pen {
  readonly world: World
  readonly node: SimNode
  readonly feed: EvilFeed

  constructor(world: World, node: SimNode, feed: EvilFeed) {
    this.world = world
    this.node = node
    this.feed = feed
  }

  get random() {
    return this.world.random
  }

  state(): SharedState {
    return this.node.up.state
  }

  /** To everybody, or to those whom chance picks. */
  send(entries: readonly Entry[], some = false): void {
    this.world.trace(`${this.node.name} signs ${entries.map(({ kind, id }) => `${kind} ${id.slice(0, 8)}`).join(', ')}`)
    this.sendBytes(entries, some)
  }

  sendBytes(entries: readonly SignedBytes[], some = false): void {
    const chosen = some ? new Set(this.world.running().filter(() => this.random.chance(0.5))) : null
    inject(this.node, entries, (peer) => chosen === null || chosen.has(peer), this.world.running())
  }

  /** What it truly has seen, or less. */
  seen(): EntryId[] {
    const control = this.node.up.ledger.control()
    const choice = this.random.weighted({ all: 6, nothing: 2, old: 3 })
    if (choice === 'nothing') return []
    const known = choice === 'all' ? control : control.slice(0, 1 + this.random.below(control.length))
    return frontier(known).slice(0, SEEN_MAX)
  }

  control(kind: string, body: CborValue, options: WriteOptions = {}): void {
    this.send([this.feed.write(kind, body, { seen: this.seen(), ...options })], this.random.chance(0.3))
  }

  member(): Member | undefined {
    return this.random.pick([...this.state().membership().members.values()].filter(({ node }) => node !== this.node.id))
  }

  file():
    | { file: FileId; author: Uint8Array; salt: Uint8Array; head: EntryId; epoch: number; owner: BranchId }
    | undefined {
    return this.random.pick(this.state().files({}, { limit: 200 }).items)
  }

  branch(): BranchId {
    return this.node.up.members.get(this.node.id)?.branch ?? ('00'.repeat(32) as BranchId)
  }

  content(): CborValue {
    return { root: this.random.bytes(32), size: 5, chunk: 1 << 20 }
  }

  id(): Uint8Array {
    return this.random.bytes(32)
  }
}

export function handOf(node: SimNode, key: SigningKey): Hand {
  return { random: node.random, up: node.up, key }
}
