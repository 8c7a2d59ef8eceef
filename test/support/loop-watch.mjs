/**
 * Loaded into a node before its own code (`node --import`): at each SIGUSR2 it writes down how long its event loop was
 * held up and what it took of the processor since the time before. On a machine that others use as well, a turn is also
 * as long as others were let in: so each is measured by the processor time of this thread, too.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { createHistogram } from 'node:perf_hooks'

const { MALOTE_TEST_LOOP } = process.env
if (MALOTE_TEST_LOOP !== undefined) {
  const wall = createHistogram()
  const own = createHistogram()
  const threadNow = () => {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  const wallNow = () => Math.round(performance.now() * 1000)
  let at = { wall: wallNow(), own: threadNow() }
  const turn = () => {
    const now = { wall: wallNow(), own: threadNow() }
    wall.record(Math.max(1, now.wall - at.wall))
    own.record(Math.max(1, now.own - at.own))
    at = now
  }
  setInterval(turn, 1).unref()
  let before = process.cpuUsage()
  process.on('SIGUSR2', () => {
    turn()
    const { user, system } = process.cpuUsage(before)
    const seen = {
      maxMs: wall.max / 1000,
      p99Ms: wall.percentile(99) / 1000,
      ownMaxMs: own.max / 1000,
      cpuMs: (user + system) / 1000,
    }
    writeFileSync(`${MALOTE_TEST_LOOP}.new`, JSON.stringify(seen))
    renameSync(`${MALOTE_TEST_LOOP}.new`, MALOTE_TEST_LOOP)
    wall.reset()
    own.reset()
    at = { wall: wallNow(), own: threadNow() }
    before = process.cpuUsage()
  })
}
