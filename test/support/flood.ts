/**
 * Opens sockets at a port without ever finishing a handshake, as many a second as it is told, until it is ended. Run as a
 * program of its own, so that it competes for nothing with the test but the machine: `node flood.ts <port> <from> <rate> <udp port>`.
 * To the UDP port it sends as many datagrams that look like the first one of a QUIC connection, each of another.
 * Prints how many it has opened, once a second. From another address of loopback than the members have.
 */
import { randomFillSync } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'

const [port = '', localAddress = '', rate = '', udpPort = ''] = process.argv.slice(2)
/** open at a time, the oldest goes: more than the other side can want to keep */
const KEPT = 4_000
const TICK_MS = 20
/** What begins a libp2p connection: the name of the protocol that chooses the others. */
const GREETING = Buffer.from('\x13/multistream/1.0.0\n')

/** RFC 9000, 17.2.2: an Initial packet of version 1 in the least size that is looked at; what is in it cannot be opened. */
const INITIAL_BYTES = 1_200
const CONNECTION_ID_BYTES = 8

const udp = createSocket('udp4')
udp.bind(0, localAddress)
function sendInitial(): void {
  const packet = randomFillSync(Buffer.alloc(INITIAL_BYTES))
  packet.set([0xc3, 0, 0, 0, 1, CONNECTION_ID_BYTES])
  packet.set([0, 0, 0x44, 0x9e], 6 + CONNECTION_ID_BYTES)
  udp.send(packet, Number(udpPort), '127.0.0.1')
}

const open: Socket[] = []
let opened = 0
let due = 0
setInterval(() => {
  due += (Number(rate) * TICK_MS) / 1000
  for (; due >= 1; due--) {
    opened += 1
    sendInitial()
    const speaks = opened % 2 === 0
    const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    socket.on('connect', () => speaks && socket.write(GREETING))
    socket.resume()
    open.push(socket)
  }
  while (open.length > KEPT) open.shift()?.destroy()
}, TICK_MS)
setInterval(() => process.stdout.write(`${opened}\n`), 1000)
