/**
 * A small Internet on this machine, of network namespaces: hosts with public addresses, and offices, each behind a
 * router with real address translation (nftables), whose hosts have no other way out. Several labs may stand at once.
 *
 *     test ── ctl ──┬── hub ── public hosts 11.22.33.10, .11 … (2a0b:aaaa:33::10 …)
 *                   │    ├──── router of office 0: 11.22.33.100 ── lan 192.168.0.0/24: hosts .10, .11 …
 *                   └────┴──── router of office 1: 11.22.33.101 ── …
 *
 * `fw` offices have 11.22.100.0/24 and so on inside instead. The public addresses are such that libp2p takes them for public
 * (the ranges for documentation are not). `ctl` leads the test to the hosts' APIs through the routers; the hosts do not see it.
 */
import { spawnSync } from 'node:child_process'
import { atEnd, batch, freeControlNet, removeSpaces, removeStaleSpaces, run } from '../support/namespaces.ts'
import { type HostInit, hostOf, type LabHost, nft } from './host.ts'
import { COUNTER_RULES, hubRules, type Limits, limitRules, type NatKind, routerRules } from './nat.ts'
import { startUpnp, UPNP_RULES } from './upnp.ts'

const PREFIX = 'malote-reach'
const PUBLIC_4 = '11.22.33'
const PUBLIC_6 = '2a0b:aaaa:33:'
const API_PORT = 7373
const FIRST_HOST = 10
const FIRST_OFFICE = 100
const MAX_OFFICES = 100

export interface OfficeInit {
  readonly nat: NatKind
  /** how many hosts it has inside @default 1 */
  readonly hosts?: number
  /** 6: the office has no IPv4, and `fw` is the only kind @default 4 */
  readonly version?: 4 | 6
  /** third number of its private addresses; offices may share it @default its place in the list */
  readonly lan?: number
  /** TCP and UDP port of the public address that leads to the first host */
  readonly forward?: number
  /** hosts reach each other by the public address, as which they see each other then @default false */
  readonly hairpin?: boolean
  /** each host is in a network of its own, and the router lets nothing pass between them @default false */
  readonly apart?: boolean
  /** from the beginning @default none */
  readonly limits?: Limits
  /** its router maps ports for whoever asks (miniupnpd) @default false */
  readonly upnp?: boolean
}

export interface LabInit {
  /** @default 1 */
  readonly publicHosts?: number
  readonly offices: readonly OfficeInit[]
}

export interface Office {
  readonly nat: NatKind
  readonly hosts: readonly LabHost[]
  /** of the router */
  readonly publicAddress: string
  /** Cuts the line to the public network: not a word to anybody, as when a cable is pulled further away. */
  cut(): void
  mend(): void
  limit(limits: Limits): void
  /** Forgets every mapping, as a router that has been switched off and on, or those with one address outside. */
  forgetMappings(outside?: string): void
  /** Seconds that a mapping lives without packets. */
  setMappingLife(seconds: { udp?: number; tcp?: number }): void
  /** What its router has mapped for whoever asked (`upnp`), as its rules. */
  mapped(): string[]
  /** Another public address from now on; the old one and every mapping are gone. */
  moveTo(publicAddress: string): void
}

export interface Lab {
  readonly publicHosts: readonly (LabHost & { cut(): void; mend(): void; addAddress(address: string): void })[]
  readonly offices: readonly Office[]
  /** Swallows what passes between two public addresses, of IPv4. */
  sever(one: string, other: string): void
  join(one: string, other: string): void
  /** Ends what runs there, and removes it. */
  close(): void
}

/** Why there is no lab on this machine; null: there is one. */
export function labMissing(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  const tools = { ip: '-V', nft: '--version', conntrack: '--version' }
  for (const [tool, version] of Object.entries(tools))
    if (spawnSync(tool, [version]).error !== undefined) return `${tool} is missing`
  const trial = `${PREFIX}-${process.pid}-trial`
  try {
    batch('ip', [], [`netns add ${trial}`, `link add one netns ${trial} type veth peer name two netns ${trial}`])
    run('ip', ['netns', 'exec', trial, 'nft', '-f', '-'], hubRules([]) + COUNTER_RULES)
    run('ip', ['netns', 'exec', trial, 'nft', '-f', '-'], routerRules({ nat: 'fc', version: 4, hosts: [] }))
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    removeSpaces([trial])
  }
}

let made = 0

/** @throws where `labMissing` says why */
export function createLab(init: LabInit): Lab {
  if (init.offices.length > MAX_OFFICES) throw new RangeError(`at most ${MAX_OFFICES} offices`)
  removeStaleSpaces(PREFIX)
  made += 1
  const lab = new BuiltLab(`${PREFIX}-${process.pid}-${made}`, `mr${process.pid}x${made}`.slice(-15))
  try {
    lab.build(init)
  } catch (error) {
    lab.close()
    throw error
  }
  return lab
}

interface PlannedHost extends HostInit {
  readonly gateway: string
  readonly net: string
}

interface PlannedOffice {
  readonly init: OfficeInit
  readonly version: 4 | 6
  readonly space: string
  readonly port: string
  readonly control: string
  /** inside */
  readonly nets: readonly string[]
  readonly gateways: readonly string[]
  readonly hosts: readonly PlannedHost[]
  publicAddress: string
}

class BuiltLab implements Lab {
  publicHosts: Lab['publicHosts'] = []
  offices: readonly Office[] = []
  readonly #name: string
  readonly #outside: string
  readonly #control = freeControlNet()
  readonly #spaces: string[] = []
  readonly #forget: () => void
  #planned: readonly PlannedOffice[] = []
  #hub = ''

  constructor(name: string, outside: string) {
    this.#name = name
    this.#outside = outside
    this.#forget = atEnd(() => this.close())
  }

  build({ publicHosts = 1, offices }: LabInit): void {
    const hub = this.#space('hub')
    this.#hub = hub
    const publics = Array.from({ length: publicHosts }, (_, at) => ({
      space: this.#space(`p${at}`),
      address: `${PUBLIC_4}.${FIRST_HOST + at}`,
      apiPort: API_PORT + at,
    }))
    this.#planned = offices.map((office, at) => this.#plan(office, at))
    this.#wire(hub, publics)
    this.#address(hub, publics)
    nft(hub, hubRules(publics))
    for (const office of this.#planned) {
      nft(office.space, routerRules({ ...office.init, version: office.version, hosts: office.hosts }))
      if (office.init.limits !== undefined) nft(office.space, limitRules(office.init.limits))
      if (office.init.upnp === true) {
        nft(office.space, UPNP_RULES)
        startUpnp(['ip', 'netns', 'exec', office.space])
      }
      for (const host of office.hosts) nft(host.space, COUNTER_RULES)
    }
    for (const host of publics) nft(host.space, COUNTER_RULES)
    this.publicHosts = publics.map((host, at) => ({
      ...hostOf(host, () => host.address, `${this.#control}.2`),
      ...lineOf(hub, `p${at}`),
      addAddress: (address) => batch('ip', ['-n', host.space], [`addr add ${address}/32 dev wan`]),
    }))
    this.offices = this.#planned.map((office) => this.#officeOf(hub, office))
  }

  close(): void {
    this.#forget()
    removeSpaces(this.#spaces)
  }

  sever(one: string, other: string): void {
    nft(this.#hub, `add element bridge lab severed { ${one} . ${other}, ${other} . ${one} }\n`)
  }

  join(one: string, other: string): void {
    nft(this.#hub, `delete element bridge lab severed { ${one} . ${other}, ${other} . ${one} }\n`)
  }

  #space(name: string): string {
    const space = `${this.#name}-${name}`
    this.#spaces.push(space)
    return space
  }

  #plan(init: OfficeInit, at: number): PlannedOffice {
    const { nat, version = 4, lan = at, hosts = 1, apart = false } = init
    if (version === 6 && nat !== 'fw') throw new RangeError('nobody translates IPv6 addresses here')
    const inside =
      version === 6
        ? `2a0b:aaaa:${FIRST_OFFICE + at}::`
        : nat === 'fw'
          ? `11.22.${FIRST_OFFICE + at}.`
          : `192.168.${lan}.`
    const planned = Array.from({ length: hosts }, (_, host): PlannedHost => {
      const own = apart && host > 0 ? `10.${lan}.${host}.` : inside
      return {
        space: this.#space(`o${at}h${host}`),
        address: `${own}${FIRST_HOST + host}`,
        gateway: `${own}1`,
        net: version === 4 ? `${own}0/24` : `${own}/64`,
        apiPort: API_PORT + host,
      }
    })
    return {
      init,
      version,
      space: this.#space(`r${at}`),
      port: `o${at}`,
      control: version === 4 ? `${this.#control}.${FIRST_OFFICE + at}` : `${this.#control6()}${FIRST_OFFICE + at}`,
      nets: [...new Set(planned.map(({ net }) => net))],
      gateways: [...new Set(planned.map(({ gateway }) => gateway))],
      hosts: planned,
      publicAddress: version === 4 ? `${PUBLIC_4}.${FIRST_OFFICE + at}` : `${PUBLIC_6}:${FIRST_OFFICE + at}`,
    }
  }

  #control6(): string {
    const [, second = 0, third = 0] = this.#control.split('.').map(Number)
    return `fd6d:616c:${second.toString(16)}:${third.toString(16)}::`
  }

  /** Namespaces and the cables between them. */
  #wire(hub: string, publics: readonly HostInit[]): void {
    const cable = (one: string, oneEnd: string, other: string, otherEnd: string) =>
      `link add ${oneEnd} netns ${one} type veth peer name ${otherEnd} netns ${other}`
    batch(
      'ip',
      [],
      [
        ...this.#spaces.map((space) => `netns add ${space}`),
        `link add ${this.#outside} type veth peer name outside netns ${hub}`,
        ...publics.map(({ space }, at) => cable(space, 'wan', hub, `p${at}`)),
        ...this.#planned.flatMap(({ space, port, hosts }) => [
          cable(space, 'wan', hub, port),
          cable(space, 'ctl', hub, `c${port}`),
          ...hosts.map((host, at) => cable(host.space, 'eth0', space, `h${at}`)),
        ]),
        `addr add ${this.#control}.1/24 dev ${this.#outside}`,
        `addr add ${this.#control6()}1/64 dev ${this.#outside} nodad`,
        `link set ${this.#outside} up`,
      ],
    )
  }

  #address(hub: string, publics: readonly HostInit[]): void {
    const joined = (port: string, bridge: string) => [`link set ${port} master ${bridge}`, `link set ${port} up`]
    batch(
      'ip',
      ['-n', hub],
      [
        'link set lo up',
        ...['hub', 'ctl'].flatMap((bridge) => [`link add ${bridge} type bridge`, `link set ${bridge} up`]),
        ...joined('outside', 'ctl'),
        ...publics.flatMap((_, at) => joined(`p${at}`, 'hub')),
        ...this.#planned.flatMap(({ port }) => [...joined(port, 'hub'), ...joined(`c${port}`, 'ctl')]),
        `addr add ${PUBLIC_4}.1/24 dev hub`,
        `addr add ${this.#control}.2/24 dev ctl`,
      ],
    )
    forwards(hub)
    publics.forEach(({ space, address }, at) => {
      batch(
        'ip',
        ['-n', space],
        [
          'link set lo up',
          'link set wan up',
          // alone in its network, whatever the cable: who looks at its interfaces takes nobody for a neighbour
          `addr add ${address}/32 dev wan`,
          `addr add ${PUBLIC_6}:${FIRST_HOST + at}/128 dev wan nodad`,
          `route add ${PUBLIC_4}.0/24 dev wan`,
          `route add ${PUBLIC_6}:/64 dev wan`,
          `route add default via ${PUBLIC_4}.1`,
          ...this.#routesTo(),
        ],
      )
    })
    for (const office of this.#planned) {
      const { space, version, control, gateways, hosts, init } = office
      const length = version === 4 ? 24 : 64
      forwards(space)
      batch(
        'ip',
        ['-n', space],
        [
          'link set lo up',
          'link add lan type bridge',
          ...['wan', 'ctl', 'lan'].map((device) => `link set ${device} up`),
          ...hosts.flatMap((_, at) => joined(`h${at}`, 'lan')),
          ...(init.apart === true ? hosts.map((_, at) => `link set h${at} type bridge_slave isolated on`) : []),
          ...this.#outerAddress(office),
          `addr add ${control}/${length} dev ctl ${nodad(version)}`,
          ...gateways.map((gateway) => `addr add ${gateway}/${length} dev lan ${nodad(version)}`),
          // what leads nowhere is swallowed, as on the Internet, and not answered
          `route add blackhole ${version === 4 ? '0.0.0.0/0' : '::/0'}`,
        ],
      )
      for (const [at, host] of hosts.entries()) {
        // no two of a house choose one port, so that the router keeps each
        sysctl(host.space, { 'ipv4/ip_local_port_range': `${20_000 + 4_000 * at} ${23_999 + 4_000 * at}` })
        batch(
          'ip',
          ['-n', host.space],
          [
            'link set lo up',
            'link set eth0 up',
            `addr add ${host.address}/${length} dev eth0 ${nodad(version)}`,
            `route add default via ${host.gateway}`,
          ],
        )
      }
    }
  }

  #outerAddress(office: PlannedOffice): string[] {
    const { version, publicAddress } = office
    const length = version === 4 ? 24 : 64
    return [`addr add ${publicAddress}/${length} dev wan ${nodad(version)}`, ...this.#routesTo(office)]
  }

  /** Public networks inside of other offices, from an office or from a public host. */
  #routesTo(from?: PlannedOffice): string[] {
    return this.#planned
      .filter((office) => office !== from && office.init.nat === 'fw')
      .filter(({ version }) => from === undefined || from.version === version)
      .flatMap(({ nets, publicAddress }) => nets.map((net) => `route add ${net} via ${publicAddress}`))
  }

  #officeOf(hub: string, planned: PlannedOffice): Office {
    const { init, space, hosts, control, version } = planned
    // not those of the test's own calls; it fails where there are none
    const forget = (...what: string[]) =>
      spawnSync('ip', ['netns', 'exec', space, 'conntrack', '-D', '-f', version === 4 ? 'ipv4' : 'ipv6', ...what])
    const forgetMappings = (publicAddress = planned.publicAddress) => {
      for (const net of planned.nets) {
        forget('-s', net)
        forget('-d', net)
      }
      forget('-d', publicAddress)
    }
    const seenAs = (host: PlannedHost) => (init.nat === 'fw' ? host.address : planned.publicAddress)
    return {
      nat: init.nat,
      hosts: hosts.map((host) => hostOf(host, () => seenAs(host), version === 4 ? control : `[${control}]`)),
      get publicAddress() {
        return planned.publicAddress
      },
      ...lineOf(hub, planned.port),
      limit: (limits) => nft(space, limitRules(limits)),
      forgetMappings(outside) {
        if (outside === undefined) return forgetMappings()
        forget('-d', outside)
        forget('-s', outside)
      },
      setMappingLife({ udp, tcp }) {
        const names = {
          ...(udp === undefined ? {} : { udp_timeout: udp, udp_timeout_stream: udp }),
          ...(tcp === undefined ? {} : { tcp_timeout_established: tcp }),
        }
        sysctl(
          space,
          Object.fromEntries(Object.entries(names).map(([name, s]) => [`netfilter/nf_conntrack_${name}`, s])),
        )
      },
      mapped: () =>
        run('ip', ['netns', 'exec', space, 'nft', 'list', 'chain', 'inet', 'upnp', 'mapped'])
          .split('\n')
          .filter((line) => line.includes('dnat')),
      moveTo: (publicAddress) => {
        const old = planned.publicAddress
        planned.publicAddress = publicAddress
        // the routes go with the last address of their network
        batch(
          'ip',
          ['-n', space],
          [`addr del ${old}/${version === 4 ? 24 : 64} dev wan`, ...this.#outerAddress(planned)],
        )
        forgetMappings(old)
      },
    }
  }
}

function lineOf(hub: string, port: string): { cut(): void; mend(): void } {
  return {
    cut: () => nft(hub, `add element bridge lab cut { ${port} }\n`),
    mend: () => nft(hub, `delete element bridge lab cut { ${port} }\n`),
  }
}

function nodad(version: 4 | 6): string {
  return version === 6 ? 'nodad' : ''
}

/** Of that namespace, below `/proc/sys/net`. */
function sysctl(space: string, values: Record<string, number | string>): void {
  const lines = Object.entries(values).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}\n`)
  run('ip', ['netns', 'exec', space, 'sh', '-e'], lines.join(''))
}

/** A router; what crosses a bridge in there is not translated, and nothing passes that no rule has seen begin. */
function forwards(space: string): void {
  run(
    'ip',
    ['netns', 'exec', space, 'sh'],
    `cd /proc/sys/net
echo 1 > ipv4/ip_forward
echo 1 > ipv6/conf/all/forwarding
echo 0 > ipv4/conf/all/send_redirects
echo 0 > netfilter/nf_conntrack_tcp_loose
[ ! -d bridge ] || for each in bridge/bridge-nf-call-*; do echo 0 > $each; done
`,
  )
}
