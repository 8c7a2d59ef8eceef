/** A clock of its own for each branch: set while it runs, as an operator or a time service would. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Branch } from './branch.ts'
import { eventually } from './eventually.ts'

const preload = pathToFileURL(join(import.meta.dirname, 'own-clock.mjs')).href
const fileOf = (branch: Branch) => join(branch.data, '..', `clock of ${branch.name}`)

/** Before its first start. */
export function giveClock(branch: Branch): void {
  writeFileSync(fileOf(branch), '0')
  branch.env.MALOTE_TEST_CLOCK = fileOf(branch)
  branch.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${preload}`
}

/**
 * How far the clocks are ahead from now on, ms. Clocks are compared when nodes meet and at each heartbeat: those that were
 * connected come back to the others.
 */
export async function setClocks(offset: number, ...branches: Branch[]): Promise<void> {
  for (const branch of branches) writeFileSync(fileOf(branch), String(offset))
  const running = branches.filter((branch) => branch.isRunning)
  const connected: Branch[] = []
  for (const branch of running) {
    if (!(await branch.api('/status')).connected) continue
    connected.push(branch)
    await branch.api('/disconnect', { method: 'POST', json: {} })
  }
  for (const branch of running) {
    if (branch.pid !== undefined) process.kill(branch.pid, 'SIGUSR2')
    await eventually('its clock is set', async () => {
      const { lastSeen } = await branch.api(`/nodes/${branch.ready?.id}`)
      return Math.abs(Date.parse(lastSeen) - Date.now() - offset) < 30_000
    })
  }
  for (const branch of connected) await branch.api('/connect', { method: 'POST', json: {} })
}
