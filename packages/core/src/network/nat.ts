/** Which NAT this node is behind, by what members see of one port of its own. Pure. */
import { isPrivateIp } from './addresses.ts'

/**
 * `none`: it is seen where it is. `one`: a NAT gives the port one for all, so that
 * holes can be punched. `each`: another one for each ("symmetric"). `some`: one member alone could be asked. `unknown`: nobody.
 */
export type NatKind = 'none' | 'one' | 'each' | 'some' | 'unknown'

export interface Nat {
  readonly kind: NatKind
  /** public IP addresses at which members see this node */
  readonly seenAt: readonly string[]
  /** the NAT leaves the port number as it is */
  readonly keepsPort: boolean
}

interface Seen {
  readonly ip: string
  readonly port: number
}

/** @param own IP addresses of this machine */
export function natOf(own: readonly string[], localPort: number, all: readonly Seen[]): Nat {
  // who is on the same LAN sees nothing of a NAT
  const seen = all.filter(({ ip }) => own.includes(ip) || !isPrivateIp(ip))
  const [first] = seen
  const seenAt = [...new Set(seen.map(({ ip }) => ip))]
  const keepsPort = seen.length > 0 && seen.every(({ port }) => port === localPort)
  if (first === undefined) return { kind: 'unknown', seenAt, keepsPort }
  const outside = seen.filter(({ ip }) => !own.includes(ip))
  if (outside.length === 0) return { kind: 'none', seenAt, keepsPort }
  if (outside.length === 1) return { kind: 'some', seenAt, keepsPort }
  const isOne = outside.every(({ ip, port }) => ip === outside[0]?.ip && port === outside[0]?.port)
  return { kind: isOne ? 'one' : 'each', seenAt, keepsPort }
}
