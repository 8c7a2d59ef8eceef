/** A node in memory: just enough behind the facade to see what the server makes of it. */
import { createHash, randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import type { Readable } from 'node:stream'
import {
  type ContentReader,
  type ErrorCode,
  type EventMap,
  type EventName,
  type FileView,
  type InviteView,
  MaloteError,
  type MaloteNode,
  type NodeEvent,
  type NodeView,
  type StatusView,
  type TransferView,
} from '@malote/core'
import { createServer, type ServerInit } from './server.ts'

const NOW = '2026-01-02T03:04:05.000Z'
const SELF = { id: '12D3KooWSelfSelfSelfSelf', branch: 'Recife' }
const OTHER = { id: '12D3KooWOtherOtherOther', branch: 'Olinda' }

interface Reading {
  piece: number
  gate: () => Promise<void>
  /** sees each piece that a reader gets */
  given: (piece: Uint8Array) => void
}

export interface FakeNode extends MaloteNode {
  /** what was called, newest last */
  readonly calls: { verb: string; args: unknown[] }[]
  /** pending uploads that were neither published nor aborted */
  readonly pending: Set<string>
  readonly aborted: string[]
  readonly stopped: boolean
  /** The next call of this verb rejects with it. */
  failNext(verb: string, error: Error): void
  addFile(name: string, content: Uint8Array, patch?: Partial<FileView>): FileView
  emit<K extends EventName>(type: K, data: EventMap[K]): void
  /** Content is read in pieces of so many bytes, each after `gate` has resolved. */
  setReading(options: Partial<Reading>): void
  /** bytes handed out by content readers so far */
  readonly bytesRead: number
  /** resolves when the verb is called next */
  called(verb: string): Promise<void>
}

class FakeError extends MaloteError {
  override name = 'FakeError'
  constructor(code: ErrorCode, message: string = code, details: Record<string, unknown> = {}) {
    super(code, message, { advice: 'Do otherwise.', details })
  }
}

export function fakeError(code: ErrorCode, details: Record<string, unknown> = {}): MaloteError {
  return new FakeError(code, `because of ${code}`, details)
}

export function createFakeNode(): FakeNode {
  const calls: FakeNode['calls'] = []
  const failures = new Map<string, Error>()
  const waiting = new Map<string, (() => void)[]>()
  const files = new Map<string, { view: FileView; content: Uint8Array }>()
  const pending = new Set<string>()
  const aborted: string[] = []
  const events: NodeEvent[] = []
  const wakers = new Set<() => void>()
  let reading: Reading = { piece: 1000, gate: async () => undefined, given: () => undefined }
  let bytesRead = 0
  let stopped = false
  let connected = true
  let limits: { up: number | null; down: number | null } = { up: null, down: null }
  const transfers = new Map<string, TransferView>()
  const self: NodeView = {
    ...SELF,
    role: 'admin',
    connected: true,
    lastSeen: NOW,
    path: null,
    pathKind: null,
    rttMs: null,
    bytesPerSecond: null,
    paths: [],
    self: true,
    state: 'member',
    addresses: [],
    marks: [],
  }
  const path = { kind: 'lan', rttMs: 3.5, bytesPerSecond: 12_000_000 } as const
  const other: NodeView = {
    ...self,
    ...OTHER,
    role: 'member',
    self: false,
    path: 'tcp',
    pathKind: path.kind,
    rttMs: path.rttMs,
    bytesPerSecond: path.bytesPerSecond,
    paths: [{ ...path, address: '/ip4/192.168.1.7/tcp/4373', ageSeconds: 60 }],
  }
  const nodes = [self, other]
  const invite: InviteView = {
    id: 'ab12cd34',
    branch: 'Natal',
    role: 'member',
    expires: NOW,
    state: 'open',
    replaces: null,
    usedBy: null,
  }
  const transfer: TransferView = {
    id: 't1',
    kind: 'fetch',
    fileId: 'f',
    name: null,
    state: 'running',
    bytes: 1,
    total: 2,
    bytesPerSecond: 0.5,
    etaSeconds: null,
    sources: [{ ...OTHER, bytes: 1, path: 'lan' }],
    startedAt: NOW,
    finishedAt: null,
    error: null,
  }
  transfers.set(transfer.id, transfer)

  function enter(verb: string, ...args: unknown[]): void {
    calls.push({ verb, args })
    for (const resolve of waiting.get(verb) ?? []) resolve()
    waiting.delete(verb)
    const failure = failures.get(verb)
    if (failure !== undefined) {
      failures.delete(verb)
      throw failure
    }
  }
  /** A verb that enters, then answers. */
  const does =
    <A extends unknown[], R>(verb: string, answer: (...args: A) => R) =>
    (...args: A): R => {
      enter(verb, ...args)
      return answer(...args)
    }
  const doesLater =
    <A extends unknown[], R>(verb: string, answer: (...args: A) => R | Promise<R>) =>
    async (...args: A): Promise<R> => {
      enter(verb, ...args)
      return answer(...args)
    }

  function find(ref: string): { view: FileView; content: Uint8Array } {
    for (const file of files.values()) if (file.view.id === ref || file.view.name === ref) return file
    throw new FakeError('not-found', `no such file: ${ref}`)
  }
  function change(ref: string, patch: Partial<FileView>): FileView {
    const file = find(ref)
    file.view = { ...file.view, ...patch }
    return file.view
  }
  function findNode(ref: string): NodeView {
    const node = nodes.find(({ id, branch }) => id === ref || branch === ref)
    if (node === undefined) throw new FakeError('not-found', `no such node: ${ref}`)
    return node
  }
  function addFile(name: string, content: Uint8Array, patch: Partial<FileView> = {}): FileView {
    const view: FileView = {
      id: randomBytes(16).toString('hex'),
      name,
      size: content.length,
      type: 'image/png',
      version: 1,
      owner: SELF,
      createdAt: NOW,
      updatedAt: NOW,
      campaign: null,
      tags: [],
      audience: 'everyone',
      denied: [],
      copies: { held: 1, target: 3 },
      local: 'complete',
      state: 'live',
      handoff: null,
      disputed: false,
      hasPreview: false,
      ...patch,
    }
    files.set(view.id, { view, content })
    return view
  }
  async function take(content: Readable | AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    for await (const piece of content) {
      signal?.throwIfAborted()
      pieces.push(piece as Uint8Array)
    }
    return Buffer.concat(pieces)
  }
  function begin() {
    const id = randomBytes(4).toString('hex')
    pending.add(id)
    let bytes: Buffer = Buffer.alloc(0)
    return {
      id,
      content: () => bytes,
      async write(content: Readable | AsyncIterable<Uint8Array>, options?: { signal?: AbortSignal }) {
        enter('write')
        bytes = await take(content, options?.signal)
        return { size: bytes.length }
      },
      async abort() {
        enter('abort')
        pending.delete(id)
        aborted.push(id)
      },
    }
  }
  const status = (): StatusView => ({
    id: SELF.id,
    branch: SELF.branch,
    role: 'admin',
    network: { id: '00ff', name: 'agency' },
    connected,
    members: { total: 2, connected: 2 },
    paths: [{ kind: 'lan', count: 1, rttMs: 3.5, bytesPerSecond: 12_000_000 }],
    files: { total: files.size, bytes: 0, atRisk: 0, short: [] },
    ledger: { entries: 1, state: 'ab', inSyncWith: 1, held: 0, waiting: 0, diverged: 0, catchingUp: null },
    reachability: { tcp: 'yes', udp: 'no', relay: 'no', nat: 'none' },
    upnp: { state: 'not-needed', address: null, detail: null },
    disk: { used: 1, free: 2, capacity: null },
    addresses: [],
    version: '0.1.0',
    rules: { active: 1, known: 1 },
    uptimeSeconds: 1.5,
    warnings: [{ code: 'one-admin', message: 'one admin', advice: null }],
  })
  const verification = { ok: true, entries: 1, state: 'ab', recomputed: 'ab', problems: [], advice: null }
  const entry = {
    arrival: 1,
    id: 'e1',
    kind: 'found',
    author: { id: SELF.id, branch: null },
    feed: 'f/1',
    seq: 0,
    time: NOW,
    subject: null,
    refused: null,
  }

  return {
    id: SELF.id,
    addresses: [],
    calls,
    pending,
    aborted,
    get stopped() {
      return stopped
    },
    get bytesRead() {
      return bytesRead
    },
    failNext: (verb, error) => void failures.set(verb, error),
    addFile,
    setReading(options) {
      reading = { ...reading, ...options }
    },
    called: (verb) =>
      new Promise((resolve) => {
        waiting.set(verb, [...(waiting.get(verb) ?? []), resolve])
      }),
    emit(type, data) {
      events.push({ id: events.length + 1, time: NOW, type, data } as NodeEvent)
      for (const wake of wakers) wake()
    },
    network: {
      init: doesLater('init', () => ({ status: status(), recoveryKey: 'malote-recovery-key' })),
      register: doesLater('register', status),
      unregister: doesLater('unregister', () => ({ done: Promise.resolve() })),
      connect: doesLater('connect', () => {
        connected = true
        return status()
      }),
      disconnect: doesLater('disconnect', () => {
        connected = false
        return status()
      }),
      upgrade: doesLater('upgrade', status),
      recover: doesLater('recover', status),
    },
    members: {
      list: does('members.list', () => nodes),
      get: does('members.get', findNode),
      setRole: doesLater('setRole', (ref: string, role) => ({ ...findNode(ref), role })),
      quarantine: doesLater('quarantine', (ref: string) => ({ ...findNode(ref), state: 'quarantined' })),
      release: doesLater('release', findNode),
      expel: doesLater('expel', (ref: string) => ({ node: findNode(ref), waitsFor: 'a second admin' })),
      invite: doesLater('invite', (request) => ({
        invite: 'eyJ.x.y',
        view: { ...invite, branch: (request as { branch: string }).branch },
      })),
      invites: does('invites', () => [invite]),
      revokeInvite: doesLater('revokeInvite', () => undefined),
    },
    files: {
      list: does('files.list', () => ({ items: [...files.values()].map(({ view }) => view), next: null })),
      get: does('files.get', (ref: string) => find(ref).view),
      seenBy: does('files.seenBy', (ref: string) => {
        const { audience, denied } = find(ref).view
        const refused = nodes.filter(({ id }) => denied.includes(id))
        const readers = nodes.filter(({ id }) => !denied.includes(id))
        const names = (of: NodeView[]) => of.map(({ branch }) => branch).join(', ')
        const text =
          audience === 'only'
            ? `only ${names(readers)}`
            : refused.length === 0
              ? 'everyone'
              : `everyone except ${names(refused)}`
        const named = (of: NodeView[]) => of.map(({ id, branch }) => ({ id, branch }))
        const hadAccess = named(refused).map((each) => ({ ...each, until: NOW }))
        return { text, readers: named(readers), denied: named(refused), hadAccess, knownSince: null }
      }),
      export: doesLater('files.export', (_ref: string, folder: string) => folder),
      versions: does('versions', (ref: string) => {
        const { name, size, version, copies, local } = find(ref).view
        return [{ version, size, name, createdAt: NOW, author: SELF, current: true, conflict: false, local, copies }]
      }),
      beginUpload: doesLater('beginUpload', () => {
        const upload = begin()
        return {
          write: upload.write,
          abort: upload.abort,
          publish: doesLater('publish', (details) => {
            pending.delete(upload.id)
            const { name, type, campaign, tags } = details
            return addFile(name, upload.content(), {
              ...(type === undefined ? {} : { type }),
              campaign: campaign ?? null,
              tags: tags ?? [],
              denied: details.denied ?? [],
            })
          }),
        }
      }),
      beginUpdate: doesLater('beginUpdate', (ref: string) => {
        const file = find(ref)
        const update = begin()
        return {
          write: update.write,
          abort: update.abort,
          publish: doesLater('publishUpdate', (details) => {
            pending.delete(update.id)
            file.content = update.content()
            return change(file.view.id, {
              size: file.content.length,
              version: file.view.version + 1,
              ...(details?.name === undefined ? {} : { name: details.name }),
            })
          }),
        }
      }),
      upload: () => Promise.reject(new FakeError('internal')),
      update: () => Promise.reject(new FakeError('internal')),
      content: doesLater('content', (ref: string): ContentReader => {
        const { view, content } = find(ref)
        return {
          name: view.name,
          type: view.type,
          size: content.length,
          version: view.version,
          etag: createHash('sha256').update(content).digest('hex').slice(0, 16),
          async *read(range = { start: 0, end: content.length }, options = {}) {
            enter('read', range)
            for (let at = range.start; at < range.end; at += reading.piece) {
              await reading.gate()
              options.signal?.throwIfAborted()
              // the reader's own, with which it may do as it likes
              const piece = new Uint8Array(content.subarray(at, Math.min(range.end, at + reading.piece)))
              bytesRead += piece.length
              reading.given(piece)
              yield piece
            }
          },
        }
      }),
      preview: doesLater('preview', (ref: string) =>
        find(ref).view.hasPreview ? { type: 'image/webp', bytes: Uint8Array.of(1, 2, 3) } : null,
      ),
      fetch: doesLater('fetch', (ref: string) => ({ ...transfer, fileId: find(ref).view.id })),
      waitFor: doesLater(
        'waitFor',
        (ref: string, _level, options) =>
          new Promise<FileView>((resolve, reject) => {
            const { view } = find(ref)
            if (view.copies.held >= view.copies.target) resolve(view)
            options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
          }),
      ),
      remove: doesLater('remove', (ref: string) => void change(ref, { state: 'deleted' })),
      restore: doesLater('restore', (ref: string) => change(ref, { state: 'live' })),
      blacklist: does('blacklist', () =>
        [...files.values()].flatMap(({ view }) => view.denied.map((node) => ({ fileId: view.id, node }))),
      ),
      deny: doesLater('deny', (ref: string, refs: string[]) =>
        change(ref, { denied: refs.map((node) => findNode(node).id), audience: 'except' }),
      ),
      allow: doesLater('allow', (ref: string) => change(ref, { denied: [], audience: 'everyone' })),
      setBlacklist: doesLater('setBlacklist', (ref: string, refs: string[]) =>
        change(ref, { denied: refs.map((node) => findNode(node).id) }),
      ),
      handoffs: does('handoffs', () => ({ incoming: [], outgoing: [...files.values()].map(({ view }) => view) })),
      offer: doesLater('offer', (ref: string, to: string) => {
        const { id, branch } = findNode(to)
        return change(ref, { handoff: { to: { id, branch }, since: NOW } })
      }),
      cancelOffer: doesLater('cancelOffer', (ref: string) => change(ref, { handoff: null })),
      acceptOffer: doesLater('acceptOffer', (ref: string) => change(ref, { owner: SELF })),
      declineOffer: doesLater('declineOffer', () => undefined),
      adopt: doesLater('adopt', (ref: string) => change(ref, { owner: SELF })),
      assign: doesLater('assign', (ref: string) => find(ref).view),
    },
    transfers: {
      list: does('transfers.list', () => [...transfers.values()]),
      get: does('transfers.get', (id: string) => {
        const found = transfers.get(id)
        if (found === undefined) throw new FakeError('not-found', 'no such transfer')
        return found
      }),
      pause: doesLater('pause', () => ({ ...transfer, state: 'paused' as const })),
      resume: doesLater('resume', () => transfer),
      first: doesLater('first', () => transfer),
      cancel: doesLater('cancel', () => ({ ...transfer, state: 'cancelled' as const, finishedAt: NOW })),
      limits: does('limits', () => limits),
      setLimits: doesLater('setLimits', (patch) => {
        limits = { ...limits, ...patch }
        return limits
      }),
    },
    ledger: {
      entries: does('entries', () => ({ items: [entry], next: 1 })),
      digest: does('digest', () => ({
        heads: [{ author: SELF.id, feed: 'f/1', seq: 0, id: 'e1' }],
        entries: 1,
        state: 'ab',
      })),
      verify: doesLater('verify', () => verification),
      repair: doesLater('repair', () => verification),
    },
    events: {
      on: () => () => undefined,
      since(lastId, { signal }) {
        enter('since', lastId)
        let next = lastId ?? events.length
        return (async function* () {
          while (!signal.aborted) {
            const event = events[next]
            if (event !== undefined) {
              next += 1
              yield event
              continue
            }
            await new Promise<void>((resolve) => {
              const wake = () => {
                wakers.delete(wake)
                signal.removeEventListener('abort', wake)
                resolve()
              }
              wakers.add(wake)
              signal.addEventListener('abort', wake)
            })
          }
        })()
      },
    },
    status: does('status', status),
    doctor: doesLater('doctor', () => [{ name: 'clock', state: 'ok' as const, message: 'fine', advice: null }]),
    metrics: () => '# TYPE malote_up gauge\nmalote_up 1\n',
    async stop() {
      stopped = true
    },
  }
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  json: unknown
}

export interface TestServer {
  url: string
  port: number
  token: string
  node: FakeNode
  faults: unknown[]
  /** with the token unless `headers` says otherwise (`authorization: ''` leaves it out) */
  ask(
    method: string,
    path: string,
    options?: { body?: unknown; raw?: string | Buffer; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Answer>
  close(): Promise<void>
}

export async function startTestServer(init: Partial<ServerInit> = {}): Promise<TestServer> {
  const node = createFakeNode()
  const token = randomBytes(32).toString('base64url')
  const faults: unknown[] = []
  const server = await createServer({ node, token, port: 0, onFault: (error) => faults.push(error), ...init })
  const { port } = new URL(server.url)
  return {
    url: server.url,
    port: Number(port),
    token,
    node,
    faults,
    close: () => server.close(),
    ask(method, path, { body, raw, headers = {}, signal } = {}) {
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
      const all: Record<string, string> = { authorization: `Bearer ${token}`, ...headers }
      if (body !== undefined) all['content-type'] ??= 'application/json'
      if (payload !== undefined) all['content-length'] = String(Buffer.byteLength(payload))
      if (all.authorization === '') delete all.authorization
      return new Promise((resolve, reject) => {
        // node:http rather than fetch: a test must be able to lie about Host and Origin
        const call = request(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            headers: all,
            agent: false,
            ...(signal === undefined ? {} : { signal }),
          },
          (response) => {
            const pieces: Buffer[] = []
            response.on('data', (piece: Buffer) => pieces.push(piece))
            response.on('error', reject)
            response.on('end', () => {
              const bytes = Buffer.concat(pieces)
              const isJson = /json/.test(response.headers['content-type'] ?? '')
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body: bytes,
                json: isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined,
              })
            })
          },
        )
        call.on('error', reject)
        call.end(payload)
      })
    },
  }
}

/** A multipart body: strings are fields, `{filename?, type?, bytes}` is a file. */
export function multipartBody(
  parts: readonly [name: string, value: string | { filename?: string; type?: string; bytes: Uint8Array | string }][],
  { boundary = 'B0undary', close = true } = {},
): { body: Buffer; headers: Record<string, string> } {
  const pieces: Buffer[] = []
  for (const [name, value] of parts) {
    const file = typeof value === 'string' ? null : value
    pieces.push(
      Buffer.from(
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"` +
          (file?.filename === undefined ? '' : `; filename="${file.filename}"`) +
          (file?.type === undefined ? '' : `\r\ncontent-type: ${file.type}`) +
          '\r\n\r\n',
      ),
      Buffer.from(file === null ? (value as string) : file.bytes),
      Buffer.from('\r\n'),
    )
  }
  if (close) pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return {
    body: Buffer.concat(pieces),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}
