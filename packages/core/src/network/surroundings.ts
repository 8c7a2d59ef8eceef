/**
 * Notices that this machine is somewhere else than before: another network, a cable, a VPN, or that it has slept. No
 * platform tells that to a Node.js program, so it is looked at now and then, which costs microseconds.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../clock.ts'

/** How often the own interfaces are looked at, milliseconds. */
const LOOK_MS = 1_000
/** A tick that comes so much later than it should: the machine has slept, or the process stood still, milliseconds. */
const SLEPT_MS = 5_000

export interface SurroundingsInit {
  readonly clock: Clock
  /** addresses of this machine by which others may reach it @default those of its interfaces */
  read?: () => string[]
  /** `moved`: other addresses than before; `woken`: as before, after a time in which nothing was heard */
  onChange(what: 'moved' | 'woken'): void
}

/** @returns how to end */
export function watchSurroundings(init: SurroundingsInit): () => void {
  const { clock, onChange } = init
  const read = init.read ?? ownAddresses
  let known = read().sort().join()
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
  }
  return () => cancel()
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).filter(({ internal }) => !internal).map(({ address, cidr }) => cidr ?? address),
  )
}
