/**
 * What a router does, found out from both sides of it, without anything of ours that is to be tested:
 *
 *     probe.ts serve <address> [other address]    answers at two ports of both, until it is ended
 *     probe.ts ask <address> <other address>      prints what it has found, as JSON
 *     probe.ts try <address> <port>               prints what comes back over UDP and TCP, as JSON
 *     probe.ts twice <address> <ms>               prints how it is seen over UDP, and again that much later
 *
 * UDP questions and the lines that are sent over TCP are `<what> <number>`; `what` says from where the answer shall come.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket as TcpSocket } from 'node:net'

/** What has been found out about a router, from inside. */
export interface Found {
  /** address under which the outside has seen us: ours, or another */
  readonly translated: boolean
  readonly udp: Behaviour
  readonly tcp: Behaviour
  /** what a stranger hears at a port of the router that nobody has ever used */
  readonly stranger: { readonly udp: Answer; readonly tcp: Answer }
}

export interface Behaviour {
  /** one port outside for all whom we write to, or one for each */
  readonly mapping: 'one' | 'each'
  /** from where something comes in at the port that we have used: from anybody, other ports of whom we wrote to, only there */
  readonly open: 'all' | 'address' | 'exact'
}

export type Answer = 'open' | 'refused' | 'silence'

const PORTS = [3478, 3479] as const
const FRESH_PORT = 40_404
/** What has not come by then, on a machine that does something else too, does not come. */
const SILENCE_MS = 700
const TRIES = 3

type Whence = 'same' | 'port' | 'address'

let questions = 0
let nextPort = 20_000

if (import.meta.main) {
  const [mode, address = '', other = ''] = process.argv.slice(2)
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  if (mode === 'serve') await serve(address, other)
  else if (mode === 'ask') say(JSON.stringify(await ask(address, other)))
  else if (mode === 'try') say(JSON.stringify(await tryOut(address, Number(other))))
  else {
    const socket = await udpSocket()
    say(`${await question(socket, address, PORTS[0], 'same')}`)
    await after(Number(other))
    say(`${await question(socket, address, PORTS[0], 'same')}`)
  }
  if (mode !== 'serve') process.exit(0)
}

async function serve(address: string, other: string): Promise<void> {
  const sockets = new Map<string, Socket>()
  const key = (ip: string, port: number) => `${ip} ${port}`
  for (const ip of [address, other].filter((each) => each !== ''))
    for (const port of PORTS) {
      const socket = createSocket('udp4')
      sockets.set(key(ip, port), socket)
      socket.bind(port, ip)
      await once(socket, 'listening')
      socket.on('message', (message, from) => {
        const [whence = 'same', number = ''] = String(message).split(' ')
        const [answerIp, answerPort] = origin(whence as Whence, ip, port)
        const answer = `${number} ${from.address} ${from.port}`
        if (whence === 'fresh')
          void knock(from.address).then((found) =>
            socket.send(`${number} ${found.udp} ${found.tcp}`, from.port, from.address),
          )
        else sockets.get(key(answerIp, answerPort))?.send(answer, from.port, from.address)
      })
      const server = createServer((connection) => {
        connection.on('error', () => connection.destroy())
        const { remoteAddress = '', remotePort = 0 } = connection
        connection.write(`${remoteAddress} ${remotePort}\n`)
        connection.on('data', (data) => {
          const [answerIp, answerPort] = origin(String(data).trim() as Whence, ip, port)
          // from a port where nothing listens: the two that are known are taken
          connectTo(remoteAddress, remotePort, answerIp, answerPort + 1000).then((answer) =>
            connection.write(`${answer}\n`),
          )
        })
      }).listen(port, ip)
      await once(server, 'listening')
    }
  process.stdout.write('ready\n')

  function origin(whence: Whence, ip: string, port: number): [string, number] {
    const otherIp = ip === address ? other : address
    const otherPort = port === PORTS[0] ? PORTS[1] : PORTS[0]
    return whence === 'address' ? [otherIp, otherPort] : whence === 'port' ? [ip, otherPort] : [ip, port]
  }
}

/** As a stranger does, at a port of that address that nobody has used. */
async function knock(ip: string): Promise<{ udp: Answer; tcp: Answer }> {
  const socket = createSocket('udp4')
  // only a connected one is told of ICMP
  socket.connect(FRESH_PORT, ip)
  await once(socket, 'connect')
  const refused = once(socket, 'error').then(() => 'refused' as const)
  refused.catch(() => undefined)
  socket.send('knock')
  const udp = await Promise.race([refused, after(SILENCE_MS).then(() => 'silence' as const)])
  socket.removeAllListeners('error')
  socket.on('error', () => undefined)
  socket.close()
  return { udp, tcp: await connectTo(ip, FRESH_PORT) }
}

async function tryOut(address: string, port: number): Promise<{ udp: 'answer' | 'silence'; tcp: Answer }> {
  const socket = await udpSocket()
  const [answer, tcp] = await Promise.all([question(socket, address, port, 'same'), connectTo(address, port)])
  return { udp: answer === null ? 'silence' : 'answer', tcp }
}

function connectTo(host: string, port: number, localAddress?: string, localPort?: number): Promise<Answer> {
  return new Promise((resolve) => {
    const local = localAddress === undefined || localPort === undefined ? {} : { localAddress, localPort }
    const socket = connect({ host, port, ...local })
    const end = (answer: Answer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end('silence'), SILENCE_MS)
    socket.once('connect', () => end('open'))
    socket.once('error', ({ message }) => end(message.includes('ECONNREFUSED') ? 'refused' : 'silence'))
  })
}

async function ask(address: string, other: string): Promise<Found> {
  const [udp, tcp, stranger] = await Promise.all([askUdp(address, other), askTcp(address, other), askStranger(address)])
  return { translated: udp.translated, udp: udp.behaviour, tcp, stranger }
}

async function askUdp(address: string, other: string): Promise<{ translated: boolean; behaviour: Behaviour }> {
  const everybody = await udpSocket()
  const seen = [
    await question(everybody, address, PORTS[0], 'same'),
    await question(everybody, address, PORTS[1], 'same'),
    await question(everybody, other, PORTS[0], 'same'),
  ]
  const own = localAddressOf()
  // has written to one address and port only
  const one = await udpSocket()
  await question(one, address, PORTS[0], 'same')
  const open =
    (await question(one, address, PORTS[0], 'address')) !== null
      ? 'all'
      : (await question(one, address, PORTS[0], 'port')) !== null
        ? 'address'
        : 'exact'
  if (seen.includes(null)) throw new Error('no answer over UDP')
  everybody.close()
  one.close()
  return {
    translated: seen[0]?.split(' ')[0] !== (await own),
    behaviour: { mapping: new Set(seen).size === 1 ? 'one' : 'each', open },
  }

  async function localAddressOf(): Promise<string> {
    const socket = createSocket('udp4')
    socket.connect(PORTS[0], address)
    await once(socket, 'connect')
    const { address: ip } = socket.address()
    socket.close()
    return ip
  }
}

async function askTcp(address: string, other: string): Promise<Behaviour> {
  const first = await tcpLine(address, PORTS[0])
  const { localPort } = first.socket
  const second = await tcpLine(address, PORTS[1], localPort)
  const third = await tcpLine(other, PORTS[0], localPort)
  for (const { socket } of [first, second, third]) socket.destroy()
  // another port, from which one address and port is written to; who listens there after that is open to whom?
  const one = await tcpLine(address, PORTS[0])
  const server = createServer((socket) => socket.destroy()).listen({ port: one.socket.localPort, host: '0.0.0.0' })
  await once(server, 'listening')
  const isOpenFrom = async (whence: Whence) => {
    one.socket.write(`${whence}\n`)
    const [answer] = (await once(one.socket, 'data')) as [Buffer]
    return String(answer).trim() === 'open'
  }
  const open = (await isOpenFrom('address')) ? 'all' : (await isOpenFrom('port')) ? 'address' : 'exact'
  one.socket.destroy()
  server.close()
  return { mapping: new Set([first.line, second.line, third.line]).size === 1 ? 'one' : 'each', open }
}

async function tcpLine(host: string, port: number, localPort?: number): Promise<{ socket: TcpSocket; line: string }> {
  // libuv lets several sockets have a port that was asked for, but none that the system has chosen
  const own = localPort ?? nextPort++
  const socket = connect({ host, port, localPort: own })
  const [line] = (await once(socket, 'data')) as [Buffer]
  socket.on('error', () => undefined)
  return { socket, line: String(line).trim() }
}

/** The server tells what it has heard at a port that this side has never used. */
async function askStranger(address: string): Promise<{ udp: Answer; tcp: Answer }> {
  const socket = await udpSocket()
  const answer = await question(socket, address, PORTS[0], 'fresh', 3 * SILENCE_MS)
  socket.close()
  const [udp, tcp] = (answer ?? 'silence silence').split(' ') as [Answer, Answer]
  return { udp, tcp }
}

async function udpSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0)
  await once(socket, 'listening')
  return socket
}

/** @returns the answer without its number; null when there was none */
async function question(
  socket: Socket,
  ip: string,
  port: number,
  what: Whence | 'fresh',
  waitMs = SILENCE_MS / TRIES,
): Promise<string | null> {
  const number = String(questions++)
  const answered = Promise.withResolvers<string>()
  const onMessage = (message: Buffer) => {
    const [which, ...rest] = String(message).split(' ')
    if (which === number) answered.resolve(rest.join(' '))
  }
  socket.on('message', onMessage)
  try {
    for (let tried = 0; tried < (what === 'fresh' ? 1 : TRIES); tried++) {
      socket.send(`${what} ${number}`, port, ip)
      const answer = await Promise.race([answered.promise, after(waitMs).then(() => null)])
      if (answer !== null) return answer
    }
    return null
  } finally {
    socket.off('message', onMessage)
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
