/** Hosts on loopback for the tests of this room. */
import { type Clock, systemClock } from '../clock.ts'
import { generateSigningKey, type SigningKey } from '../crypto/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { createHost, type HostInit, type NetworkHost } from './host.ts'
import type { Gate } from './types.ts'

export const TEST_NETWORK = 'ab'.repeat(32) as NetworkId

/** Who belongs, to be changed while a test runs. */
export class TestGate implements Gate {
  readonly members = new Set<NodeId>()
  readonly quarantined = new Set<NodeId>()
  readonly unwanted = new Set<NodeId>()
  isMember(node: NodeId): boolean {
    return this.members.has(node)
  }
  isQuarantined(node: NodeId): boolean {
    return this.quarantined.has(node)
  }
  mayConnect(node: NodeId): boolean {
    return !this.unwanted.has(node)
  }
}

export interface TestHost {
  host: NetworkHost
  gate: TestGate
  key: SigningKey
}

export async function startTestHost(
  options: Partial<HostInit> & { members?: TestHost[]; network?: NetworkId | null; clock?: Clock } = {},
): Promise<TestHost> {
  const { members = [], network = TEST_NETWORK, ...init } = options
  const key = init.signingKey ?? generateSigningKey()
  const gate = new TestGate()
  const host = await createHost({
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    clock: systemClock,
    ...init,
    signingKey: key,
  })
  gate.members.add(host.id)
  for (const other of members) {
    for (const node of other.gate.members) gate.members.add(node)
    other.gate.members.add(host.id)
  }
  if (network !== null) await host.useNetwork(network, gate)
  return { host, gate, key }
}

/** Resolves when `host` sees `peer` come or go. */
export function peerEvent(host: NetworkHost, type: 'connected' | 'disconnected', peer?: NodeId): Promise<NodeId> {
  return new Promise((resolve) => {
    const off = host.onPeer((event) => {
      if (event.type !== type || (peer !== undefined && event.peer !== peer)) return
      off()
      resolve(event.peer)
    })
  })
}
