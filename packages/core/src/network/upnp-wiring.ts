/** The port of one host that a router leads here: what `upnp-mapping.ts` decides about, as it is with libp2p. */
import type { Clock } from '../clock.ts'
import { systemRandom } from '../random.ts'
import { isRelayed, tcpTarget, udpTarget } from './addresses.ts'
import type { Components } from './guard.ts'
import type { Nat } from './nat.ts'
import { type Listening, type MappedPort, PortMapper } from './upnp-mapping.ts'

export interface MemberPortMapperInit {
  readonly clock: Clock
  readonly components: Pick<Components, 'addressManager'>
  readonly isOn: boolean
  isWanted(): boolean
  readonly announces: boolean
  /** asked of members with public addresses */
  nat(signal: AbortSignal): Promise<Nat>
  log(message: string, error?: unknown): void
}

export function memberPortMapper(init: MemberPortMapperInit): PortMapper {
  const { addressManager } = init.components
  const told = ({ ip, port, externalIp, externalPort, protocol }: MappedPort) =>
    [ip, port, externalIp, externalPort, protocol] as const
  return new PortMapper({
    clock: init.clock,
    random: systemRandom,
    isOn: init.isOn,
    isWanted: init.isWanted,
    announces: init.announces,
    listening: () => listeningAt(addressManager),
    seenAt: async (signal) => (await init.nat(signal)).seenAt,
    onMapped: (port) => addressManager.addPublicAddressMapping(...told(port)),
    onUnmapped: (port) => addressManager.removePublicAddressMapping(...told(port)),
    log: init.log,
  })
}

function listeningAt(addressManager: Components['addressManager']): Listening[] {
  return addressManager.getAddressesWithMetadata().flatMap(({ type, multiaddr }): Listening[] => {
    if (type !== 'transport' || isRelayed(multiaddr)) return []
    const tcp = tcpTarget(multiaddr)
    if (tcp !== null) return [{ ip: tcp.host, port: tcp.port, protocol: 'tcp' }]
    const udp = udpTarget(multiaddr)
    return udp === null || udp.family === 0 ? [] : [{ ip: udp.host, port: udp.port, protocol: 'udp' }]
  })
}
