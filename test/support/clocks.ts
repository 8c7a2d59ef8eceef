/** A clock of its own for each branch: set while it runs, as an operator or a time service would. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Branch } from './branch.ts'

const preload = pathToFileURL(join(import.meta.dirname, 'own-clock.mjs')).href
const fileOf = (branch: Branch) => join(branch.data, '..', `clock of ${branch.name}`)

/** Before its first start. */
export function giveClock(branch: Branch): void {
  writeFileSync(fileOf(branch), '0')
  branch.env.MALOTE_TEST_CLOCK = fileOf(branch)
  branch.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${preload}`
}

/**
 * How far the clock is ahead from now on, ms. Clocks are compared when nodes meet and at each heartbeat: it comes back
 * to the others, if it was connected.
 */
export async function setClock(branch: Branch, offset: number): Promise<void> {
  writeFileSync(fileOf(branch), String(offset))
  if (!branch.isRunning || branch.pid === undefined) return
  const { connected } = await branch.api('/status')
  if (connected) await branch.api('/disconnect', { method: 'POST', json: {} })
  process.kill(branch.pid, 'SIGUSR2')
  if (connected) await branch.api('/connect', { method: 'POST', json: {} })
}
