/**
 * Finds routers that map ports, by SSDP: one small packet to the LAN, repeated once, and who answers. Nobody is listened to
 * who was not asked, and nothing is bound to the port of SSDP.
 */
import { createSocket, type Socket } from 'node:dgram'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Clock, sleep } from '../clock.ts'
import { isPrivateIp } from './addresses.ts'
import { locationOf, SEARCH_GROUP, searchMessage } from './upnp-messages.ts'

/** In which routers are asked to answer, seconds. */
const ANSWER_SECONDS = 1
/** UDP may lose one: asked again after (ms). */
const AGAIN_MS = 600
/** The end (ms). */
const SEARCH_MS = 2_500
/** After the first answer, for others in the same house (ms). */
const LINGER_MS = 100
/** Interfaces that are asked over: containers bring dozens. */
const MAX_WAYS = 8
/** Packets that are looked at, and routers that are tried, of one search. */
const MAX_PACKETS = 64
const MAX_ROUTERS = 4
/** Routers, not beyond: nobody's office has more between a machine and its way out. */
const HOPS = 2

export interface SearchWay {
  /** own address there */
  readonly address: string
  /** whose answers count: those in the same network */
  readonly near: BlockList
  /** who is asked @default the multicast group of SSDP */
  readonly to?: { readonly host: string; readonly port: number }
}

/** The private IPv4 networks that this machine is in. */
export function searchWays(): SearchWay[] {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return own
    .filter(({ family, internal, address }) => family === 'IPv4' && !internal && isPrivateIp(address))
    .slice(0, MAX_WAYS)
    .map(({ address, cidr }) => {
      const near = new BlockList()
      near.addSubnet(address, Number(cidr?.split('/')[1] ?? 32), 'ipv4')
      return { address, near }
    })
}

/** @returns where their descriptions are; those of routers that answered first come first */
export async function findRouters(ways: readonly SearchWay[], clock: Clock, signal: AbortSignal): Promise<URL[]> {
  const found = new Map<string, URL>()
  const { promise: first, resolve: isAnswered } = Promise.withResolvers<void>()
  let packets = 0
  const sockets: { readonly socket: Socket; readonly way: SearchWay }[] = []
  try {
    for (const way of ways) {
      const socket = createSocket('udp4')
      sockets.push({ socket, way })
      socket.on('error', () => undefined)
      socket.on('message', (packet, { address }) => {
        packets += 1
        if (packets > MAX_PACKETS || found.size >= MAX_ROUTERS || !way.near.check(address, 'ipv4')) return
        const location = locationOf(packet, address)
        if (location !== null && !found.has(location.href)) found.set(location.href, location)
        if (found.size > 0) isAnswered()
      })
    }
    const ready = await Promise.all(sockets.map(({ socket, way }) => bound(socket, way)))
    const asked = sockets.filter((_, at) => ready[at])
    const ask = () => {
      for (const { socket, way } of asked) {
        const { host, port } = way.to ?? SEARCH_GROUP
        socket.send(searchMessage(ANSWER_SECONDS), port, host, () => undefined)
      }
    }
    if (asked.length === 0) return []
    for (const ms of [AGAIN_MS, SEARCH_MS - AGAIN_MS]) {
      ask()
      await untilEither(first, clock, ms, signal)
      if (found.size > 0) break
    }
    if (found.size > 0) await sleep(clock, LINGER_MS, signal)
    return [...found.values()]
  } finally {
    for (const { socket } of sockets) socket.close()
  }
}

async function untilEither(done: Promise<void>, clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const ended = new AbortController()
  const waiting = sleep(clock, ms, AbortSignal.any([signal, ended.signal]))
  try {
    await Promise.race([done, waiting])
  } finally {
    ended.abort()
    waiting.catch(() => undefined)
  }
}

function bound(socket: Socket, { address, to }: SearchWay): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind(0, address, () => {
      try {
        if (to === undefined) {
          socket.setMulticastInterface(address)
          socket.setMulticastTTL(HOPS)
        }
        resolve(true)
      } catch {
        resolve(false)
      }
    })
  })
}
