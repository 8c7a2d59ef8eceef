/** Before these tests: what the lab needs of Debian, where it is missing and may be installed. */
import { spawnSync } from 'node:child_process'

const PACKAGES = { ip: 'iproute2', nft: 'nftables', conntrack: 'conntrack', miniupnpd: 'miniupnpd-nftables' }

export function setup(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return
  const missing = Object.entries(PACKAGES)
    .filter(([tool]) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
    .map(([, name]) => name)
  if (missing.length === 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // where this fails, the tests say what is missing
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...missing]])
    if (spawnSync('apt-get', ['--quiet', ...args], { env, stdio: 'inherit' }).status !== 0) return
}
