/** What a person may type as an address, and what libp2p needs. */
import { isIP } from 'node:net'
import { CODE_P2P, CODE_P2P_CIRCUIT, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { IdInvalidError } from '../errors.ts'
import { type NodeId, publicKeyFromNodeId } from '../ids.ts'
import { AddressInvalidError } from './errors.ts'
import type { PathKind } from './types.ts'

/** Swarm port when an address names none. */
export const DEFAULT_PORT = 4373
/** Longest address that is looked at; a relayed one with two PeerIds and a DNS name stays below. */
export const MAX_ADDRESS_LENGTH = 512

/** RFC 1123 host name, underscore excluded, without the trailing dot. */
const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i

/**
 * Bare IPv4 or IPv6, `IP:port`, `[IPv6]:port`, DNS name with or without a port, or a multiaddr, as a multiaddr.
 * @throws {AddressInvalidError}
 * @example parseAddress('192.0.2.7') // /ip4/192.0.2.7/tcp/4373
 */
export function parseAddress(text: string, defaultPort = DEFAULT_PORT): string {
  const trimmed = text.trim()
  if (trimmed.length === 0) throw new AddressInvalidError(text, 'it is empty')
  if (trimmed.length > MAX_ADDRESS_LENGTH) throw new AddressInvalidError(text, 'it is too long')
  if (trimmed.startsWith('/')) return parsePlace(trimmed)
  const { host, port } = splitHostPort(trimmed, defaultPort)
  if (isIP(host) === 4) return parsePlace(`/ip4/${host}/tcp/${port}`)
  if (isIP(host) === 6) return parsePlace(ip6Multiaddr(host, port))
  // what looks like an IPv4 address but is none must not be asked of a name server
  if (/^[\d.]+$/.test(host)) throw new AddressInvalidError(text, 'not an IP address')
  if (!HOST_NAME.test(host)) throw new AddressInvalidError(text, 'not a host name')
  return `/dns/${host.toLowerCase()}/tcp/${port}`
}

/**
 * The same, with UDP beside TCP where the text names no transport: both have the same number.
 * @throws {AddressInvalidError}
 * @example parseAddresses('192.0.2.7') // /ip4/192.0.2.7/tcp/4373 and /ip4/192.0.2.7/udp/4373/quic-v1
 */
export function parseAddresses(text: string, defaultPort = DEFAULT_PORT): string[] {
  const first = parseAddress(text, defaultPort)
  const udp = first.replace(/\/tcp\/(\d+)$/, '/udp/$1/quic-v1')
  // QUIC knows no zones
  if (text.trim().startsWith('/') || udp === first || first.startsWith('/ip6zone/')) return [first]
  return [first, udp]
}

/** @throws {AddressInvalidError} when the text is not a multiaddr that we can dial or listen on */
export function parseMultiaddr(text: string): Multiaddr {
  let parsed: Multiaddr
  try {
    parsed = multiaddr(text)
  } catch (error) {
    throw new AddressInvalidError(text, error instanceof Error ? error.message : 'malformed')
  }
  const names = parsed.getComponents().map((component) => component.name)
  const from = names[0] === 'ip6zone' ? 1 : 0
  if (!(from === 1 ? ['ip6'] : ['ip4', 'ip6', 'dns', 'dns4', 'dns6']).includes(names[from] ?? ''))
    throw new AddressInvalidError(text, 'it must begin with ip4, ip6 or dns')
  const transport = [['tcp'], ['udp', 'quic-v1']].find((each) =>
    each.every((name, at) => names[from + 1 + at] === name),
  )
  if (transport === undefined) throw new AddressInvalidError(text, 'it names no TCP port, and no UDP port with quic-v1')
  const rest = names.slice(from + 1 + transport.length).join(' ')
  if (!/^(?:p2p)?(?:(?:^| )p2p-circuit(?: p2p)?)?$/.test(rest))
    throw new AddressInvalidError(text, 'after the port may come nothing but p2p and p2p-circuit')
  for (const peer of peersIn(parsed))
    if (!isNodeId(peer)) throw new AddressInvalidError(text, 'what it names after p2p is not the id of a node')
  return parsed
}

/** Where somebody may be: one machine, and a port. @throws {AddressInvalidError} */
function parsePlace(text: string): string {
  const parsed = parseMultiaddr(text)
  const parts = parsed.getComponents()
  if (parts.some(({ name, value }) => (name === 'tcp' || name === 'udp') && Number(value) === 0))
    throw new AddressInvalidError(text, 'the port must be from 1 to 65535')
  if (/^(?:0\.|22[4-9]\.|2[3-5]\d\.|::$|ff)/i.test(ipPart(parts)))
    throw new AddressInvalidError(text, 'it is not the address of one machine')
  return parsed.toString()
}

/** '' where it begins with a name. */
function ipPart(parts: ReturnType<Multiaddr['getComponents']>): string {
  const [first, second] = parts
  const where = first?.name === 'ip6zone' ? second : first
  return where?.name === 'ip4' || where?.name === 'ip6' ? (where.value ?? '') : ''
}

/** Every PeerId that an address names, the target's last. */
export function peersIn(address: Multiaddr): NodeId[] {
  return address
    .getComponents()
    .filter((component) => component.code === CODE_P2P)
    .map((component) => component.value as NodeId)
}

/** The same place, whoever is there. */
export function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '')
}

/** True when the text is the PeerId of an Ed25519 key. */
export function isNodeId(text: string): text is NodeId {
  try {
    publicKeyFromNodeId(text)
    return true
  } catch (error) {
    if (error instanceof IdInvalidError) return false
    throw error
  }
}

export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some((component) => component.code === CODE_P2P_CIRCUIT)
}

export function pathOf(address: Multiaddr): PathKind {
  if (isRelayed(address)) return 'relay'
  return address.getComponents().some((component) => component.name === 'udp') ? 'udp' : 'tcp'
}

/** Where a connection goes to; null unless it is TCP to an IP address, and not through a relay. */
export function tcpTarget(address: Multiaddr): { host: string; port: number } | null {
  if (isRelayed(address)) return null
  const [zone, ...rest] = address.getComponents()
  const [ip, tcp] = zone?.name === 'ip6zone' ? rest : [zone, rest[0]]
  if ((ip?.name !== 'ip4' && ip?.name !== 'ip6') || tcp?.name !== 'tcp') return null
  const host = zone?.name === 'ip6zone' ? `${ip.value}%${zone.value}` : (ip.value ?? '')
  return { host, port: Number(tcp.value) }
}

/** Where QUIC goes to; `family` 0 is a name, to be looked up as one of `dnsFamily`. Null for everything else. */
export function udpTarget(
  address: Multiaddr,
):
  | { family: 4 | 6; host: string; port: number }
  | { family: 0; dnsFamily: 0 | 4 | 6; host: string; port: number }
  | null {
  const [where, udp, quic, peer, more] = address.getComponents()
  if (udp?.name !== 'udp' || quic?.name !== 'quic-v1' || more !== undefined) return null
  if (peer !== undefined && peer.code !== CODE_P2P) return null
  const { host, port } = { host: where?.value ?? '', port: Number(udp.value) }
  switch (where?.name) {
    case 'ip4':
      return { family: 4, host, port }
    case 'ip6':
      return { family: 6, host, port }
    case 'dns':
      return { family: 0, dnsFamily: 0, host, port }
    case 'dns4':
      return { family: 0, dnsFamily: 4, host, port }
    case 'dns6':
      return { family: 0, dnsFamily: 6, host, port }
    default:
      return null
  }
}

/** True for addresses that mean something on this machine only. */
export function isLoopback(address: Multiaddr): boolean {
  const [first] = address.getComponents()
  return first?.value?.startsWith('127.') === true || first?.value === '::1' || first?.value === 'localhost'
}

/**
 * So that of the first few each says something else: in turns one public machine address, one private, one relay, each
 * with all that leads there, TCP before UDP. Whoever tells addresses has room for few.
 */
export function inTurns(addresses: readonly Multiaddr[]): Multiaddr[] {
  const kinds: Map<string, Multiaddr[]>[] = [new Map(), new Map(), new Map()]
  for (const address of addresses) {
    const where = isRelayed(address) ? (peersIn(address)[0] ?? '') : hostOf(address)
    const kind = kinds[isRelayed(address) ? 2 : isPrivateIp(where) ? 1 : 0]
    kind?.set(where, [...(kind.get(where) ?? []), address])
  }
  const lists = kinds.map((kind) =>
    [...kind.values()].map((same) => same.sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : pathOf(a) > pathOf(b) ? 1 : 0))),
  )
  const turns = Math.max(...lists.map(({ length }) => length))
  return Array.from({ length: turns }, (_, turn) => lists.flatMap((list) => list[turn] ?? [])).flat()
}

function hostOf(address: Multiaddr): string {
  const [first, second] = address.getComponents()
  return (first?.name === 'ip6zone' ? second?.value : first?.value) ?? ''
}

/** 10.x, 192.168.x and so on (RFC 1918, 6598, 4193, 3927, 4291): not reachable from the Internet. */
export function isPrivateIp(ip: string): boolean {
  if (isIP(ip) === 6) return /^(?:::1$|f[cd]|fe[89ab])/i.test(ip)
  return /^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
    ip,
  )
}

function ip6Multiaddr(host: string, port: number): string {
  const [ip, zone] = host.split('%')
  return zone === undefined ? `/ip6/${ip}/tcp/${port}` : `/ip6zone/${zone}/ip6/${ip}/tcp/${port}`
}

function splitHostPort(text: string, defaultPort: number): { host: string; port: number } {
  if (isIP(text) !== 0) return { host: text, port: defaultPort }
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text)
  if (bracketed !== null) {
    const host = bracketed[1] ?? ''
    if (isIP(host) !== 6) throw new AddressInvalidError(text, 'no IPv6 address between the brackets')
    return { host, port: parsePort(text, bracketed[2], defaultPort) }
  }
  const colon = text.lastIndexOf(':')
  if (colon < 0) return { host: text, port: defaultPort }
  if (text.indexOf(':') !== colon) throw new AddressInvalidError(text, 'an IPv6 address with a port needs brackets')
  const digits = text.slice(colon + 1)
  if (!/^\d{1,5}$/.test(digits)) throw new AddressInvalidError(text, 'the port is not a number')
  return { host: text.slice(0, colon), port: parsePort(text, digits, defaultPort) }
}

function parsePort(text: string, digits: string | undefined, defaultPort: number): number {
  if (digits === undefined) return defaultPort
  const port = Number(digits)
  if (port < 1 || port > 65_535) throw new AddressInvalidError(text, 'the port must be from 1 to 65535')
  return port
}
