/** What the tests need of Debian: a browser, and the tools of the network lab. Where it is missing and may be installed, it is. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export const CHROMIUM = '/usr/bin/chromium'

/** The package of each program. */
const PACKAGES: Readonly<Record<string, string>> = {
  [CHROMIUM]: 'chromium',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  miniupnpd: 'miniupnpd-nftables',
}

/** Where this fails, the tests say what is missing. For `npm test`, which does other things meanwhile, and for Vitest's set-up. */
export async function setup(): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return
  const folders = (process.env.PATH ?? '').split(delimiter)
  const missing = Object.keys(PACKAGES).filter(
    (program) => !(program.startsWith('/') ? [''] : folders).some((folder) => existsSync(join(folder, program))),
  )
  if (missing.length === 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const packages = missing.flatMap((program) => PACKAGES[program] ?? [])
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const installing = spawn('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    // rejects where there is no such program: this is not Debian
    const [code] = await once(installing, 'close').catch(() => [null])
    if (code !== 0) return
  }
}
