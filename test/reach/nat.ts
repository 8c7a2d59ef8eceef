/** What the router of an office does, as nftables rules. Every kind is put to the proof in `nat.test.ts`. */

/**
 * - `fc` full cone: one mapping for all, open to everybody once it is there
 * - `pr` port-restricted: one mapping for all, open to whom was written to
 * - `sy` symmetric: a mapping of its own for each whom is written to
 * - `fw` no translation, public addresses behind a firewall that lets in what was asked for
 * - `rej` as `pr`, and what nobody asked for is answered by RST or ICMP instead of silence
 */
export type NatKind = 'fc' | 'pr' | 'sy' | 'fw' | 'rej'

export interface RouterInit {
  readonly nat: NatKind
  readonly version: 4 | 6
  /** TCP and UDP port that leads to the first host from everywhere */
  readonly forward?: number | undefined
  /** hosts may reach each other by the public address, and see each other as that (RFC 4787, REQ-9) */
  readonly hairpin?: boolean | undefined
  /** inside, first to last; the API of each at its port, for the test */
  readonly hosts: readonly { readonly address: string; readonly apiPort: number }[]
}

/** Interfaces: `wan` outside, `lan` inside, `ctl` to the test. */
export function routerRules({ nat, version, forward, hairpin = false, hosts }: RouterInit): string {
  const ip = version === 4 ? 'ip' : 'ip6'
  const [first] = hosts
  const translates = nat !== 'fw'
  const from = hairpin ? 'iifname { wan, lan }' : 'iifname wan'
  const to = (address: string | undefined) => `dnat ${ip} to ${address}`
  // a router that is asked at its own address only
  const own = 'fib daddr type local'
  const forwarding =
    forward === undefined ? '' : `${from} ${own} meta l4proto { tcp, udp } th dport ${forward} ${to(first?.address)}`
  const cone = nat === 'fc' ? `${from} ${own} ${to('meta l4proto . th dport map @cone')}` : ''
  const remember = nat === 'fc' ? 'update @cone { meta l4proto . th sport : ip saddr } ' : ''
  const api = hosts.map(({ address, apiPort }) => `iifname ctl tcp dport ${apiPort} ${to(address)}`)
  const refuse =
    nat === 'rej' ? ['iifname wan meta l4proto tcp reject with tcp reset', 'iifname wan reject'] : ['iifname wan drop']
  return `
table inet lab
delete table inet lab
table inet lab {
  map cone { type inet_proto . inet_service : ipv4_addr; flags dynamic,timeout; timeout 10m; }
  chain pre { type nat hook prerouting priority dstnat
    ${api.join('\n    ')}
    ${forwarding}
    ${cone}
  }
  chain post { type nat hook postrouting priority srcnat
    iifname ctl oifname lan masquerade
    ${hairpin ? 'iifname lan oifname lan ct status dnat snat ip to ct original ip daddr' : ''}
    ${translates ? `oifname wan ${remember}masquerade${nat === 'sy' ? ' fully-random' : ''}` : ''}
  }
  chain input { type filter hook input priority filter
    ct state established,related accept
    meta l4proto { icmp, icmpv6 } accept
    ${refuse.join('\n    ')}
  }
  chain limits { }
  chain forward { type filter hook forward priority filter; policy drop
    iifname ctl accept
    oifname ctl ct state established,related accept
    ct state invalid drop
    jump limits
    ct state established,related accept
    iifname lan oifname wan accept
    ct status dnat accept
  }
}
`
}

/** What an office's firewall lets out, beside everything. */
export interface Limits {
  /** @default true */
  readonly udp?: boolean
  /** the only TCP port of others that may be connected to @default all */
  readonly tcpPort?: number
}

export function limitRules({ udp = true, tcpPort }: Limits): string {
  const rules = [
    ...(udp ? [] : ['meta l4proto udp drop']),
    ...(tcpPort === undefined
      ? []
      : [
          `iifname lan ct direction original tcp dport != ${tcpPort} drop`,
          'iifname wan ct direction original meta l4proto tcp drop',
        ]),
  ]
  return ['flush chain inet lab limits', ...rules.map((rule) => `add rule inet lab limits ${rule}`), ''].join('\n')
}

/** Beside the public network: lets the test in to the hosts' APIs, and cuts lines without a word to anybody. */
export function hubRules(hosts: RouterInit['hosts']): string {
  return `
table bridge lab {
  set cut { type ifname; }
  set severed { type ipv4_addr . ipv4_addr; }
  chain forward { type filter hook forward priority filter
    iifname @cut meta protocol { ip, ip6 } drop
    oifname @cut meta protocol { ip, ip6 } drop
    ip saddr . ip daddr @severed drop
  }
}
table inet lab {
  chain pre { type nat hook prerouting priority dstnat
    ${hosts.map(({ address, apiPort }) => `iifname ctl tcp dport ${apiPort} dnat ip to ${address}`).join('\n    ')}
  }
  chain post { type nat hook postrouting priority srcnat
    iifname ctl oifname hub masquerade
  }
  chain forward { type filter hook forward priority filter; policy drop
    iifname ctl accept
    oifname ctl accept
  }
}
`
}

/** In every host: packets and bytes from and to each address. */
export const COUNTER_RULES = `
table inet counts {
${['in4', 'out4'].map((name) => `set ${name} { type ipv4_addr; flags dynamic; size 65535; counter; }`).join('\n')}
${['in6', 'out6'].map((name) => `set ${name} { type ipv6_addr; flags dynamic; size 65535; counter; }`).join('\n')}
  chain input { type filter hook input priority raw
    update @in4 { ip saddr counter }
    update @in6 { ip6 saddr counter }
  }
  chain output { type filter hook output priority raw
    update @out4 { ip daddr counter }
    update @out6 { ip6 daddr counter }
  }
}
`
