/**
 * Notices that this machine is somewhere else than before: another network, a cable, a VPN, or that it has slept; and that
 * this node is reached under other addresses. No platform tells that to a Node.js program, so it is looked at now and then,
 * here for all who want to know.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../clock.ts'

/** How often the own interfaces are looked at, milliseconds. */
const LOOK_MS = 1_000
/** A tick that comes so much later than it should: the machine has slept, or the process stood still, milliseconds. */
const SLEPT_MS = 5_000

/**
 * `moved`: the interfaces have other addresses than before; `woken`: the same, after a time in which nothing was heard;
 * `reached`: others reach this node under other addresses.
 */
export type Surrounding = 'moved' | 'woken' | 'reached'

export interface SurroundingsInit {
  readonly clock: Clock
  /** addresses of this machine @default those of its interfaces */
  read?: () => string[]
  /** under which others reach this node */
  reachedAt(): string[]
  onChange(what: Surrounding): void
}

/** @returns how to end */
export function watchSurroundings(init: SurroundingsInit): () => void {
  const { clock, onChange } = init
  const read = init.read ?? ownAddresses
  let known = read().sort().join()
  let reached = init.reachedAt().join()
  let at = clock.now()
  let cancel = clock.after(LOOK_MS, look)
  function look(): void {
    cancel = clock.after(LOOK_MS, look)
    const slept = clock.now() - at - LOOK_MS
    at = clock.now()
    const now = read().sort().join()
    const hasMoved = now !== known
    known = now
    // with no address at all there is nothing to be tried
    if (hasMoved && now !== '') onChange('moved')
    else if (slept > SLEPT_MS) onChange('woken')
    const before = reached
    reached = init.reachedAt().join()
    if (reached !== before) onChange('reached')
  }
  return () => cancel()
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).filter(({ internal }) => !internal).map(({ address, cidr }) => cidr ?? address),
  )
}
