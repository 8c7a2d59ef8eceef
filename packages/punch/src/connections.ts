/** What is asked of connections, and of addresses in them, in several places. */
import type { Connection } from '@libp2p/interface'
import { CODE_P2P, CODE_P2P_CIRCUIT } from '@multiformats/multiaddr'
import type { Endpoint } from './endpoints.ts'

export function isOpen({ status }: Connection): boolean {
  return status === 'open'
}

export function isRelayed({ remoteAddr }: Connection): boolean {
  return remoteAddr.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)
}

/** Whose circuit it is. */
export function relayOf({ remoteAddr }: Connection): string | undefined {
  const parts = remoteAddr.getComponents()
  const at = parts.findIndex(({ code }) => code === CODE_P2P_CIRCUIT)
  return parts.slice(0, Math.max(at, 0)).findLast(({ code }) => code === CODE_P2P)?.value
}

export function isLoopback({ ip }: Endpoint): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

export function listOf<T>(value: T | null | undefined): T[] {
  return value === null || value === undefined ? [] : [value]
}
