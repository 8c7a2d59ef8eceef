/** A router for tests, on loopback: SSDP, description, and control as UPnP has it, or as a hostile neighbour would. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, BlockList } from 'node:net'
import type { SearchWay } from '../upnp-search.ts'

const HERE = '127.0.0.1'
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'

interface Entry {
  readonly client: string
  readonly port: number
  readonly lease: number
}

/** What it refuses, by action, protocol and external port: a number of UPnP's. */
export type Refuses = (action: string, protocol: string, port: number, lease: number) => number | null

export class FakeRouter {
  externalIp = '8.7.6.5'
  /** `PROTOCOL port` -> */
  readonly entries = new Map<string, Entry>()
  /** every action, in order */
  readonly calls: string[] = []
  searches = 0
  /** whoever connected to it, of whatever it was asked */
  requests = 0
  refuses: Refuses = () => null
  /** in place of the answer to a search; null: the ordinary one */
  answer: string | null = null
  /** in place of the description */
  describe: ((request: IncomingMessage, response: ServerResponse) => void) | null = null
  /** in place of the control */
  control: ((request: IncomingMessage, response: ServerResponse) => void) | null = null
  controlUrl = '/control'
  readonly #http: Server
  readonly #udp: Socket = createSocket('udp4')

  private constructor() {
    this.#http = createServer((request, response) => void this.#serve(request, response))
    this.#udp.on('message', (message, { address, port }) => {
      this.searches += 1
      if (!message.toString().startsWith('M-SEARCH * HTTP/1.1\r\n')) return
      this.#udp.send(this.answer ?? searchAnswer(this.location), port, address)
    })
  }

  static async start(): Promise<FakeRouter> {
    const router = new FakeRouter()
    router.#http.listen(0, HERE)
    router.#udp.bind(0, HERE)
    await Promise.all([once(router.#http, 'listening'), once(router.#udp, 'listening')])
    return router
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port
  }

  get location(): string {
    return `http://${HERE}:${this.port}/root.xml`
  }

  /** In place of the private networks of this machine. */
  get ways(): SearchWay[] {
    const near = new BlockList()
    near.addSubnet('127.0.0.0', 8, 'ipv4')
    return [{ address: HERE, near, to: { host: HERE, port: this.#udp.address().port } }]
  }

  async stop(): Promise<void> {
    this.#udp.close()
    this.#http.closeAllConnections()
    this.#http.close()
    await once(this.#http, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1
    response.on('error', () => undefined)
    if (request.method === 'GET') {
      if (this.describe !== null) this.describe(request, response)
      else response.end(description(this.controlUrl))
      return
    }
    if (this.control !== null) return this.control(request, response)
    let body = ''
    for await (const part of request) body += part
    const action = /#(\w+)"/.exec(String(request.headers.soapaction))?.[1] ?? ''
    const { status, text } = this.#act(action, (name) => new RegExp(`<${name}>([^<]*)</`).exec(body)?.[1] ?? '')
    response.writeHead(status, { 'Content-Type': 'text/xml' })
    response.end(text)
  }

  #act(action: string, value: (name: string) => string): { status: number; text: string } {
    const [protocol, port] = [value('NewProtocol'), Number(value('NewExternalPort'))]
    const lease = Number(value('NewLeaseDuration'))
    this.calls.push([action, protocol, port || ''].join(' ').trim())
    const key = `${protocol} ${port}`
    const entry = this.entries.get(key)
    const refused = this.refuses(action, protocol, port, lease)
    if (refused !== null) return fault(refused)
    switch (action) {
      case 'GetExternalIPAddress':
        return done(action, { NewExternalIPAddress: this.externalIp })
      case 'GetSpecificPortMappingEntry':
        return entry === undefined ? fault(714) : done(action, { NewInternalClient: entry.client })
      case 'AddPortMapping': {
        const client = value('NewInternalClient')
        if (entry !== undefined && entry.client !== client) return fault(718)
        this.entries.set(key, { client, port: Number(value('NewInternalPort')), lease })
        return done(action, {})
      }
      case 'DeletePortMapping':
        return this.entries.delete(key) ? done(action, {}) : fault(714)
      default:
        return fault(401)
    }
  }
}

export function searchAnswer(location: string): string {
  return ['HTTP/1.1 200 OK', `ST: ${DEVICE}`, 'EXT:', `Location: ${location}`, 'USN: uuid:1', '', ''].join('\r\n')
}

/** As deep as real ones have it. */
export function description(controlUrl: string): string {
  const service = `<service><serviceType>${SERVICE}</serviceType><controlURL>${controlUrl}</controlURL></service>`
  const device = (type: string, inner: string) =>
    `<device><deviceType>urn:schemas-upnp-org:device:${type}:1</deviceType>${inner}</device>`
  const connection = device('WANConnectionDevice', `<serviceList>${service}</serviceList>`)
  const wan = device('WANDevice', `<deviceList>${connection}</deviceList>`)
  const root = device('InternetGatewayDevice', `<deviceList>${wan}</deviceList>`)
  return `<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0">${root}</root>`
}

function envelope(body: string): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`
}

function done(action: string, values: Readonly<Record<string, string>>): { status: number; text: string } {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  return {
    status: 200,
    text: envelope(`<u:${action}Response xmlns:u="${SERVICE}">${fields.join('')}</u:${action}Response>`),
  }
}

function fault(number: number): { status: number; text: string } {
  const detail = `<detail><UPnPError><errorCode>${number}</errorCode></UPnPError></detail>`
  return { status: 500, text: envelope(`<s:Fault><faultcode>s:Client</faultcode>${detail}</s:Fault>`) }
}
