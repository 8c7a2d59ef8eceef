/**
 * AutoNAT, with dial-backs that dial. The helper of @libp2p/autonat 3.0.28 opens a connection to the asker "by" the
 * address in question and closes it; libp2p answers with the connection that both have already, whichever its address.
 * So the verdict was about nothing, and two members with public addresses lost their connection and all that ran over
 * it. Here the address is dialled, from a port of its own (an open path through a NAT proves nothing), and what came of
 * it is left to those who prune unused duplicates: a stream may be on it by then.
 */
import { type AutoNATComponents, autoNAT } from '@libp2p/autonat'
import type { Connection } from '@libp2p/interface'

type ConnectionManager = AutoNATComponents['connectionManager']

export function memberAutoNat(): (components: AutoNATComponents) => unknown {
  const service = autoNAT({ protocolPrefix: 'malote' })
  return (components) => {
    const connectionManager = { value: dialsBack(components.connectionManager) }
    return service(Object.create(components, { connectionManager }) as AutoNATComponents)
  }
}

/** Exported for tests: of the manager all as it is, but what is to be dialled by one address is dialled. */
export function dialsBack(manager: ConnectionManager): ConnectionManager {
  const openConnection: ConnectionManager['openConnection'] = async (target, options) => {
    // a peer, or all its addresses: to ask it, and any connection will do
    if (!('getComponents' in target)) return manager.openConnection(target, options)
    const connection = await manager.openConnection(target, { ...options, force: true })
    return Object.create(connection, { close: { value: async () => undefined } }) as Connection
  }
  return new Proxy(manager, {
    get(target, name) {
      if (name === 'openConnection') return openConnection
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
