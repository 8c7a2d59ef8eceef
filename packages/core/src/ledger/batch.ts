/** Items by peer: one frame for each, however many items. */
import type { NodeId } from '../ids.ts'

export class Batch<T> {
  readonly #lists = new Map<NodeId, T[]>()

  add(peer: NodeId, item: T): void {
    const list = this.#lists.get(peer)
    if (list === undefined) this.#lists.set(peer, [item])
    else list.push(item)
  }

  /** Those whose connection is still there. */
  each<Link>(links: ReadonlyMap<NodeId, Link>, tell: (link: Link, items: readonly T[]) => void): void {
    for (const [peer, items] of this.#lists) {
      const link = links.get(peer)
      if (link !== undefined) tell(link, items)
    }
  }
}
