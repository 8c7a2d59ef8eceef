/**
 * Where somebody comes from, as far as one host can be told from another: who opens many must not keep others out. An IPv4
 * address is one place; of IPv6 a host has a whole /64, so that counts as one. Over a relay it is the relay.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { isRelayed } from './addresses.ts'
import { ipOf } from './path-kinds.ts'

const PREFIX_GROUPS = 4
const GROUPS = 8

/** @example originOf('2001:db8::7') // '2001:db8:0:0' */
export function originOf(ip: string): string {
  const [plain = ''] = ip.split('%')
  const mapped = /^::ffff:([\d.]+)$/i.exec(plain)?.[1]
  if (mapped !== undefined && isIPv4(mapped)) return mapped
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // a dotted end stands for two groups
  const length = before.length + after.length + (plain.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - length)
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
    .slice(0, PREFIX_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}

export function originOfAddress(address: Multiaddr): string {
  if (isRelayed(address)) {
    const relay = address.getComponents().find(({ code }) => code === CODE_P2P)?.value
    return relay ?? 'a relay'
  }
  const ip = ipOf(address)
  return ip === null ? 'elsewhere' : originOf(ip)
}
