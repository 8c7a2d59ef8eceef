/**
 * "Durable" is checked, not believed: a holder counts once it has answered a challenge about a random chunk, which it
 * can only answer with the sealed bytes at hand. Spec: docs/specs/placement.md, section "Durability".
 */
import type { VersionShape } from '../content/index.ts'
import type { NodeId, Root } from '../ids.ts'

/** Holders beside the owner that must have proved themselves; fewer where the network has fewer members. */
export const DURABLE_HOLDERS = 2

export interface DurabilityInit {
  /** asks one holder about one random chunk; false when it answers wrongly or not at all */
  challenge(holder: NodeId, shape: VersionShape, signal: AbortSignal): Promise<boolean>
  /** members beside this one */
  otherMembers(): number
  /** the answers now suffice */
  onDurable(root: Root): void
  /** `onDurable` threw */
  onProblem(error: unknown): void
}

export interface Durability {
  /** Challenges those holders of an own version that have not proved themselves yet. */
  check(shape: VersionShape, holders: readonly NodeId[]): void
  isDurable(root: Root): boolean
  stop(): Promise<void>
}

export function createDurability(init: DurabilityInit): Durability {
  const proved = new Map<Root, Set<NodeId>>()
  const asking = new Map<string, Promise<void>>()
  const ended = new AbortController()

  function isDurable(root: Root): boolean {
    return (proved.get(root)?.size ?? 0) >= Math.min(DURABLE_HOLDERS, init.otherMembers())
  }

  async function ask(holder: NodeId, shape: VersionShape): Promise<void> {
    const answered = await init.challenge(holder, shape, ended.signal).catch(() => false)
    if (!answered || ended.signal.aborted) return
    const before = isDurable(shape.root)
    const nodes = proved.get(shape.root) ?? new Set()
    proved.set(shape.root, nodes.add(holder))
    if (!before && isDurable(shape.root)) init.onDurable(shape.root)
  }

  return {
    check(shape, holders) {
      if (ended.signal.aborted || isDurable(shape.root)) return
      for (const holder of holders) {
        const name = `${shape.root}/${holder}`
        if (proved.get(shape.root)?.has(holder) || asking.has(name)) continue
        asking.set(
          name,
          ask(holder, shape)
            .catch(init.onProblem)
            .finally(() => asking.delete(name)),
        )
      }
    },
    isDurable,
    async stop() {
      ended.abort()
      await Promise.all(asking.values())
    },
  }
}
