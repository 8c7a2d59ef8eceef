/**
 * A program beside a node that already runs: prints what happens there, one line per event, until Ctrl-C.
 *
 *     node examples/watch-events.ts <data folder> [type ...]
 *
 * The data folder says where the node's local API is and holds the token, so nothing else needs to be configured.
 */
import { connectTo, ProblemError } from '@malote/client'

const [dataDir, ...types] = process.argv.slice(2)
if (dataDir === undefined) {
  console.error('usage: watch-events <data folder> [type ...]')
  process.exit(2)
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

try {
  const client = await connectTo(dataDir)
  const status = await client.ask(client.api.GET('/status'))
  console.log(`watching ${status.branch ?? 'a node without a network'}`)

  // The node keeps the newest events: asking for all after number 0 tells also what happened since it started.
  // To go on where you were after a break, pass the `id` of the last event that you have seen.
  const filter = types.length === 0 ? {} : { types }
  for await (const { id, time, type, data } of client.events({ lastEventId: 0, signal: stop.signal, ...filter })) {
    // Names come from other branches. JSON keeps them on one line; what could steer a terminal is escaped as well.
    console.log(`${time} ${id} ${type} ${escapeText(JSON.stringify(data))}`)
  }
  console.log(stop.signal.aborted ? 'stopped' : 'the node has stopped')
} catch (error) {
  if (!(error instanceof ProblemError)) throw error
  // An expected failure carries a stable code to decide by, and advice for people.
  console.error(`${error.code}: ${error.detail}. ${error.advice ?? ''}`)
  process.exitCode = error.code === 'not-running' ? 3 : 1
}

/** Control, bidirectional and zero-width characters as `\u{…}`. */
function escapeText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${each.codePointAt(0)?.toString(16)}}`)
}
