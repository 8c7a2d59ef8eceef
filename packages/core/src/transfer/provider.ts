/**
 * The serving side of `transfer`: any verified chunk of any version that is here, to whom `mayFetch` allows it.
 *
 * Who owns what: a `Client` is one stream; its requests wait in its queue; `turns` says who is served next; `reading`
 * bounds the bytes that are in memory for all clients together. A chunk is read while the one before it is written.
 */
import type { Clock } from '../clock.ts'
import { DecodeError, release as freeBytes } from '../codec/index.ts'
import { type ContentStore, MAX_CHUNKS, type SealedFile } from '../content/index.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import { idFrom, type NodeId, type Root } from '../ids.ts'
import type { FrameStream, Host } from '../network/index.ts'
import type { TokenBucket } from './limits.ts'
import {
  type ControlReply,
  challengeAnswer,
  chunkHeader,
  decodeRequest,
  encodeControl,
  MAX_PIPELINE,
  MAX_REQUEST_BYTES,
  pageHeader,
} from './protocol.ts'
import { createNews, type Informed } from './provider-news.ts'
import { SLOWEST_PER_MS } from './source-rate.ts'
import { awaitGot, noteGot, type Receiver } from './upload-got.ts'
import { UploadHands } from './upload-hands.ts'
import { type Queue, type Request, Turns, takeRequest } from './upload-queue.ts'

/** Bytes read and not yet handed to the network, all clients together. */
const DEFAULT_READING_BYTES = 32 * 1024 * 1024
/** Chunks in hand for one client: one being written, one being read; and for all clients of one peer. */
const PER_CLIENT = 2
const PER_PEER = 4
/** So many chunks fill a link: while as many leave for the first time, none leaves again. */
const FILLING = 2
/** Only on a path on which a chunk is gone so soon (ms) it pays to have the next one in hand: what waits can still be changed. */
const QUICK_MS = 50
/** Manifest pages that one client may have unanswered. */
const MAX_PAGES = 4
/** Streams of one peer: its fetches and replications, and challenges beside them. */
const MAX_STREAMS_PER_PEER = 16
/** A client that asks for nothing for so long is let go (ms). */
const IDLE_MS = 10 * 60_000
/** A client must have asked for a version within this (ms). */
const OPEN_MS = 10_000
/** A client that does not take one frame within this is let go (ms). */
const WRITE_MS = 180_000
/** While others wait for memory, one chunk may be on its way to a client for so long (ms, more for large chunks). */
const HOG_MS = 30_000
/** Sign of life to clients that wait for their turn (ms); far below the time after which they look elsewhere. */
const BUSY_MS = 3_000
/** A permission is asked again when it is older than this (ms); `recheck` asks at once. */
const PERMISSION_MS = 5_000

/** May this peer be served this version? Asked before the first byte, and again while it is served. */
export type MayFetch = (peer: NodeId, root: Root, proof: Uint8Array | undefined) => boolean | Promise<boolean>

export interface ProviderInit {
  readonly store: ContentStore
  readonly host: Pick<Host, 'handle'>
  readonly clock: Clock
  readonly mayFetch: MayFetch
  readonly up: TokenBucket
  /** @default 32 MiB */
  readonly readingBytes?: number
  /** A chunk whose bytes are no longer what was verified; the store has cleared it. */
  readonly onDamaged?: (root: Root, index: number) => void
}

export interface Provider {
  /** A version that is on its way here, so that others may already be told what arrives. */
  offer(file: SealedFile): void
  withdraw(root: Root): void
  /** A chunk has become visible. */
  arrived(root: Root, index: number): void
  /** Asks `mayFetch` again, for one version or for all, and lets go whom it refuses. */
  recheck(root?: Root): Promise<void>
  readonly sentBytes: number
  readonly clients: number
  /** a client for whom a person waits is being served, or waits for it */
  readonly isUrgent: boolean
  stop(): void
}

interface Client extends Queue, Informed, Receiver {
  readonly peer: NodeId
  readonly stream: FrameStream
  readonly proof: Uint8Array | undefined
  serving: number
  /** taken in hand, and nothing of it was written yet */
  readonly inHand: Set<number>
  /** of these, those that are not wanted any more */
  readonly unwanted: Set<number>
  pages: number
  /** when the frame that is being written was begun */
  writingSince: number | null
  /** its refusal is on its way: let it arrive */
  refused: boolean
  sending: Promise<void>
  sentChunks: number
  /** what the last chunk took to be handed to the network (ms) */
  wroteMs: number
  lastSent: number
  allowedAt: number
}

export function createProvider(init: ProviderInit): Provider {
  const { store, clock, up } = init
  const readingLimit = init.readingBytes ?? DEFAULT_READING_BYTES
  const clients = new Set<Client>()
  const offered = new Map<Root, SealedFile>()
  const sentCounts = new Map<Root, { counts: Uint8Array; users: number }>()
  const turns = new Turns<Client>()
  const handsOfPeer = new Map<NodeId, number>()
  const hands = new UploadHands(clock.now())
  /** chunks on the way that have not left before */
  let firsts = 0
  let reading = 0
  let sentBytes = 0
  let stopped = false
  let cancelBusy: (() => void) | undefined

  const end = (client: Client, reason?: Error) => {
    if (!client.ending.signal.aborted) client.ending.abort(reason ?? new Error('transfer ended'))
  }

  /** Frames of one client leave one after the other. A failure ends the client. */
  const send = (client: Client, write: () => Promise<void>): Promise<void> => {
    client.sending = client.sending
      .then(async () => {
        if (client.ending.signal.aborted) return
        client.writingSince = clock.now()
        await write()
        client.writingSince = null
        client.lastSent = clock.now()
      })
      .catch((error: unknown) => end(client, asError(error)))
    return client.sending
  }
  const wait = (client: Client) => ({ signal: client.ending.signal, timeoutMs: WRITE_MS })
  const tell = (client: Client, reply: ControlReply) =>
    send(client, () => client.stream.write(encodeControl(reply), wait(client)))

  const news = createNews({ clock, clients, tell: (client, indexes) => void tell(client, { t: 'have', indexes }) })

  const isAllowed = async (client: Client): Promise<boolean> => {
    if (clock.now() - client.allowedAt < PERMISSION_MS) return true
    if (!(await init.mayFetch(client.peer, client.root, client.proof))) return false
    client.allowedAt = clock.now()
    return true
  }

  const refuse = async (client: Client) => {
    client.refused = true
    await tell(client, { t: 'no', code: 'refused' })
    end(client)
  }

  const serve = async (client: Client, request: Request): Promise<void> => {
    if (request.t === 'get') client.inHand.add(request.index)
    if (!(await isAllowed(client))) return refuse(client)
    let sealed: Uint8Array | undefined
    try {
      sealed = client.file.has(request.index)
        ? await client.file.read(request.index, { verify: request.t === 'challenge' })
        : undefined
    } catch {
      // missing or damaged since: the client asks somebody else, the owner of the store decides what to do
      init.onDamaged?.(client.root, request.index)
    }
    if (request.t === 'challenge') {
      const hash = sealed === undefined ? null : challengeAnswer(request.nonce, sealed)
      await tell(client, { t: 'answer', index: request.index, hash })
      return
    }
    if (sealed === undefined) {
      client.inHand.delete(request.index)
      client.unwanted.delete(request.index)
      await tell(client, { t: 'gone', indexes: [request.index] })
      return
    }
    const bytes = sealed
    const { length } = bytes // it is given away
    await up.take(length, client.urgent, client.ending.signal)
    await send(client, async () => {
      client.inHand.delete(request.index)
      if (client.unwanted.delete(request.index)) {
        freeBytes(bytes)
        client.sent[request.index] = Math.max(0, (client.sent[request.index] ?? 0) - 1)
        await client.stream.write(encodeControl({ t: 'cancelled', indexes: [request.index] }), wait(client))
        return
      }
      const began = clock.now()
      await client.stream.writeParts([chunkHeader(request.index), bytes], { ...wait(client), handsOver: true })
      sentBytes += length
      client.sentChunks += 1
      client.wroteMs = clock.now() - began
    })
  }

  const inHand = (client: Client) => handsOfPeer.get(client.peer) ?? 0
  const isFree = (client: Client) =>
    client.serving < (client.urgent || client.wroteMs < QUICK_MS ? PER_CLIENT : 1) && inHand(client) < PER_PEER

  const pump = () => {
    while (!stopped && reading < readingLimit) {
      const client = turns.next(hands.isFree(clock.now()) ? (firsts < FILLING ? 'all' : 'fresh') : 'none')
      if (client === undefined) return
      if (client.ending.signal.aborted || !isFree(client)) continue // comes back when it has a hand free
      const request = takeRequest(client)
      if (request === undefined) continue
      const bytes = client.file.chunk + SEAL_OVERHEAD
      reading += bytes
      client.serving += 1
      const isFirst = (client.sent[request.index] ?? 0) === 1
      if (!client.urgent) hands.take()
      if (isFirst) firsts += 1
      handsOfPeer.set(client.peer, inHand(client) + 1)
      if (client.requests.length > 0 && isFree(client)) turns.add(client)
      const before = client.sentChunks
      void serve(client, request)
        .catch((error: unknown) => end(client, asError(error)))
        .then(() => {
          const give = () => {
            if (isFirst) firsts -= 1
            if (!client.urgent) hands.giveBack()
          }
          const chunks = client.sentChunks > before && !client.urgent ? client.sentChunks : 0
          const onGot = () => {
            give()
            hands.sent(client.file.chunk)
            pump()
          }
          if (!awaitGot(clock, client, chunks, onGot)) give()
          reading -= bytes
          client.serving -= 1
          const left = inHand(client) - 1
          if (left > 0) handsOfPeer.set(client.peer, left)
          else handsOfPeer.delete(client.peer)
          for (const each of clients) if (each.peer === client.peer && each.requests.length > 0) turns.add(each)
          pump()
        })
    }
  }

  /** Lets go of the client that has held memory longest, when others wait for it. */
  const dropHog = (now: number) => {
    if (reading < readingLimit || turns.isEmpty) return
    let hog: Client | undefined
    for (const client of clients) {
      const limit = Math.max(HOG_MS, client.file.chunk / SLOWEST_PER_MS)
      if (client.writingSince === null || now - client.writingSince < limit) continue
      if (hog?.writingSince == null || client.writingSince < hog.writingSince) hog = client
    }
    if (hog !== undefined) end(hog, new Error('too slow while others wait'))
  }

  const answerPage = async (client: Client, page: number): Promise<void> => {
    const bytes = client.file.manifest?.pages[page]
    if (bytes === undefined) return tell(client, { t: 'no-page', page })
    await up.take(bytes.length, client.urgent, client.ending.signal)
    await send(client, () => client.stream.writeParts([pageHeader(page), bytes], wait(client)))
  }

  const cancelRequests = (client: Client, indexes: readonly number[]): Promise<void> => {
    const dropped: number[] = []
    for (const index of indexes) {
      const at = client.requests.findIndex((request) => request.t === 'get' && request.index === index)
      if (at === -1) {
        // on its way already, or about to be
        if (client.inHand.has(index)) client.unwanted.add(index)
        continue
      }
      client.requests.splice(at, 1)
      dropped.push(index)
    }
    return dropped.length === 0 ? Promise.resolve() : tell(client, { t: 'cancelled', indexes: dropped })
  }

  /** @returns null when the stream was answered and is over */
  const admit = async (stream: FrameStream): Promise<Client | null> => {
    const frame = await stream.read({ timeoutMs: OPEN_MS })
    if (frame === null) return null
    const request = decodeRequest(frame)
    if (request.t !== 'open') throw new DecodeError('a transfer begins with open')
    const root = idFrom<Root>(request.root)
    const no = async (code: 'not-here' | 'refused' | 'busy'): Promise<null> => {
      await stream.write(encodeControl({ t: 'no', code }), { timeoutMs: OPEN_MS })
      await stream.close()
      return null
    }
    if (stopped) return no('busy')
    // before anything is said about what is here
    if (!(await init.mayFetch(stream.peer, root, request.proof))) return no('refused')
    const file = offered.get(root) ?? (await store.get(root))
    if (file === null || file.count > MAX_CHUNKS) return no('not-here')
    const shared = sentCounts.get(root) ?? { counts: new Uint8Array(file.count), users: 0 }
    sentCounts.set(root, shared)
    shared.users += 1
    const told = file.complete ? null : file.bitfield()
    return {
      urgent: request.urgent,
      requests: [],
      passed: 0,
      sent: shared.counts,
      peer: stream.peer,
      stream,
      file,
      root,
      proof: request.proof,
      ending: new AbortController(),
      told,
      serving: 0,
      inHand: new Set(),
      unwanted: new Set(),
      pages: 0,
      writingSince: null,
      refused: false,
      sending: Promise.resolve(),
      sentChunks: 0,
      gotChunks: 0,
      awaited: [],
      wroteMs: Number.POSITIVE_INFINITY,
      lastSent: clock.now(),
      allowedAt: clock.now(),
    }
  }

  const release = (client: Client) => {
    clients.delete(client)
    turns.delete(client)
    client.requests.length = 0
    for (const wait of client.awaited.splice(0)) wait.end()
    const shared = sentCounts.get(client.root)
    if (shared === undefined) return
    shared.users -= 1
    if (shared.users === 0) sentCounts.delete(client.root)
  }

  const receive = (client: Client, frame: Uint8Array): void => {
    const request = decodeRequest(frame)
    switch (request.t) {
      case 'open':
        throw new DecodeError('opened twice')
      case 'manifest':
        if (client.pages >= MAX_PAGES) throw new DecodeError('too many pages at once')
        client.pages += 1
        void answerPage(client, request.page)
          .catch((error: unknown) => end(client, asError(error)))
          .then(() => {
            client.pages -= 1
          })
        return
      case 'got':
        noteGot(client, request.chunks)
        return
      case 'cancel':
        void cancelRequests(client, request.indexes)
        return
      case 'get':
        for (const index of request.indexes) enqueue(client, { t: 'get', index, passed: 0 })
        break
      case 'challenge':
        enqueue(client, { t: 'challenge', index: request.index, nonce: request.nonce, passed: 0 })
        break
    }
    turns.add(client)
    pump()
  }

  init.host.handle(
    'transfer',
    { maxFrameBytes: MAX_REQUEST_BYTES, timeoutMs: 0, maxStreamsPerPeer: MAX_STREAMS_PER_PEER, lane: true },
    async (stream) => {
      const client = await admit(stream)
      if (client === null) return
      clients.add(client)
      busySoon()
      let clean = false
      try {
        await tell(client, { t: 'ok', count: client.file.count, bits: client.told })
        while (!client.ending.signal.aborted) {
          const frame = await stream.read({ signal: client.ending.signal, timeoutMs: IDLE_MS })
          if (frame === null) {
            clean = true
            break
          }
          receive(client, frame)
        }
      } catch (error) {
        // our own ending of it is no fault of the peer's
        if (!client.ending.signal.aborted) throw error
      } finally {
        end(client)
        release(client)
        if (clean || client.refused) await stream.close()
        else stream.abort()
      }
    },
  )

  const busySoon = () => {
    if (stopped || cancelBusy !== undefined) return
    cancelBusy = clock.after(BUSY_MS, () => {
      cancelBusy = undefined
      const now = clock.now()
      for (const client of clients) {
        const owes = client.requests.length > 0 || client.serving > 0
        if (owes && client.writingSince === null && now - client.lastSent >= BUSY_MS) void tell(client, { t: 'busy' })
      }
      dropHog(now)
      pump()
      if (clients.size > 0) busySoon()
    })
  }
  // sealed, copied or resealed locally: chunks that did not come through this room
  const unsubscribe = store.onChange((root) => news.add(root, null))

  return {
    offer: (file) => void offered.set(file.root, file),
    withdraw: (root) => void offered.delete(root),
    arrived: news.add,
    async recheck(root) {
      await Promise.all(
        [...clients].map(async (client) => {
          if (root !== undefined && client.root !== root) return
          client.allowedAt = Number.NEGATIVE_INFINITY
          if (!(await isAllowed(client).catch(() => false))) await refuse(client)
        }),
      )
    },
    get sentBytes() {
      return sentBytes
    },
    get isUrgent() {
      for (const { urgent, requests, serving } of clients)
        if (urgent && (serving > 0 || requests.length > 0)) return true
      return false
    },
    get clients() {
      return clients.size
    },
    stop() {
      if (stopped) return
      stopped = true
      unsubscribe()
      news.stop()
      cancelBusy?.()
      for (const client of clients) end(client)
    },
  }
}

function enqueue(client: Client, request: Request): void {
  if (request.index >= client.file.count) throw new DecodeError('index out of range')
  if (client.requests.length + client.serving >= MAX_PIPELINE) throw new DecodeError('too many requests at once')
  client.requests.push(request)
}

function asError(error: unknown): Error | undefined {
  return error instanceof Error ? error : undefined
}
