/** What is said to a router and what is understood of its answers (UPnP IGD:1 and IGD:2). Pure. Spec: docs/specs/upnp.md */
import { isIPv4 } from 'node:net'
import { RouterAnswerError } from './errors.ts'
import { childText, elementsNamed, escapeXml, parseXml } from './upnp-xml.ts'

/** Where routers listen for searches. */
export const SEARCH_GROUP = { host: '239.255.255.250', port: 1900 } as const
/** Largest answer to a search that is looked at, bytes. */
const MAX_PACKET = 2_048
/** Longest address of a description or of its control. */
const MAX_URL = 512

/** A router of version 2 answers for version 1, too; that of a modem for PPP has another service. */
const SOUGHT = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const SERVICES = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'].map(
  (name) => `urn:schemas-upnp-org:service:${name}`,
)

export type Protocol = 'tcp' | 'udp'

export interface RouterService {
  readonly type: string
  readonly control: URL
}

/** `seconds`: routers answer at a time of their choice before that many have passed. */
export function searchMessage(seconds: number): Buffer {
  const { host, port } = SEARCH_GROUP
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${host}:${port}`,
    'MAN: "ssdp:discover"',
    `MX: ${seconds}`,
    `ST: ${SOUGHT}`,
  ]
  return Buffer.from([...lines, '', ''].join('\r\n'))
}

/**
 * Where the description of the router is that has answered.
 * @param from that sent the answer: nobody speaks for another machine
 * @returns null when it is none, or not one that we would ask
 */
export function locationOf(packet: Uint8Array, from: string): URL | null {
  if (packet.length > MAX_PACKET) return null
  const [first = '', ...lines] = Buffer.from(packet).toString('latin1').split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200\b/.test(first)) return null
  const field = (name: string) =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim() ?? ''
  if (!/:InternetGatewayDevice:[12]$/.test(field('st'))) return null
  return urlAt(field('location'), undefined, from)
}

/** The services by which ports are mapped, the best first. @throws {RouterAnswerError} when there is none */
export function servicesOf(description: string, location: URL): RouterService[] {
  const root = parseXml(description)
  const base = childText(root, 'URLBase') || undefined
  const found = elementsNamed(root, 'service').flatMap((service) => {
    const type = childText(service, 'serviceType')
    const control = urlAt(childText(service, 'controlURL'), base ?? location.href, location.hostname)
    return SERVICES.includes(type) && control !== null ? [{ type, control }] : []
  })
  if (found.length === 0) throw new RouterAnswerError('no service that maps ports')
  return found.sort((a, b) => SERVICES.indexOf(a.type) - SERVICES.indexOf(b.type))
}

export function callMessage(
  service: string,
  action: string,
  values: Readonly<Record<string, string | number>>,
): string {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
  const body = `<u:${action} xmlns:u="${service}">${fields.join('')}</u:${action}>`
  const styles = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
  const envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ${styles}>`
  return `<?xml version="1.0"?>\r\n${envelope}<s:Body>${body}</s:Body></s:Envelope>\r\n`
}

/** What the router has answered to `action`, by name. @throws {RouterAnswerError} */
export function answerOf(text: string, action: string): ReadonlyMap<string, string> {
  const [answer] = elementsNamed(parseXml(text), `${action}Response`)
  if (answer === undefined) throw new RouterAnswerError(`no answer to ${action}`)
  return new Map(answer.children.map((child) => [child.name, child.text]))
}

/** The number of the refusal; null where it gives none. */
export function refusalOf(text: string): number | null {
  try {
    const [error] = elementsNamed(parseXml(text), 'errorCode')
    return error !== undefined && /^\d{1,5}$/.test(error.text) ? Number(error.text) : null
  } catch {
    return null
  }
}

/** Plain HTTP at the router itself, and nowhere else: whoever answers must not send us to others. */
function urlAt(text: string, base: string | undefined, host: string): URL | null {
  if (text === '' || text.length > MAX_URL) return null
  const url = URL.parse(text, base)
  if (url === null || url.protocol !== 'http:' || url.hostname !== host || !isIPv4(host)) return null
  return url.username === '' && url.password === '' ? url : null
}
