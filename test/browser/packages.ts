/** Before these tests: a browser, where there is none and Debian has one to install. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export const CHROMIUM = '/usr/bin/chromium'

export function setup(): void {
  if (existsSync(CHROMIUM) || process.platform !== 'linux' || process.getuid?.() !== 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // where this fails, the tests say what is missing
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', 'chromium']])
    if (spawnSync('apt-get', ['--quiet', ...args], { env, stdio: 'inherit' }).status !== 0) return
}
