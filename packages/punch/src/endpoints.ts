/** Addresses as this protocol names them: an IP and a port. Which of them may be dialled is decided here. */
import { BlockList, isIP } from 'node:net'
import { CODE_P2P_CIRCUIT, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { joined, Reader, uint } from './bytes.ts'
import { PunchMessageError } from './errors.ts'
import { MAX_DIALS } from './limits.ts'

export type Transport = 'tcp' | 'udp'

export interface Endpoint {
  readonly family: 4 | 6
  /** as `node:net` writes it */
  readonly ip: string
  readonly port: number
}

export interface Candidate extends Endpoint {
  readonly transport: Transport
}

/** What a peer has said about itself: where it was seen, if anybody vouches for that, and where it listens. */
export interface Whereabouts {
  readonly seen: Endpoint | null
  readonly candidates: readonly Candidate[]
}

const CODES = { tcp: 1, udp: 2 } as const

/** Not to be reached over the Internet, and nobody's LAN: RFC 6890 and its updates. */
const SPECIAL: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'], // multicast, reserved, broadcast
]
/** RFC 1918, RFC 6598, RFC 4193. */
const PRIVATE: typeof SPECIAL = [
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['fc00::', 7, 'ipv6'],
]
/** The part of IPv6 that is routed, less what documents, benchmarks and tunnels use. */
const GLOBAL6: typeof SPECIAL = [['2000::', 3, 'ipv6']]
const SPECIAL6: typeof SPECIAL = [
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
]

const listOf = (nets: typeof SPECIAL): BlockList => {
  const list = new BlockList()
  for (const [net, bits, family] of nets) list.addSubnet(net, bits, family)
  return list
}
const special = listOf([...SPECIAL, ...SPECIAL6])
const local = listOf(PRIVATE)
const global6 = listOf(GLOBAL6)

/** An address of one machine on the Internet. */
export function isPublic({ family, ip }: Endpoint): boolean {
  const name = family === 4 ? 'ipv4' : 'ipv6'
  return !special.check(ip, name) && !local.check(ip, name) && (family === 4 || global6.check(ip, name))
}

/** An address of one machine in a LAN. */
export function isPrivate({ family, ip }: Endpoint): boolean {
  return local.check(ip, family === 4 ? 'ipv4' : 'ipv6')
}

export function isSameIp(a: Endpoint | null, b: Endpoint | null): boolean {
  return a !== null && b !== null && a.family === b.family && a.ip === b.ip
}

/**
 * What of a peer's candidates may be dialled: what lies where it was seen; and private addresses, if both were seen at
 * one public address. Private ones first.
 */
export function eligible(own: Whereabouts, theirs: Whereabouts): Candidate[] {
  const { seen } = theirs
  if (seen === null) return []
  const near = isSameIp(own.seen, seen) ? theirs.candidates.filter(isPrivate) : []
  const far = theirs.candidates.filter((candidate) => isSameIp(candidate, seen))
  return [...near, ...far].slice(0, MAX_DIALS)
}

/** @returns null for what is no IP address and port */
export function endpointOf(address: string | undefined, port: number | undefined): Endpoint | null {
  if (address === undefined || port === undefined || port < 1 || port > 65_535) return null
  const ip = address.replace(/^::ffff:(?=\d+\.)/i, '')
  const family = isIP(ip)
  if (family === 4) return { family, ip, port }
  // one way of writing it, so that two can be compared
  return family === 6 && !ip.includes('%') ? { family, ip: ip6Text(ip6Bytes(ip)), port } : null
}

/** @returns null unless it is plain TCP or QUIC to an IP address, and not through a relay */
export function candidateOf(address: Multiaddr): Candidate | null {
  const parts = address.getComponents()
  if (parts.some(({ code }) => code === CODE_P2P_CIRCUIT)) return null
  const [ip, port, ...rest] = parts
  if ((ip?.name !== 'ip4' && ip?.name !== 'ip6') || (port?.name !== 'tcp' && port?.name !== 'udp')) return null
  const names = rest.map(({ name }) => name).filter((name) => name !== 'p2p')
  const isKnown = port.name === 'tcp' ? names.length === 0 : names.length === 1 && names[0] === 'quic-v1'
  const endpoint = endpointOf(ip.value, Number(port.value))
  return isKnown && endpoint !== null ? { ...endpoint, transport: port.name } : null
}

export function toMultiaddr({ family, ip, port }: Endpoint, transport: Transport, peer?: string): Multiaddr {
  const tail = transport === 'tcp' ? '' : '/quic-v1'
  return multiaddr(`/ip${family}/${ip}/${transport}/${port}${tail}${peer === undefined ? '' : `/p2p/${peer}`}`)
}

export function encodeEndpoint({ family, ip, port }: Endpoint): Uint8Array {
  const bytes = family === 4 ? Uint8Array.from(ip.split('.').map(Number)) : ip6Bytes(ip)
  return joined([uint(family, 1), bytes, uint(port, 2)])
}

/** @throws {PunchMessageError} */
export function decodeEndpoint(reader: Reader): Endpoint {
  const family = reader.uint(1)
  if (family !== 4 && family !== 6) throw new PunchMessageError('unknown family of addresses')
  const bytes = reader.take(family === 4 ? 4 : 16)
  const port = reader.uint(2)
  if (port === 0) throw new PunchMessageError('port 0')
  return { family, ip: family === 4 ? bytes.join('.') : ip6Text(bytes), port }
}

export function encodeCandidate(candidate: Candidate): Uint8Array {
  return joined([uint(CODES[candidate.transport], 1), encodeEndpoint(candidate)])
}

/** @throws {PunchMessageError} */
export function decodeCandidate(reader: Reader): Candidate {
  const code = reader.uint(1)
  if (code !== CODES.tcp && code !== CODES.udp) throw new PunchMessageError('unknown transport')
  return { ...decodeEndpoint(reader), transport: code === CODES.tcp ? 'tcp' : 'udp' }
}

export function transportCode(transport: Transport): number {
  return CODES[transport]
}

function ip6Bytes(ip: string): Uint8Array {
  const [head = '', tail] = ip.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':').flatMap(groupOf))
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]))
}

/** A group of hex digits, or the two groups that an IPv4 address at the end stands for. */
function groupOf(text: string): number[] {
  if (!text.includes('.')) return [Number.parseInt(text, 16)]
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}

/** RFC 5952. */
function ip6Text(bytes: Uint8Array): string {
  const reader = new Reader(bytes)
  const groups = Array.from({ length: 8 }, () => reader.uint(2).toString(16))
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}
