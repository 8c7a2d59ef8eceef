/**
 * Loaded into a node before its own code (`node --import`): at each SIGUSR2 it writes down how long its event loop was
 * held up and what it took of the processor since the time before. On a machine that others use as well, a turn is also
 * as long as others were let in: so each is measured by the processor time of this thread, too.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { createHistogram, PerformanceObserver } from 'node:perf_hooks'

const { MALOTE_TEST_LOOP } = process.env
if (MALOTE_TEST_LOOP !== undefined) {
  const wall = createHistogram()
  const own = createHistogram()
  const threadNow = () => {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  const wallNow = () => Math.round(performance.now() * 1000)
  const LONG_US = 50_000
  let at = { wall: wallNow(), own: threadNow() }
  /** of the turn that took most of the processor: when, and how much */
  let longest = { from: 0, to: 0, own: 0 }
  let longTurns = 0
  /** pauses by the collector, which are told some time later */
  let pauses = []
  const observer = new PerformanceObserver((list) => pauses.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const turn = () => {
    const now = { wall: wallNow(), own: threadNow() }
    const took = now.own - at.own
    wall.record(Math.max(1, now.wall - at.wall))
    own.record(Math.max(1, took))
    if (took > LONG_US) longTurns += 1
    if (took > longest.own) longest = { from: at.wall, to: now.wall, own: took }
    at = now
  }
  const collectorMs = () => {
    const within = ({ startTime }) => startTime * 1000 >= longest.from && startTime * 1000 <= longest.to
    return pauses.filter(within).reduce((sum, { duration }) => sum + duration, 0)
  }
  setInterval(turn, 1).unref()
  let before = process.cpuUsage()
  process.on('SIGUSR2', () => {
    turn()
    pauses.push(...observer.takeRecords())
    const { user, system } = process.cpuUsage(before)
    const seen = {
      maxMs: wall.max / 1000,
      p99Ms: wall.percentile(99) / 1000,
      ownMaxMs: own.max / 1000,
      collectorMs: collectorMs(),
      longTurns,
      cpuMs: (user + system) / 1000,
    }
    writeFileSync(`${MALOTE_TEST_LOOP}.new`, JSON.stringify(seen))
    renameSync(`${MALOTE_TEST_LOOP}.new`, MALOTE_TEST_LOOP)
    wall.reset()
    own.reset()
    longest = { from: 0, to: 0, own: 0 }
    longTurns = 0
    pauses = []
    at = { wall: wallNow(), own: threadNow() }
    before = process.cpuUsage()
  })
}
