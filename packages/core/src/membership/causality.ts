/**
 * Who had seen what. Nodes are the control entries in control order; an edge leads to every entry named in `seen`.
 * Append-only: an answer about two entries never changes, so that all
 * states of one fold share one graph.
 */
import type { EntryId, NodeId } from '../ids.ts'
import type { ControlEntry } from './types.ts'

interface Vertex {
  readonly entry: ControlEntry
  readonly parents: readonly number[]
  /** had seen every entry before it: the usual case, and the end of most searches */
  readonly sawAll: boolean
}

export class Causality {
  readonly #vertices: Vertex[] = []
  readonly #indexOf = new Map<EntryId, number>()
  readonly #byAuthor = new Map<NodeId, number[]>()
  /** entries that no other one has seen */
  readonly #tips = new Set<number>()

  static from(entries: Iterable<ControlEntry>): Causality {
    const graph = new Causality()
    for (const entry of entries) graph.add(entry)
    return graph
  }

  /** One of its own, to which other entries may be added. */
  copy(): Causality {
    const copy = new Causality()
    for (const vertex of this.#vertices) copy.#vertices.push(vertex)
    for (const [id, index] of this.#indexOf) copy.#indexOf.set(id, index)
    for (const [author, indexes] of this.#byAuthor) copy.#byAuthor.set(author, [...indexes])
    for (const tip of this.#tips) copy.#tips.add(tip)
    return copy
  }

  get size(): number {
    return this.#vertices.length
  }

  has(id: EntryId): boolean {
    return this.#indexOf.has(id)
  }

  /** The entries must come in control order, so that what they name is here already. @returns the place */
  add(entry: ControlEntry): number {
    const index = this.#vertices.length
    const parents = new Set<number>()
    for (const id of entry.seen) {
      const parent = this.#indexOf.get(id)
      if (parent !== undefined) parents.add(parent)
    }
    for (const parent of parents) this.#tips.delete(parent)
    const sawAll = this.#tips.size === 0
    this.#tips.add(index)
    this.#vertices.push({ entry, parents: [...parents], sawAll })
    this.#indexOf.set(entry.id, index)
    push(this.#byAuthor, entry.author, index)
    return index
  }

  get(id: EntryId): ControlEntry | undefined {
    const index = this.#indexOf.get(id)
    return index === undefined ? undefined : this.#vertices[index]?.entry
  }

  entriesBy(author: NodeId): ControlEntry[] {
    return (this.#byAuthor.get(author) ?? []).flatMap((index) => this.#vertices[index]?.entry ?? [])
  }

  /** True when `later` had seen `earlier`, directly or through others. An entry has not seen itself. */
  hasSeen(later: EntryId, earlier: EntryId): boolean {
    const from = this.#indexOf.get(later)
    const to = this.#indexOf.get(earlier)
    if (from === undefined || to === undefined || to >= from) return false
    const visited = new Set<number>()
    const open = [from]
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const vertex = this.#vertices[index]
      if (vertex === undefined) continue
      if (vertex.sawAll) return true
      for (const parent of vertex.parents) {
        if (parent === to) return true
        // places are topological: what comes before `earlier` cannot have seen it
        if (parent > to && !visited.has(parent)) {
          visited.add(parent)
          open.push(parent)
        }
      }
    }
    return false
  }
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
