/**
 * Members on the same LAN, by multicast DNS as libp2p's specification has it (discovery/mdns.md), over every interface,
 * IPv4 and link-local IPv6. @libp2p/mdns asks over one interface only, the one that the operating system prefers, and in
 * IPv4 only. Owns: one socket for each interface and family, as they come and go.
 *
 * What is heard is a hint: it is dialled only if it names a member, and the dial proves the PeerId.
 */
import { networkInterfaces } from 'node:os'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import multicastDns from 'multicast-dns'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { isLoopback, isNodeId, isRelayed, peersIn, withoutPeer } from './addresses.ts'

/** How often the LAN is asked, milliseconds. */
export const MDNS_INTERVAL_MS = 10_000
/** How often it is looked which interfaces there are, milliseconds. */
const LOOK_MS = 5_000
/** One answer in this time over each interface, however many ask, milliseconds. */
const ANSWER_GAP_MS = 500
/** Interfaces, each family counted: containers bring dozens. */
const MAX_SOCKETS = 16
/** Addresses told, and believed, in one answer: it must fit into one packet. */
const MAX_TOLD = 8
/** RFC 6763, 6.1 */
const MAX_TEXT = 255
const TTL_SECONDS = 120
const FIELD = 'dnsaddr='

export interface LanInit {
  readonly clock: Clock
  readonly self: NodeId
  /** name of the service: only those who have it hear each other */
  readonly tag: string
  /** where this node can be dialled directly */
  addresses(): Multiaddr[]
  onFound(peer: NodeId, addresses: string[]): void
  log(message: string, error?: unknown): void
}

interface Way {
  readonly name: string
  readonly family: 4 | 6
  readonly address: string
}

export class Lan {
  readonly #init: LanInit
  readonly #sockets = new Map<string, multicastDns.MulticastDNS>()
  readonly #failed = new Set<string>()
  #cancelLook: () => void = () => {}
  #cancelAsk: () => void = () => {}

  constructor(init: LanInit) {
    this.#init = init
  }

  start(): void {
    this.#look()
    this.#ask()
  }

  async stop(): Promise<void> {
    this.#cancelLook()
    this.#cancelAsk()
    const open = [...this.#sockets.values()]
    this.#sockets.clear()
    await Promise.all(open.map((socket) => new Promise<void>((resolve) => socket.destroy(resolve))))
  }

  #look(): void {
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => this.#look())
    const ways = new Map(waysOut().map((way) => [`${way.name} ${way.address}`, way]))
    for (const [key, socket] of this.#sockets) {
      if (ways.has(key)) continue
      this.#sockets.delete(key)
      socket.destroy()
    }
    for (const [key, way] of ways) if (!this.#sockets.has(key)) this.#open(key, way)
  }

  #open(key: string, way: Way): void {
    const socket = multicastDns(
      way.family === 4
        ? { type: 'udp4', ip: '224.0.0.251', interface: way.address, bind: '0.0.0.0' }
        : { type: 'udp6', ip: 'ff02::fb', interface: `::%${way.name}`, bind: '::' },
    )
    this.#sockets.set(key, socket)
    let answeredAt = Number.NEGATIVE_INFINITY
    const onProblem = (error: Error) => {
      // no multicast here (a container, a VPN) is no reason not to start, and is said once
      if (!this.#failed.has(way.name)) this.#init.log(`no multicast DNS over ${way.name}`, error)
      this.#failed.add(way.name)
    }
    socket.on('error', onProblem)
    socket.on('warning', () => {})
    socket.on('ready', () => this.#query(socket))
    socket.on('query', ({ questions = [] }) => {
      const now = this.#init.clock.now()
      if (!questions.some(({ name }) => name === this.#init.tag) || Math.abs(now - answeredAt) < ANSWER_GAP_MS) return
      answeredAt = now
      this.#answer(socket, way)
    })
    socket.on('response', ({ answers = [], additionals = [] }, { address }) => {
      const records = [...answers, ...additionals]
      if (!records.some((each) => each.type === 'PTR' && each.name === this.#init.tag)) return
      const texts = records.flatMap((each) => (each.type === 'TXT' ? [each.data].flat().map(String) : []))
      this.#heard(texts, address)
    })
  }

  #ask(): void {
    this.#cancelAsk = this.#init.clock.after(MDNS_INTERVAL_MS, () => this.#ask())
    for (const socket of this.#sockets.values()) this.#query(socket)
  }

  #query(socket: multicastDns.MulticastDNS): void {
    socket.query({ questions: [{ name: this.#init.tag, type: 'PTR' }] }, () => {})
  }

  #answer(socket: multicastDns.MulticastDNS, way: Way): void {
    const { self, tag } = this.#init
    const told = this.#toldOver(way)
      .map((address) => `${FIELD}${address}/p2p/${self}`)
      .filter(({ length }) => length <= MAX_TEXT)
      .slice(0, MAX_TOLD)
    if (told.length === 0) return
    // a name of its own, which says nothing: the PeerId stands in the addresses
    const name = `${self.slice(-16).toLowerCase()}.${tag}`
    const texts = told.map((data) => ({ name, type: 'TXT' as const, ttl: TTL_SECONDS, data }))
    socket.respond([{ name: tag, type: 'PTR', ttl: TTL_SECONDS, data: name }, ...texts], () => {})
  }

  /** Over link-local IPv6 the address of this very interface, which nobody else can know. */
  #toldOver({ family, address: ip }: Way): string[] {
    const own = this.#init.addresses().filter((address) => !isRelayed(address))
    const [here, elsewhere] = [own.filter(isLoopback), own.filter((address) => !isLoopback(address))]
    const texts = elsewhere.map((address) => withoutPeer(address.toString()))
    if (family === 4) {
      const first = texts.filter((text) => text.startsWith(`/ip4/${ip}/`))
      const all = texts.length === 0 ? here.map((address) => withoutPeer(address.toString())) : texts
      return [...new Set([...first, ...all])]
    }
    const local = own
      .map((address) => withoutPeer(address.toString()))
      .filter((text) => text.startsWith('/ip6/') && text.includes('/tcp/'))
      .map((text) => text.replace(/^\/ip6\/[^/]+/, `/ip6/${ip}`))
    return [...new Set([...local, ...texts])]
  }

  #heard(texts: readonly string[], from: string): void {
    const zone = from.split('%')[1]
    const found = new Map<NodeId, string[]>()
    for (const text of texts.slice(0, 2 * MAX_TOLD)) {
      if (!text.startsWith(FIELD) || text.length > MAX_TEXT) continue
      try {
        const address = multiaddr(text.slice(FIELD.length))
        const peer = peersIn(address).at(-1)
        if (peer === undefined || !isNodeId(peer) || peer === this.#init.self || isRelayed(address)) continue
        const plain = withZone(withoutPeer(address.toString()), zone)
        if (plain !== null) found.set(peer, [...(found.get(peer) ?? []), plain])
      } catch {
        // anybody on the LAN may say anything
      }
    }
    for (const [peer, addresses] of found) this.#init.onFound(peer, addresses.slice(0, MAX_TOLD))
  }
}

/** A link-local address means something only together with the interface on which it was heard. */
function withZone(address: string, zone: string | undefined): string | null {
  if (!/^\/ip6\/fe[89ab]/i.test(address)) return address
  return zone === undefined ? null : `/ip6zone/${zone}${address}`
}

/** One for each interface and family; loopback when there is nothing else. */
function waysOut(): Way[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, each]) =>
    (each ?? []).map((one) => ({ ...one, name, version: one.family === 'IPv4' ? (4 as const) : (6 as const) })),
  )
  const outside = all.filter(({ internal }) => !internal)
  const usable = (outside.length > 0 ? outside : all).filter(
    ({ version, address }) => version === 4 || /^fe[89ab]/i.test(address),
  )
  const first = new Map(usable.toReversed().map((each) => [`${each.name} ${each.version}`, each]))
  return [...first.values()]
    .toReversed()
    .slice(0, MAX_SOCKETS)
    .map(({ name, version, address }) => ({ name, family: version, address }))
}
