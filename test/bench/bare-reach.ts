/**
 * What a path between two branches takes without us, over one TCP connection:
 *
 *     bare-reach.ts serve <host> <port>    answers each `?` with one byte, each `!` with a mebibyte
 *     bare-reach.ts ask <host> <port>      prints {"rttMs", "mebibyteMs"}, medians; the first bytes are not waited for apart
 */
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const MiB = 1024 * 1024
const TIMES = 9
const [mode, host, port] = process.argv.slice(2)

if (mode === 'serve') {
  const mebibyte = Buffer.alloc(MiB, 1)
  createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (asked) => {
      for (const each of asked) socket.write(each === '!'.charCodeAt(0) ? mebibyte : '.')
    })
  }).listen(Number(port), host)
} else {
  const socket = connect(Number(port), host)
  socket.setNoDelay(true)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let left = 0
  let done = () => {}
  socket.on('data', (data) => {
    left -= data.length
    if (left <= 0) done()
  })
  const take = async (what: string, bytes: number) => {
    const began = performance.now()
    left = bytes
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    socket.write(what)
    await all
    return performance.now() - began
  }
  const median = async (what: string, bytes: number) => {
    const times: number[] = []
    for (let at = 0; at < TIMES; at++) {
      times.push(await take(what, bytes))
      await sleep(20) // what was let through in advance is counted again
    }
    return times.sort((a, b) => a - b)[TIMES >> 1] as number
  }
  const rttMs = await median('?', 1)
  const mebibyteMs = (await median('!', MiB)) - rttMs
  process.stdout.write(`${JSON.stringify({ rttMs, mebibyteMs })}\n`)
  socket.destroy()
}
