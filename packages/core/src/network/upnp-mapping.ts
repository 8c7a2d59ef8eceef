/**
 * Has the router of a home or an office lead a port here (UPnP), TCP and UDP at one number: when it is asked, when again,
 * and when it is told to stop. Owns the mapping, from `AddPortMapping` to `DeletePortMapping`. Why, and what a hostile
 * neighbour could do: docs/decisions/0048-upnp.md, docs/specs/upnp.md.
 */
import { isIPv4 } from 'node:net'
import { isPublic } from '@malote/punch'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import { RouterRefusedError } from './errors.ts'
import type { Protocol } from './upnp-messages.ts'
import { Router } from './upnp-router.ts'
import { findRouters, type SearchWay, searchWays } from './upnp-search.ts'
import type { UpnpState, UpnpView } from './upnp-types.ts'

/** How often it is looked whether something has changed that matters here, milliseconds. */
const LOOK_MS = 5_000
/** A mapping is made anew so often (ms): a sixth of its life, and a router that was switched off has forgotten it. */
const RENEW_MS = 10 * 60_000
/** After a failure, and until members have said where they see this node; doubles up to the last (ms). */
const FIRST_PAUSE_MS = 60_000
const LAST_PAUSE_MS = 60 * 60_000
/** For taking a mapping back when the node stops (ms): it ends by itself, too. */
const WITHDRAW_MS = 2_000
/** What members say is waited for so long (ms). */
const SEEN_MS = 8_000
/** Numbers that are tried, beside our own, where that is taken. */
const OTHER_PORTS = 4
const FIRST_OTHER = 20_000
const OTHERS = 40_000

export interface Listening {
  readonly ip: string
  readonly port: number
  readonly protocol: Protocol
}

/** Of both protocols the same number outside. */
export interface MappedPort extends Listening {
  readonly externalIp: string
  readonly externalPort: number
}

export interface PortMapperInit {
  readonly clock: Clock
  readonly random: Random
  readonly isOn: boolean
  /** in a network, and not disconnected */
  isWanted(): boolean
  /** where this node listens, each interface by itself */
  listening(): readonly Listening[]
  /** a person has given an address under which this node is reached */
  readonly announces: boolean
  /** public addresses at which members see this node; empty where none could be asked */
  seenAt(signal: AbortSignal): Promise<readonly string[]>
  onMapped(port: MappedPort): void
  onUnmapped(port: MappedPort): void
  /** @default the private networks of this machine */
  ways?: () => readonly SearchWay[]
  log(message: string, error?: unknown): void
}

interface Mapping {
  readonly router: Router
  readonly ports: readonly MappedPort[]
  /** members see this node at the address that the router names */
  readonly isSeen: boolean
}

type Outcome = { readonly mapping: Mapping } | { readonly state: UpnpState; readonly detail: string | null }

export class PortMapper {
  readonly #init: PortMapperInit
  readonly #stopped = new AbortController()
  #view: UpnpView
  #mapping: Mapping | undefined
  /** under which circumstances was last tried */
  #key: string | undefined
  #isDue = false
  #failures = 0
  #running: Promise<void> | undefined
  #cancelLook: () => void = () => {}
  #cancelDue: () => void = () => {}

  constructor(init: PortMapperInit) {
    this.#init = init
    this.#view = { state: init.isOn ? 'waiting' : 'off', address: null, detail: null }
  }

  start(): void {
    if (this.#init.isOn) this.#look()
  }

  view(): UpnpView {
    return this.#view
  }

  /** Looks now whether there is something to do. */
  look(): void {
    if (!this.#init.isOn || this.#stopped.signal.aborted) return
    const { idle, wanted } = this.#plan()
    const key = idle ?? JSON.stringify(wanted)
    if (this.#running !== undefined || (key === this.#key && !this.#isDue)) return
    if (key !== this.#key) this.#failures = 0
    const isSame = key === this.#key
    this.#key = key
    this.#isDue = false
    this.#cancelDue()
    this.#running = this.#run(idle, wanted, isSame)
      .catch((error: unknown) => {
        if (this.#stopped.signal.aborted) return
        this.#init.log('a router could not be asked for a port', error)
        this.#again(this.#pause(LAST_PAUSE_MS))
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Does all anew: this machine has moved or slept, and who knows what routers know of it. */
  again(): void {
    this.#isDue = true
    this.look()
  }

  /** Takes the mapping back. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#cancelLook()
    this.#cancelDue()
    await this.#running
    await this.#withdraw()
  }

  #look(): void {
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => this.#look())
    this.look()
  }

  #plan(): { idle: UpnpState | null; wanted: readonly Listening[] } {
    const listening = this.#init.listening().filter(({ ip }) => isIPv4(ip))
    const near = new Set(this.#ways().map(({ address }) => address))
    const wanted = listening.filter(({ ip }) => near.has(ip))
    const hasPublic = listening.some(({ ip }) => isPublicIp(ip))
    const isNeeded = !this.#init.announces && !hasPublic && wanted.length > 0
    const idle = !this.#init.isWanted() ? 'waiting' : isNeeded ? null : 'not-needed'
    return { idle, wanted }
  }

  async #run(idle: UpnpState | null, wanted: readonly Listening[], isSame: boolean): Promise<void> {
    const { signal } = this.#stopped
    if (idle !== null) this.#show(idle, null)
    else if (!isSame) this.#show('looking', null)
    if (idle !== null || !isSame) await this.#withdraw()
    if (idle !== null) return
    const before = this.#mapping
    const renewed = before === undefined ? undefined : await this.#establish(before.router, wanted, before)
    const outcome = renewed !== undefined && 'mapping' in renewed ? renewed : await this.#search(wanted)
    signal.throwIfAborted()
    if ('mapping' in outcome) this.#take(outcome.mapping)
    else {
      await this.#withdraw()
      if (outcome.state !== this.#view.state || outcome.detail !== this.#view.detail)
        this.#init.log(
          `no port mapped by UPnP: ${outcome.state}${outcome.detail === null ? '' : ` (${outcome.detail})`}`,
        )
      this.#show(outcome.state, outcome.detail)
      this.#again(this.#pause(LAST_PAUSE_MS))
    }
  }

  #take(mapping: Mapping): void {
    const [port] = mapping.ports
    if (port === undefined) return
    if (!isEqual(this.#mapping?.ports, mapping.ports)) {
      for (const each of this.#mapping?.ports ?? []) this.#init.onUnmapped(each)
      for (const each of mapping.ports) this.#init.onMapped(each)
      this.#init.log(`the router leads ${port.externalIp}:${port.externalPort} here`)
    }
    this.#mapping = mapping
    if (mapping.isSeen) this.#failures = 0
    this.#view = { state: 'mapped', address: `${port.externalIp}:${port.externalPort}`, detail: null }
    this.#again(mapping.isSeen ? RENEW_MS : this.#pause(RENEW_MS))
  }

  async #search(wanted: readonly Listening[]): Promise<Outcome> {
    const { clock } = this.#init
    const { signal } = this.#stopped
    const locations = await findRouters(this.#ways(), clock, signal)
    let worst: Outcome = { state: 'no-router', detail: null }
    for (const location of locations) {
      try {
        const router = await Router.open(location, clock, signal)
        const outcome = await this.#establish(router, wanted, undefined)
        if ('mapping' in outcome) return outcome
        worst = outcome
      } catch (error) {
        signal.throwIfAborted()
        worst = failed(error)
      }
    }
    return worst
  }

  /** @param before what this router leads here already */
  async #establish(router: Router, wanted: readonly Listening[], before: Mapping | undefined): Promise<Outcome> {
    const { signal } = this.#stopped
    try {
      const externalIp = await router.externalAddress(signal)
      if (!isPublicIp(externalIp)) return { state: 'no-public-address', detail: externalIp.slice(0, 40) }
      const seen = await this.#seenAt()
      // a second translation further out, or a neighbour who plays the router and points at somebody else
      if (seen.length > 0 && !seen.includes(externalIp))
        return { state: 'no-public-address', detail: `${externalIp}, and members see ${seen.join(', ')}` }
      const here = wanted.filter(({ ip }) => ip === router.client)
      const [first] = here
      if (first === undefined) return { state: 'failed', detail: 'this node does not listen where the router is' }
      const own = before?.ports[0]?.externalPort ?? first.port
      for (const externalPort of [own, ...this.#otherPorts()]) {
        const ports = here.map((each) => ({ ...each, externalIp, externalPort }))
        if (await this.#mapAll(router, ports)) return { mapping: { router, ports, isSeen: seen.length > 0 } }
      }
      return { state: 'refused', detail: 'others have every port that was tried' }
    } catch (error) {
      signal.throwIfAborted()
      return failed(error)
    }
  }

  /** All of them, or none. */
  async #mapAll(router: Router, ports: readonly MappedPort[]): Promise<boolean> {
    const { signal } = this.#stopped
    const made: MappedPort[] = []
    try {
      for (const port of ports) {
        const { protocol, externalPort } = port
        const isOurs =
          (await router.isFree(protocol, externalPort, signal)) &&
          (await router.map(protocol, externalPort, port.port, signal))
        if (!isOurs) {
          await unmapAll(router, made, signal)
          return false
        }
        made.push(port)
      }
      return true
    } catch (error) {
      // also when we are stopping: what was made must go
      await unmapAll(router, made, AbortSignal.timeout(WITHDRAW_MS)).catch(() => undefined)
      throw error
    }
  }

  async #withdraw(): Promise<void> {
    const mapping = this.#mapping
    if (mapping === undefined) return
    this.#mapping = undefined
    for (const port of mapping.ports) this.#init.onUnmapped(port)
    await unmapAll(mapping.router, mapping.ports, AbortSignal.timeout(WITHDRAW_MS)).catch((error: unknown) =>
      this.#init.log('the router could not be told to forget our port', error),
    )
  }

  async #seenAt(): Promise<readonly string[]> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(SEEN_MS)])
    return await this.#init.seenAt(signal).catch(() => [])
  }

  #ways(): readonly SearchWay[] {
    return (this.#init.ways ?? searchWays)()
  }

  #otherPorts(): number[] {
    return Array.from({ length: OTHER_PORTS }, () => FIRST_OTHER + this.#init.random.below(OTHERS))
  }

  #show(state: UpnpState, detail: string | null): void {
    this.#view = { state, address: null, detail }
  }

  #pause(last: number): number {
    this.#failures += 1
    return Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), last)
  }

  #again(ms: number): void {
    this.#cancelDue()
    this.#cancelDue = this.#init.clock.after(ms, () => this.again())
  }
}

async function unmapAll(router: Router, ports: readonly MappedPort[], signal: AbortSignal): Promise<void> {
  for (const { protocol, externalPort } of ports) await router.unmap(protocol, externalPort, signal)
}

function isPublicIp(ip: string): boolean {
  return isIPv4(ip) && isPublic({ family: 4, ip, port: 1 })
}

function failed(error: unknown): Outcome {
  const detail = error instanceof Error ? error.message : String(error)
  return { state: error instanceof RouterRefusedError ? 'refused' : 'failed', detail }
}

function isEqual(some: readonly MappedPort[] | undefined, others: readonly MappedPort[]): boolean {
  return JSON.stringify(some) === JSON.stringify(others)
}
