/** Which transports this node has, and where it listens for them. */

import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { DEFAULT_PORT, parseAddresses } from './addresses.ts'
import { ListenError } from './errors.ts'
import { loadQuic, type QuicNative } from './quic-native.ts'

export const TRANSPORTS = ['tcp', 'udp'] as const
/** How nodes speak to each other: TCP, or QUIC over UDP. */
export type TransportName = (typeof TRANSPORTS)[number]

/** `off`: not wanted; `unavailable`: wanted, but there is no QUIC for this machine. */
export type UdpState = 'on' | 'off' | 'unavailable'

export interface ChosenTransports {
  readonly tcp: boolean
  readonly udp: UdpState
  readonly quic: QuicNative | null
}

export function chooseTransports(wanted: readonly TransportName[] = TRANSPORTS): ChosenTransports {
  const quic = wanted.includes('udp') ? loadQuic() : null
  const udp = !wanted.includes('udp') ? 'off' : quic === null ? 'unavailable' : 'on'
  return { tcp: wanted.includes('tcp'), udp, quic }
}

/**
 * What a person has announced, as multiaddrs: of an address without a transport only what this node has, and without a
 * port at the one where it listens. @throws {AddressInvalidError}
 */
export function announcedAt(
  texts: readonly string[] | undefined,
  listen: readonly string[],
  { tcp, udp }: Pick<ChosenTransports, 'tcp' | 'udp'>,
): string[] {
  const ports = listen.map((each) => Number(/\/(?:tcp|udp)\/(\d+)/.exec(each)?.[1] ?? 0))
  const own = ports.find((port) => port > 0) ?? DEFAULT_PORT
  return (texts ?? []).flatMap((text) => {
    const all = parseAddresses(text, own)
    return all.length === 1 ? all : all.filter((each) => (each.includes('/quic-v1') ? udp === 'on' : tcp))
  })
}

/** Ports that are tried where any will do: others may take one between our looking and our listening. */
const TRIES = 8

/**
 * Listens at one number for all transports, on every interface; 0 is one that is free for all of them.
 * @throws {ListenError}
 */
export async function atPort<T>(
  port: number,
  wanted: readonly TransportName[] | undefined,
  start: (listen: string[]) => Promise<T>,
): Promise<T> {
  const { tcp, udp } = chooseTransports(wanted)
  const listen = (number: number) =>
    ['/ip4/0.0.0.0', '/ip6/::'].flatMap((host) => [
      ...(tcp ? [`${host}/tcp/${number}`] : []),
      ...(udp === 'on' ? [`${host}/udp/${number}/quic-v1`] : []),
    ])
  if (port !== 0) return await start(listen(port))
  for (let left = TRIES; ; left--) {
    try {
      return await start(listen(await freePort()))
    } catch (error) {
      if (!(error instanceof ListenError) || left <= 1) throw error
    }
  }
}

/** Free for TCP and UDP, and IPv6 where there is any. */
async function freePort(): Promise<number> {
  for (let left = TRIES; ; left--) {
    const server = createServer()
    try {
      const port = await new Promise<number>((resolve, reject) => {
        server.once('error', reject)
        // on all addresses of both families, where there are both
        server.listen(0, () => {
          const own = server.address()
          resolve(own === null || typeof own === 'string' ? 0 : own.port)
        })
      })
      if (await isFreeForUdp(port)) return port
      if (left <= 1) throw new ListenError(['any port'], undefined)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(port, () => resolve(true))
    })
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve())).catch(() => undefined)
  }
}
