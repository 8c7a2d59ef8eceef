/** What `status` and `doctor` say about how others reach this node. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { isLoopback, isPrivateIp, parseMultiaddr, pathOf } from './addresses.ts'
import type { ChosenTransports } from './transports.ts'
import type { PathKind } from './types.ts'

interface KnownAddress {
  readonly multiaddr: Multiaddr
  readonly verified: boolean
  readonly type: string
}

interface Own {
  readonly announced: readonly string[]
  readonly servesAsRelay: boolean
  /** over which it can be reached */
  readonly relays: number
  /** how others with public addresses have dialled this node */
  readonly reachedBy: ReadonlySet<PathKind>
  readonly transports: ChosenTransports
}

/**
 * `tcp` and `udp`: `announced` (an address was given by hand), `public` (other members have dialled it), `unverified`
 * (an address of this machine is public, nobody has tried it yet), `mapped` (the router leads a port of a public address
 * here, nobody has tried it yet), `private`, `loopback`, `none` (it dials, and listens
 * nowhere), `off` (see `--transports`), and of `udp` also `unavailable` (no QUIC for this machine). `relay`: `server`,
 * the number of reservations, or `none`. `nat`: `none`, `unknown` or `behind`.
 */
export function describeReachability(
  known: readonly KnownAddress[],
  own: Own,
): { tcp: string; udp: string; relay: string; nat: string } {
  const tcp = own.transports.tcp ? reachableBy('tcp', known, own) : 'off'
  const udp = own.transports.udp === 'on' ? reachableBy('udp', known, own) : own.transports.udp
  const relay = own.servesAsRelay ? 'server' : own.relays > 0 ? `${own.relays} reserved` : 'none'
  const either = [tcp, udp]
  const isBehind = known.some(({ type }) => type === 'ip-mapping') || either.includes('private')
  const nat = isBehind ? 'behind' : either.includes('public') ? 'none' : 'unknown'
  return { tcp, udp, relay, nat }
}

function reachableBy(path: 'tcp' | 'udp', known: readonly KnownAddress[], own: Own): string {
  const direct = known.filter(({ multiaddr }) => pathOf(multiaddr) === path)
  const elsewhere = direct.filter(({ multiaddr }) => !isLoopback(multiaddr))
  const isPublic = ({ multiaddr }: KnownAddress) => !isPrivateIp(multiaddr.getComponents()[0]?.value ?? '')
  const ofType = (sought: string) => elsewhere.filter((address) => address.type === sought && isPublic(address))
  const [publicOnes, mapped] = [ofType('transport'), ofType('ip-mapping')]
  if (own.announced.some((address) => pathOf(parseMultiaddr(address)) === path)) return 'announced'
  if ([...publicOnes, ...mapped].some(({ verified }) => verified || own.reachedBy.has(path))) return 'public'
  if (publicOnes.length > 0) return 'unverified'
  if (mapped.length > 0) return 'mapped'
  if (elsewhere.length > 0) return 'private'
  return direct.length > 0 ? 'loopback' : 'none'
}
