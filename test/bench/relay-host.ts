/** A relay in a process of its own, for `relay-members.ts`: the network's host and nothing above it. Prints where it is. */
import { createInterface } from 'node:readline'
import { guardMemory } from '../../apps/cli/src/memory-guard.ts'
import type { NodeId } from '../../packages/core/src/ids.ts'
import { startTestHost } from '../../packages/core/src/network/testing.ts'

guardMemory() // as `malote up`
const limit = process.argv[2] === 'unlimited' ? null : Number(process.argv[2])
const { host, gate } = await startTestHost({ relay: 'always', relayLimit: limit })
process.stdout.write(`${JSON.stringify({ id: host.id, address: host.addresses()[0] })}\n`)
// members' ids, one a line; an empty line asks for what it has
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== '') gate.members.add(line as NodeId)
  else {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    process.stdout.write(`${JSON.stringify({ ...host.relayLoad(), heapUsed, external, arrayBuffers })}\n`)
  }
}
process.exit()
