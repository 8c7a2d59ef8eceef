/** What `status` and `doctor` say about how others reach this node. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { isLoopback, isPrivateIp, isRelayed } from './addresses.ts'

interface KnownAddress {
  readonly multiaddr: Multiaddr
  readonly verified: boolean
  readonly type: string
}

/**
 * `tcp`: `announced` (an address was given by hand), `public` (other members have dialled it), `unverified` (an
 * address of this machine is public, nobody has tried it yet), `private`, `loopback`, `none`. `relay`: `server`, the
 * number of reservations, or `none`. `nat`: `none`, `unknown` or `behind`.
 */
export function describeReachability(
  known: readonly KnownAddress[],
  own: { announces: boolean; servesAsRelay: boolean; relays: number; wasReached: boolean },
): { tcp: string; udp: string; relay: string; nat: string } {
  const direct = known.filter(({ multiaddr }) => !isRelayed(multiaddr))
  const elsewhere = direct.filter(({ multiaddr }) => !isLoopback(multiaddr))
  const isPublic = ({ multiaddr }: KnownAddress) => !isPrivateIp(multiaddr.getComponents()[0]?.value ?? '')
  const publicOnes = elsewhere.filter((address) => address.type === 'transport' && isPublic(address))
  const tcp = own.announces
    ? 'announced'
    : publicOnes.some(({ verified }) => verified || own.wasReached)
      ? 'public'
      : publicOnes.length > 0
        ? 'unverified'
        : elsewhere.length > 0
          ? 'private'
          : direct.length > 0
            ? 'loopback'
            : 'none'
  const relay = own.servesAsRelay ? 'server' : own.relays > 0 ? `${own.relays} reserved` : 'none'
  const nat = tcp === 'public' ? 'none' : tcp === 'private' ? 'behind' : 'unknown'
  return { tcp, udp: 'none', relay, nat }
}
