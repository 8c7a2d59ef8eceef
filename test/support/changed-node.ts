/**
 * A member with changed software: the real node on a real data folder, in this process, whose handlers of some protocols
 * are others. What it does beside them is what every node does, so that nobody can tell it by the rest.
 */
import { join } from 'node:path'
import { systemClock } from '../../packages/core/src/clock.ts'
import type { NetworkId, NodeId } from '../../packages/core/src/ids.ts'
import type { FrameStream, NetworkHost, ProtocolName, StreamHandler } from '../../packages/core/src/network/index.ts'
import { createHost } from '../../packages/core/src/network/index.ts'
import { openSession } from '../../packages/core/src/node/components.ts'
import { createEventHub } from '../../packages/core/src/node/events.ts'
import { DEFAULT_HANDOFF_POLICY } from '../../packages/core/src/node/handoffs.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { DEFAULT_TUNING } from '../../packages/core/src/node/node.ts'
import type { Session } from '../../packages/core/src/node/session.ts'
import { systemRandom } from '../../packages/core/src/random.ts'

/** @param honest what a node would do with this stream */
export type ChangedHandler = (stream: FrameStream, honest: StreamHandler) => Promise<void>
export type Changes = Partial<Record<ProtocolName, ChangedHandler>>

export interface ChangedNode {
  readonly id: NodeId
  readonly session: Session
  readonly host: NetworkHost
  address(): string
  stop(): Promise<void>
}

/** @param dataDir of a branch whose node does not run */
export async function startChanged(dataDir: string, changes: Changes = {}): Promise<ChangedNode> {
  const identity = loadIdentity(dataDir)
  const real = await createHost({
    signingKey: identity.signing,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    upnp: false,
    clock: systemClock,
  })
  const host = withHandlers(real, changes)
  let session: Session
  try {
    session = await openSession({
      folder: join(dataDir, 'network'),
      identity,
      host,
      clock: systemClock,
      random: systemRandom,
      events: createEventHub(systemClock, () => undefined),
      tuning: DEFAULT_TUNING,
      capacity: null,
      handoffs: DEFAULT_HANDOFF_POLICY,
      begin: (ledger) => ledger.network() as NetworkId,
      isRebuilding: false,
      isNew: false,
      log: () => undefined,
    })
  } catch (error) {
    await real.stop()
    throw error
  }
  return {
    id: identity.id,
    session,
    host,
    address: () => host.addresses()[0] as string,
    async stop() {
      await session.close()
      await real.stop()
    },
  }
}

/** The same host, for which what registers a handler registers the changed one. */
function withHandlers(host: NetworkHost, changes: Changes): NetworkHost {
  const handle: NetworkHost['handle'] = (protocol, init, honest) => {
    const changed = changes[protocol]
    // what it lets itself do is bounded by nothing but the other side
    host.handle(protocol, init, changed === undefined ? honest : (stream) => changed(stream, honest))
  }
  return new Proxy(host, {
    get(target, name) {
      if (name === 'handle') return handle
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** What may be said instead of a frame that the honest node would send. */
export type Alter = (frame: Uint8Array, say: (frame: Uint8Array) => Promise<void>) => Promise<void>

/** The same stream, on which `alter` says what it likes where an honest node writes. @param heard what comes from the other side */
export function altered(stream: FrameStream, alter: Alter, heard: (frame: Uint8Array) => void = () => {}): FrameStream {
  const wait = { timeoutMs: 60_000 }
  const writeParts = (parts: Uint8Array[]) =>
    alter(new Uint8Array(Buffer.concat(parts)), (frame) => stream.write(frame, wait))
  return {
    peer: stream.peer,
    path: stream.path,
    write: (frame) => writeParts([frame]),
    writeParts,
    async read(options) {
      const frame = await stream.read(options)
      if (frame !== null) heard(frame)
      return frame
    },
    close: () => stream.close(),
    abort: (reason) => stream.abort(reason),
  }
}
