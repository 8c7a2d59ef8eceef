/** One router that maps ports: what it is asked for, and what is believed of it. */
import type { Clock } from '../clock.ts'
import { withDeadline } from './deadline.ts'
import { RouterAnswerError, RouterRefusedError } from './errors.ts'
import { askRouter } from './upnp-http.ts'
import { answerOf, callMessage, type Protocol, type RouterService, refusalOf, servicesOf } from './upnp-messages.ts'

/** Waiting for one answer of a router, milliseconds: slow ones take two seconds. */
const ANSWER_MS = 5_000
/** What a mapping is called in the router's list. */
const NAME = 'Malote'
/** How long a mapping stands that is not renewed, seconds. */
export const LEASE_SECONDS = 3_600

/** NoSuchEntryInArray; ConflictInMappingEntry; OnlyPermanentLeasesSupported. */
const NO_ENTRY = 714
const CONFLICT = 718
const PERMANENT_ONLY = 725

export class Router {
  /** address of this machine in the LAN of the router */
  readonly client: string
  readonly #service: RouterService
  readonly #clock: Clock

  private constructor(client: string, service: RouterService, clock: Clock) {
    this.client = client
    this.#service = service
    this.#clock = clock
  }

  /** @throws {RouterAnswerError} when it has no service that maps ports */
  static async open(location: URL, clock: Clock, signal: AbortSignal): Promise<Router> {
    const { status, text, client } = await withDeadline(
      clock,
      `the description at ${location.host}`,
      { signal, timeoutMs: ANSWER_MS },
      (within) => askRouter(location, within),
    )
    if (status !== 200) throw new RouterAnswerError(`HTTP ${status} in place of a description`)
    const [service] = servicesOf(text, location)
    if (service === undefined) throw new RouterAnswerError('no service that maps ports')
    return new Router(client, service, clock)
  }

  /** As the router sees itself from outside: whatever text it gives. */
  async externalAddress(signal: AbortSignal): Promise<string> {
    return (await this.#call('GetExternalIPAddress', {}, signal)).get('NewExternalIPAddress') ?? ''
  }

  /** True unless another machine has that port already. */
  async isFree(protocol: Protocol, port: number, signal: AbortSignal): Promise<boolean> {
    try {
      const entry = await this.#call('GetSpecificPortMappingEntry', entryOf(protocol, port), signal)
      return entry.get('NewInternalClient') === this.client
    } catch (error) {
      // some say "no such entry" in numbers of their own; one that refuses the question may still refuse the port
      if (error instanceof RouterRefusedError) return true
      throw error
    }
  }

  /** @returns false when the port is taken @throws {RouterRefusedError} */
  async map(protocol: Protocol, port: number, internalPort: number, signal: AbortSignal): Promise<boolean> {
    const add = (seconds: number) =>
      this.#call(
        'AddPortMapping',
        {
          ...entryOf(protocol, port),
          NewInternalPort: internalPort,
          NewInternalClient: this.client,
          NewEnabled: 1,
          NewPortMappingDescription: NAME,
          NewLeaseDuration: seconds,
        },
        signal,
      )
    try {
      await add(LEASE_SECONDS).catch((error: unknown) => {
        if (error instanceof RouterRefusedError && error.number === PERMANENT_ONLY) return add(0)
        throw error
      })
      return true
    } catch (error) {
      if (error instanceof RouterRefusedError && error.number === CONFLICT) return false
      throw error
    }
  }

  /** One that is gone already is no failure. */
  async unmap(protocol: Protocol, port: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#call('DeletePortMapping', entryOf(protocol, port), signal)
    } catch (error) {
      if (!(error instanceof RouterRefusedError) || error.number !== NO_ENTRY) throw error
    }
  }

  async #call(
    action: string,
    values: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const { type, control } = this.#service
    const call = { action: `${type}#${action}`, body: callMessage(type, action, values) }
    const { status, text } = await withDeadline(
      this.#clock,
      `${action} at ${control.host}`,
      { signal, timeoutMs: ANSWER_MS },
      (within) => askRouter(control, within, call),
    )
    if (status === 200) return answerOf(text, action)
    const number = refusalOf(text)
    if (number === null) throw new RouterAnswerError(`HTTP ${status} to ${action}`)
    throw new RouterRefusedError(action, number)
  }
}

function entryOf(protocol: Protocol, port: number): Record<string, string | number> {
  return { NewRemoteHost: '', NewExternalPort: port, NewProtocol: protocol.toUpperCase() }
}
