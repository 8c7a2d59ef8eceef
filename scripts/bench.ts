/** `npm run bench -- <name>`: prints figures beside a baseline taken in the same run. */
import { benchMainJob } from '../test/bench/main-job.ts'

const benches: Record<string, () => Promise<void>> = { main: () => benchMainJob() }
const name = process.argv[2] ?? 'main'
const bench = benches[name]
if (bench === undefined) {
  console.error(`no bench ${name}; there are: ${Object.keys(benches).join(', ')}`)
  process.exitCode = 2
} else await bench()
