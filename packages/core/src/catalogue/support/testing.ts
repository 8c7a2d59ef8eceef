/**
 * A few branches in one process for the tests of the key half: one set of shared rows that all see, made by a fold that
 * knows just enough, and hosts that hand frames to each other. Keys, boxes and databases are real.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../clock.ts'
import type { CborValue } from '../../codec/index.ts'
import { blake3, generateSealingKey, generateSigningKey, type SealingKey, type SigningKey } from '../../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../../database/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idFrom,
  type KeyId,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
  type Root,
  toHex,
} from '../../ids.ts'
import type { Branch, Departure, Member, MembershipState, Refusal } from '../../membership/types.ts'
import type { FrameStream, Host, StreamHandler } from '../../network/types.ts'
import { systemRandom } from '../../random.ts'
import {
  type AudienceList,
  createSharing,
  isOrdinaryKind,
  type OrdinaryBody,
  ordinaryBodies,
  type Sharing,
} from '../index.ts'
import type { SharedAudience, SharedEpoch, SharedFile, SharedVersion } from '../types.ts'

export interface TestNode {
  readonly name: string
  readonly id: NodeId
  readonly branch: BranchId
  readonly signer: SigningKey
  readonly sealing: SealingKey
  readonly folder: string
  readonly db: Database
  readonly boxes: Map<BoxHash, Uint8Array>
  readonly sharing: Sharing
  online: boolean
  /** answers of this node on the wire may be changed */
  tamper: ((frame: Uint8Array) => Uint8Array) | null
  /** requests that it was sent */
  requests: number
  /** who gave it what was none */
  readonly falsehoods: string[]
}

export interface World {
  readonly network: NetworkId
  readonly nodes: TestNode[]
  /** everything appended */
  readonly entries: { id: EntryId; kind: string; body: CborValue }[]
  readonly files: Map<FileId, SharedFile>
  readonly audiences: Map<AudienceId, SharedAudience>
  /** verdict on whatever is written */
  refusal: Refusal | null
  /** boxes that a file named before the file at hand did */
  boxOwners: Map<BoxHash, { file: FileId }>
  versions(file: FileId): readonly SharedVersion[]
  epochs(file: FileId): readonly SharedEpoch[]
  add(name: string, options?: { branch?: BranchId; online?: boolean }): Promise<TestNode>
  setState(node: TestNode, state: Member['state']): void
  /** Its `leave` stands. */
  setLeaving(node: TestNode): void
  /** Its machine is gone, and a new one without anything acts for its branch. */
  replace(node: TestNode, name: string): Promise<TestNode>
  /** As a handover, a draw or an adoption does it. */
  setOwner(file: FileId, branch: BranchId): void
  /** Takes a node off the net, or back: it then hears of what it missed. */
  setOnline(node: TestNode, online: boolean): void
  /** Shares a small file; its content is not stored. */
  upload(by: TestNode, name: string, list: AudienceList): Promise<FileId>
  close(): Promise<void>
}

export function createWorld(): World {
  const network = toHex(systemRandom.bytes(32)) as NetworkId
  const nodes: TestNode[] = []
  const members = new Map<NodeId, Member>()
  const branches = new Map<BranchId, Branch>()
  const departures = new Map<BranchId, Departure>()
  const files = new Map<FileId, SharedFile>()
  const versions = new Map<FileId, SharedVersion[]>()
  const epochs = new Map<FileId, SharedEpoch[]>()
  const audiences = new Map<AudienceId, SharedAudience>()
  const authors = new Map<EntryId, NodeId>()
  const entries: World['entries'] = []
  const handlers = new Map<NodeId, StreamHandler>()
  const peerListeners = new Map<NodeId, (event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void>()

  function membership(): MembershipState {
    const empty = new Map()
    return {
      network: null,
      members: new Map(members),
      branches: new Map(branches),
      invites: empty,
      cuts: empty,
      closed: new Set(),
      departures: new Map(departures),
      standings: empty,
      acts: empty,
      verdicts: empty,
      hasSeen: () => false,
    }
  }

  function tellAll(change: Parameters<Sharing['changed']>[0]): void {
    for (const node of nodes) if (node.online) node.sharing.changed(change)
  }

  function foldAudience(author: NodeId, entry: EntryId, body: OrdinaryBody<'audience'>): void {
    const id = idFrom<AudienceId>(body.audience)
    const list = body.list === undefined ? null : idFrom<BoxHash>(body.list)
    const key = {
      key: idFrom<KeyId>(body.key),
      proof: body.proof,
      grants: idFrom<BoxHash>(body.grants),
      list,
      author,
      entry,
    }
    const before = audiences.get(id)
    audiences.set(id, { audience: id, list: before?.list ?? list, keys: [...(before?.keys ?? []), key] })
    tellAll({ audiences: [id] })
  }

  function open(file: FileId, entry: EntryId, opens: OrdinaryBody<'share'>['opens']): SharedEpoch {
    const row: SharedEpoch = {
      file,
      epoch: opens.epoch,
      audience: idFrom<AudienceId>(opens.audience),
      key: idFrom<KeyId>(opens.key),
      wrap: opens.wrap,
      proof: opens.proof,
      older: opens.older ?? null,
      entry,
      closed: false,
    }
    const former = (epochs.get(file) ?? []).map((each) => ({ ...each, closed: true }))
    epochs.set(file, [...former, row])
    return row
  }

  function append(author: TestNode, kind: string, value: CborValue): { id: EntryId } {
    const id = toHex(systemRandom.bytes(32)) as EntryId
    authors.set(id, author.id)
    entries.push({ id, kind, body: value })
    if (kind === 'audience') {
      foldAudience(author.id, id, ordinaryBodies.audience(value))
      return { id }
    }
    if (kind === 'offer') {
      const { file, to } = value as { file: Uint8Array; to: Uint8Array }
      change(idFrom(file), id, { offer: { entry: id, to: idFrom(to), ms: Date.now() } })
      return { id }
    }
    if (isOrdinaryKind(kind)) foldFile(author, id, kind, value)
    return { id }
  }

  function change(file: FileId, head: EntryId, changes: Partial<SharedFile>): void {
    const before = files.get(file)
    if (before === undefined) throw new Error('no such file')
    files.set(file, { ...before, ...changes, head, updated: before.updated + 1 })
    tellAll({ files: [file] })
  }

  function foldFile(author: TestNode, entry: EntryId, kind: string, value: CborValue): void {
    const versionRow = (
      file: FileId,
      version: number,
      epoch: number,
      content: { root: Uint8Array; size: number; chunk: number },
    ) => {
      const shared = files.get(file)
      const row: SharedVersion = {
        file,
        version,
        root: idFrom<Root>(content.root),
        size: content.size,
        chunk: content.chunk,
        epoch,
        meta: shared?.meta ?? idFrom<BoxHash>(content.root),
        preview: shared?.preview ?? null,
        entry,
        author: author.id,
        branch: author.branch,
        ms: 0,
        conflict: false,
        formerRoots: [],
      }
      versions.set(file, [...(versions.get(file) ?? []), row])
    }
    const boxesOf = (body: { meta: Uint8Array; preview?: Uint8Array }) => ({
      meta: idFrom<BoxHash>(body.meta),
      preview: body.preview === undefined ? null : idFrom<BoxHash>(body.preview),
    })
    if (kind === 'upload') {
      const body = ordinaryBodies.upload(value)
      const file = idFrom<FileId>(body.file)
      const { audience, epoch } = open(file, entry, body.opens)
      const base = {
        file,
        state: 'live',
        owner: author.branch,
        ownership: entry,
        author: author.signer.publicKey,
        salt: body.salt,
      } as const
      const times = { created: 1_000, updated: 1_000 + files.size, deleted: null, offer: null }
      files.set(file, { ...base, ...times, ...boxesOf(body), head: entry, version: 1, epoch, audience })
      versionRow(file, 1, epoch, body.content)
      tellAll({ files: [file] })
    } else if (kind === 'share' || kind === 'update' || kind === 'describe') {
      const body = ordinaryBodies[kind](value)
      const file = idFrom<FileId>(body.file)
      const opens = 'opens' in body && body.opens !== undefined ? open(file, entry, body.opens) : undefined
      const before = files.get(file)
      const version = (before?.version ?? 0) + (kind === 'update' ? 1 : 0)
      const moved = opens === undefined ? {} : { epoch: opens.epoch, audience: opens.audience }
      if (before !== undefined) files.set(file, { ...before, ...boxesOf(body) })
      if (kind === 'update')
        versionRow(file, version, opens?.epoch ?? before?.epoch ?? 0, ordinaryBodies.update(value).content)
      change(file, entry, { ...moved, version })
    } else {
      const file = idFrom<FileId>((value as { file: Uint8Array }).file)
      const states = { trash: 'deleted', restore: 'live', purge: 'purged' } as const
      change(file, entry, { state: states[kind as keyof typeof states] })
    }
  }

  function isConnected(a: TestNode, b: TestNode): boolean {
    return a !== b && a.online && b.online
  }

  function hostFor(self: () => TestNode): Pick<Host, 'connections' | 'handle' | 'onPeer' | 'request'> {
    return {
      connections: () =>
        nodes
          .filter((node) => isConnected(self(), node))
          .map((node) => ({ peer: node.id, path: 'tcp', rttMs: 1, address: '' })),
      handle: (_protocol, _init, handler) => void handlers.set(self().id, handler),
      onPeer(listener) {
        peerListeners.set(self().id, listener)
        return () => void peerListeners.delete(self().id)
      },
      async request(peer, _protocol, frame) {
        const node = nodes.find((each) => each.id === peer)
        const handler = handlers.get(peer)
        if (node === undefined || handler === undefined || !isConnected(self(), node)) throw new Error('unreachable')
        node.requests += 1
        const answers: Uint8Array[] = []
        await handler(streamFor(self().id, frame, answers))
        const [answer] = answers
        if (answer === undefined) throw new Error('no answer')
        return node.tamper === null ? answer : node.tamper(answer)
      },
    }
  }

  const world: World = {
    network,
    nodes,
    entries,
    files,
    audiences,
    refusal: null,
    boxOwners: new Map(),
    versions: (file) => versions.get(file) ?? [],
    epochs: (file) => epochs.get(file) ?? [],
    async add(name, options = {}) {
      const signer = generateSigningKey()
      const sealing = generateSealingKey()
      const id = nodeIdFromPublicKey(signer.publicKey)
      const entry = toHex(systemRandom.bytes(32)) as EntryId
      const branch = options.branch ?? (entry as string as BranchId)
      const folder = mkdtempSync(join(tmpdir(), 'malote-keys-'))
      const db = openDatabase({ path: join(folder, 'local.db'), migrations: migrationsFolder('local') })
      const boxes = new Map<BoxHash, Uint8Array>()
      const sharing = createSharing({
        db,
        onFalse: (peer, what) => void node.falsehoods.push(`${what} of ${peer}`),
        network,
        self: id,
        signer,
        sealing,
        clock: systemClock,
        random: systemRandom,
        host: hostFor(() => node),
        reads: {
          file: (file) => files.get(file),
          versions: (file) => versions.get(file) ?? [],
          epochs: (file) => epochs.get(file) ?? [],
          filesOwnedBy: (branch) => [...files.values()].filter(({ owner }) => owner === branch).map(({ file }) => file),
          audience: (audience) => audiences.get(audience),
          membership,
          versionOfRoot: (root) => [...versions.values()].flat().find((each) => each.root === root) ?? null,
          boxOwner: (hash) => world.boxOwners.get(hash) ?? null,
          refusalOf: () => world.refusal,
        },
        boxes: {
          put(bytes) {
            const hash = idFrom<BoxHash>(blake3(bytes))
            boxes.set(hash, bytes)
            return hash
          },
          local: (hash) => boxes.get(hash) ?? null,
          async get(hash) {
            const holder = nodes.find((each) => (each === node || isConnected(node, each)) && each.boxes.has(hash))
            const bytes = holder?.boxes.get(hash)
            if (bytes !== undefined) boxes.set(hash, bytes)
            return bytes ?? null
          },
          remove: (hash) => void boxes.delete(hash),
        },
        sources: () => nodes.map((each) => each.id),
        append: (kind, body) => append(node, kind, body),
        authorOf: (each) => authors.get(each) ?? null,
      })
      const node: TestNode = {
        name,
        id,
        branch,
        signer,
        sealing,
        folder,
        db,
        boxes,
        sharing,
        online: options.online ?? true,
        tamper: null,
        requests: 0,
        falsehoods: [],
      }
      const row = {
        node: id,
        key: signer.publicKey,
        sealing: sealing.publicKey,
        branch,
        role: 'member',
        steps: null,
      } as const
      members.set(id, { ...row, state: 'member', admit: entry, invite: null, replacedBy: null, marks: [] })
      branches.set(branch, { id: branch, name, node: id, state: 'member' })
      nodes.push(node)
      tellAll({ members: true })
      await sharing.start(files.values())
      return node
    },
    setLeaving({ id, branch }) {
      const seed = toHex(systemRandom.bytes(32)) as EntryId
      departures.set(branch, { seed, branch, node: id, index: 0, candidates: [], left: null })
      tellAll({ members: true })
    },
    setState(node, state) {
      const row = members.get(node.id)
      if (row !== undefined) members.set(node.id, { ...row, state })
      tellAll({ members: true })
    },
    async replace(node, name) {
      node.online = false
      const row = members.get(node.id)
      if (row !== undefined) members.set(node.id, { ...row, state: 'left' })
      return await world.add(name, { branch: node.branch })
    },
    setOwner(file, branch) {
      const before = files.get(file)
      if (before === undefined) throw new Error('no such file')
      files.set(file, { ...before, owner: branch })
      tellAll({ files: [file] })
    },
    setOnline(node, online) {
      node.online = online
      if (!online) return
      node.sharing.changed({ members: true, audiences: audiences.keys(), files: files.keys() })
      for (const each of nodes) {
        if (!isConnected(node, each)) continue
        peerListeners.get(each.id)?.({ type: 'connected', peer: node.id })
        peerListeners.get(node.id)?.({ type: 'connected', peer: each.id })
      }
    },
    async upload(by, name, list) {
      const begun = by.sharing.author.beginFile()
      await by.sharing.author.publishUpload({
        begun,
        content: content(name),
        plainHash: blake3(Buffer.from(name)),
        details: { name, type: 'image/png', tags: ['spring'], campaign: 'Launch' },
        list,
      })
      return begun.file
    },
    async close() {
      await Promise.all(nodes.map((node) => node.sharing.stop()))
      for (const node of nodes) {
        node.db.close()
        rmSync(node.folder, { recursive: true, force: true })
      }
    },
  }
  return world
}

export function content(seed: string): { root: Root; size: number; chunk: number } {
  return { root: idFrom<Root>(blake3(Buffer.from(`root of ${seed}`))), size: 1234, chunk: 1024 * 1024 }
}

function streamFor(peer: NodeId, frame: Uint8Array, answers: Uint8Array[]): FrameStream {
  let isRead = false
  return {
    peer,
    path: 'tcp',
    async write(answer) {
      answers.push(answer)
    },
    async writeParts(parts) {
      answers.push(Buffer.concat(parts))
    },
    async read() {
      if (isRead) return null
      isRead = true
      return frame
    },
    async close() {},
    abort() {},
  }
}

/** Ana, whom the key of everyone is from, Bia and Caio. */
export async function threeMembers(): Promise<{ world: World; ana: TestNode; bia: TestNode; caio: TestNode }> {
  const world = createWorld()
  const [ana, bia, caio] = [await world.add('ana'), await world.add('bia'), await world.add('caio')]
  await ana.sharing.audiences.ensureEveryone()
  return { world, ana, bia, caio }
}

/** Resolves when the node sees the file, hides it, and so on; fails when that takes longer than a test may. */
export function until(node: TestNode, isTrue: () => boolean): Promise<void> {
  if (isTrue()) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const leave = [node.sharing.views.onChange(() => check()), node.sharing.grants.onKey(() => setImmediate(check))]
    const cancel = systemClock.after(10_000, () => end(() => reject(new Error(`${node.name} waited in vain`))))
    const end = (settle: () => void) => {
      isOver = true
      cancel()
      for (const each of leave) each()
      settle()
    }
    let isOver = false
    const check = () => {
      if (!isOver && isTrue()) end(resolve)
    }
  })
}
