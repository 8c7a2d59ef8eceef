/**
 * Loaded into a node before its own code (`node --import`): a wall clock that is off by as many milliseconds as the file
 * says, read at the start and again at each SIGUSR2. Timers run as ever.
 */
import { readFileSync } from 'node:fs'

const { MALOTE_TEST_CLOCK } = process.env
let offset = 0
const read = () => {
  offset = Number(readFileSync(MALOTE_TEST_CLOCK, 'utf8'))
}
if (MALOTE_TEST_CLOCK !== undefined) {
  const now = Date.now
  Date.now = () => now() + offset
  read()
  process.on('SIGUSR2', read)
}
