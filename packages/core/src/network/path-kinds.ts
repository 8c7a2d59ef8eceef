/** How a connection reaches its peer, in the finer words that `nodes` shows. */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isPrivateIp, isRelayed } from './addresses.ts'
import type { FinePath, PathKind } from './types.ts'

/** How long this machine's own networks are taken for what they were, milliseconds. */
const OWN_NETWORKS_MS = 10_000

/** Came about by both sides dialling at once, through two NATs: nobody can be dialled at their addresses. */
export const punched = new WeakSet<Connection>()

/** @param path of its address */
export function finePathOf(connection: Connection, path: PathKind): FinePath {
  const { remoteAddr } = connection
  if (path === 'relay' || isLanAddress(remoteAddr)) return path === 'relay' ? path : 'lan'
  return punched.has(connection) ? `punched-${path}` : path
}

/** Of this machine, of a network that one of its interfaces is in, or of a private one. */
export function isLanAddress(address: Multiaddr): boolean {
  const ip = ipOf(address)
  return !isRelayed(address) && ip !== null && (isPrivateIp(ip) || ownNetworks().check(ip, familyOf(ip)))
}

/** The IP address that it begins with, also behind a zone; null where it begins with a name. */
export function ipOf(address: Multiaddr): string | null {
  const [first, second] = address.getComponents()
  const value = (first?.name === 'ip6zone' ? second : first)?.value ?? ''
  return isIP(value) === 0 ? null : value
}

let known: { readonly list: BlockList; readonly until: number } | undefined

function ownNetworks(): BlockList {
  const now = performance.now()
  if (known !== undefined && now < known.until) return known.list
  const list = new BlockList()
  for (const { cidr } of Object.values(networkInterfaces()).flatMap((each) => each ?? [])) {
    const [ip, bits] = cidr?.split('/') ?? []
    if (ip !== undefined && isIP(ip) !== 0) list.addSubnet(ip, Number(bits), familyOf(ip))
  }
  known = { list, until: now + OWN_NETWORKS_MS }
  return list
}

function familyOf(ip: string): 'ipv4' | 'ipv6' {
  return isIP(ip) === 6 ? 'ipv6' : 'ipv4'
}
