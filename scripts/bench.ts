/** `npm run bench -- <name>`: prints figures beside a baseline taken in the same run. */
import { benchDenying } from '../test/bench/denying.ts'
import { benchLedger } from '../test/bench/ledger.ts'
import { benchMainJob } from '../test/bench/main-job.ts'
import { benchReach } from '../test/bench/reach.ts'
import { benchRelay } from '../test/bench/relay-members.ts'
import { benchSealing } from '../test/bench/sealing.ts'
import { benchSurface } from '../test/bench/surface.ts'
import { benchSwarm } from '../test/bench/swarm.ts'
import { benchTransfer } from '../test/bench/transfer.ts'
import { keepCompiled } from '../test/support/branch.ts'

const [name = 'main', ...figures] = process.argv.slice(2)
const numbers = figures.map(Number)
const benches: Record<string, () => Promise<void>> = {
  main: () => benchMainJob(),
  ledger: () => benchLedger(...numbers),
  reach: () => benchReach(...numbers),
  relay: () => benchRelay(...numbers),
  sealing: () => benchSealing(...numbers),
  denying: () => benchDenying(...numbers),
  surface: () => benchSurface(...numbers),
  swarm: () => benchSwarm(...numbers),
  transfer: () => benchTransfer(...numbers),
}
keepCompiled()
const bench = benches[name]
if (bench === undefined) {
  console.error(`no bench ${name}; there are: ${Object.keys(benches).join(', ')}`)
  process.exitCode = 2
} else await bench()
