/** Checks each vector file against the specs. Throws at the first that does not hold. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { blake3 } from './blake3.ts'
import { bytesOf, concat, decode, domain, encode, hex, isSignedBy, peerId, sha256 } from './bytes.ts'
import {
  headsOf,
  isControl,
  isSigned,
  type Ordinary,
  ordinaryOrder,
  parentsOf,
  type ReadEntry,
  read,
  type SignedHex,
  type Taken,
  take,
} from './entries.ts'
import { derive, hpkeKeys, openAesGcm, sealAesGcm, x25519 } from './sealing.ts'
import { elementOf, type JsonRow, setHash } from './state.ts'

const text = (value: string) => new TextEncoder().encode(value)
const number = (value: number, width: number) => bytesOf(value.toString(16).padStart(width * 2, '0'))

function publicOf(seed: string, prefix: string): string {
  const key = createPrivateKey({ key: Buffer.from(`${prefix}${seed}`, 'hex'), format: 'der', type: 'pkcs8' })
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12).toString('hex')
}
const ed25519 = (seed: string) => publicOf(seed, '302e020100300506032b657004220420')
const x25519Public = (secret: string) => publicOf(secret, '302e020100300506032b656e04220420')

// ----------------------------------------------------------------------------------------------------------- cbor

export function checkCbor(file: {
  valid: { name: string; bytes: string }[]
  invalid: { name: string; bytes: string }[]
}) {
  for (const { name, bytes } of file.valid) assert.equal(hex(encode(decode(bytesOf(bytes)))), bytes, name)
  for (const { name, bytes } of file.invalid) assert.throws(() => decode(bytesOf(bytes)), Error, name)
}

// ----------------------------------------------------------------------------------------------------------- keys

export interface KeysFile {
  network: string
  domains: { purpose: string; bytes: string }[]
  signingKeys: { seed: string; publicKey: string; node: string }[]
  signatures: { purpose: string; publicKey: string; parts: string[]; signature: string; valid: boolean }[]
  sealingKeys: { secret: string; publicKey: string }[]
  fileIds: { author: string; salt: string; file: string }[]
  audienceKeys: { audience: string; key: string; id: string; proof: string }[]
  epochKeys: {
    file: string
    epoch: number
    fileKey: string
    chunk: string
    nonce: string
    box: string
    proofSeed: string
    proof: string
  }[]
  recoveryKeys: { seed: string; text: string; spellings: string[]; publicKey: string }[]
  setHashes: { elements: string[]; digest: string }[]
}

export function checkKeys(file: KeysFile) {
  const { network } = file
  for (const { purpose, bytes } of file.domains) assert.equal(hex(domain(purpose, network)), bytes)
  for (const { seed, publicKey, node } of file.signingKeys) {
    assert.equal(ed25519(seed), publicKey)
    assert.equal(peerId(bytesOf(publicKey)), node)
  }
  for (const { purpose, publicKey, parts, signature, valid } of file.signatures) {
    const message = concat(domain(purpose, network), ...parts.map(bytesOf))
    assert.equal(isSignedBy(bytesOf(publicKey), bytesOf(signature), message), valid)
  }
  for (const { secret, publicKey } of file.sealingKeys) assert.equal(x25519Public(secret), publicKey)
  for (const { author, salt, file: id } of file.fileIds) {
    assert.equal(hex(sha256(domain('file-id', network), bytesOf(author), bytesOf(salt)).slice(0, 16)), id)
  }
  for (const { audience, key, id, proof } of file.audienceKeys) {
    assert.equal(hex(sha256(domain('key-id', network), bytesOf(audience), bytesOf(key)).slice(0, 16)), id)
    const seed = derive(bytesOf(key), 'audience', network, concat(text('proof/'), bytesOf(audience)))
    assert.equal(ed25519(hex(seed)), proof)
  }
  for (const { fileKey, chunk, nonce, box, proofSeed, proof } of file.epochKeys) {
    const subkey = (label: string) => hex(derive(bytesOf(fileKey), 'epoch', network, label))
    assert.deepEqual([subkey('chunk'), subkey('nonce'), subkey('box'), subkey('proof')], [chunk, nonce, box, proofSeed])
    assert.equal(ed25519(proofSeed), proof)
  }
  for (const { seed, spellings, publicKey } of file.recoveryKeys) {
    for (const spelling of spellings) assert.equal(recoverySeed(spelling), seed)
    assert.equal(ed25519(seed), publicKey)
  }
  for (const { elements, digest } of file.setHashes) assert.equal(setHash(elements.map(bytesOf)), digest)
}

/** control.md, "Recovery key". */
function recoverySeed(spelling: string): string {
  const digits = spelling.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  let bits = 0n
  for (const digit of digits) bits = bits * 32n + BigInt('0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(digit))
  const bytes = bytesOf(bits.toString(16).padStart(70, '0'))
  const [seed, check] = [bytes.slice(0, 32), bytes.slice(32)]
  assert.equal(hex(sha256(text('malote/1/recovery-key\0'), seed).slice(0, 3)), hex(check))
  return hex(seed)
}

// -------------------------------------------------------------------------------------------------------- sealing

export interface SealingFile {
  network: string
  file: string
  epoch: number
  fileKey: string
  wraps: { audienceKey: string; nonce: string; wrap: string }[]
  chunks: { index: number; plain: string; sealed: string; name: string }[]
  boxes: { label: string; plain: string; sealed: string; name: string }[]
  audienceBoxes: { audience: string; key: string; nonce: string; plain: string; sealed: string }[]
  grants: {
    audience: string
    key: string
    keyId: string
    writerSecret: string
    readerSecret: string
    slot: string
    ephemeralSecret: string
    sealed: string
  }[]
}

export function checkSealing({ network, file, epoch, ...of }: SealingFile) {
  const fileKey = bytesOf(of.fileKey)
  const subkey = (label: string) => derive(fileKey, 'epoch', network, label)
  const place = concat(bytesOf(file), number(epoch, 4))
  for (const { audienceKey, nonce, wrap } of of.wraps) {
    const key = derive(bytesOf(audienceKey), 'file-key', network, 'wrap')
    const sealed = sealAesGcm(key, bytesOf(nonce), fileKey, concat(domain('file-key', network), place))
    assert.equal(hex(sealed), wrap)
  }
  for (const { index, plain, sealed, name } of of.chunks) {
    const bytes = bytesOf(plain)
    const context = concat(domain('epoch', network), place, number(index, 8), number(bytes.length, 8))
    const nonce = blake3(concat(context, bytes), subkey('nonce')).slice(0, 12)
    assert.equal(hex(sealAesGcm(subkey('chunk'), nonce, bytes, context)), sealed)
    assert.equal(hex(blake3(bytesOf(sealed))), name)
  }
  for (const { label, plain, sealed, name } of of.boxes) {
    const context = concat(domain('epoch', network), place, text(`box/${label}`))
    assert.equal(hex(openAesGcm(subkey('box'), bytesOf(sealed), context)), plain)
    assert.equal(hex(blake3(bytesOf(sealed))), name)
    assert.throws(() => openAesGcm(subkey('box'), bytesOf(sealed), concat(context, text('x'))))
    if (label !== 'older') assertPadded(bytesOf(plain))
  }
  for (const { audience, key, plain, sealed } of of.audienceBoxes) {
    const boxKey = derive(bytesOf(key), 'audience', network, 'box')
    assert.equal(hex(openAesGcm(boxKey, bytesOf(sealed), bytesOf(audience))), plain)
    assertPadded(bytesOf(plain))
  }
  for (const { audience, key, keyId, ...grant } of of.grants) {
    const bound = concat(bytesOf(audience), bytesOf(keyId))
    const shared = x25519(bytesOf(grant.writerSecret), bytesOf(x25519Public(grant.readerSecret)))
    assert.equal(hex(derive(shared, 'grant-slot', network, bound, 16)), grant.slot)
    const enc = bytesOf(grant.sealed).slice(0, 32)
    const recipient = bytesOf(x25519Public(grant.readerSecret))
    const opened = hpkeKeys(x25519(bytesOf(grant.readerSecret), enc), enc, recipient, domain('grant', network))
    assert.equal(hex(openAesGcm(opened.key, concat(opened.nonce, bytesOf(grant.sealed).slice(32)), bound)), key)
  }
}

/** Length, canonical CBOR, zeros to a multiple of 256. */
function assertPadded(plain: Uint8Array): void {
  const length = Number.parseInt(hex(plain.slice(0, 4)), 16)
  assert.equal(plain.length % 256, 0)
  decode(plain.slice(4, 4 + length))
  assert.ok(plain.slice(4 + length).every((byte) => byte === 0))
}

// ------------------------------------------------------------------------------------------------------- manifests

export interface ManifestFile {
  manifests: { size: number; chunk: number; count: number; header: string; root: string }[]
  refused: { size: number; chunk: number }[]
}

export function checkManifests({ manifests, refused }: ManifestFile) {
  const isAllowed = ({ size, chunk }: { size: number; chunk: number }) =>
    Number.isInteger(Math.log2(chunk)) && chunk >= 2 ** 16 && chunk <= 2 ** 24 && Math.ceil(size / chunk) <= 2 ** 20
  for (const { size, chunk, count, header, root } of manifests) {
    assert.ok(isAllowed({ size, chunk }))
    assert.equal(Math.ceil(size / chunk), count)
    const names = Array.from({ length: count }, (_, index) => sha256(number(index, 4)))
    const pages: Uint8Array[] = []
    for (let at = 0; at < count; at += 65_536) pages.push(blake3(concat(...names.slice(at, at + 65_536))))
    const made = concat(encode({ v: 1, size, chunk, count, pages: pages.length }), ...pages)
    assert.equal(hex(made), header)
    assert.equal(hex(blake3(made)), root)
  }
  for (const shape of refused) assert.ok(!isAllowed(shape))
}

// --------------------------------------------------------------------------------------------------------- invites

export interface InviteFile {
  valid: { issuer: string; issuerKey: string; invite: string; key: string; publicKey: string; validUntil: number }[]
  invalid: { name: string; invite: string }[]
}

const CLAIMS = ['addrs', 'branch', 'exp', 'iss', 'jti', 'key', 'name', 'net']

function readInvite(jwt: string, issuers: ReadonlyMap<string, string>) {
  const parts = jwt.split('.')
  assert.equal(parts.length, 3)
  for (const part of parts) assert.equal(Buffer.from(part, 'base64url').toString('base64url'), part)
  const [header = '', payload = '', signature = ''] = parts
  const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
  assert.deepEqual(json(header), { alg: 'EdDSA', typ: 'malote-invite+jwt' })
  const claims = json(payload)
  const issuer = issuers.get(String(claims.iss))
  assert.ok(issuer !== undefined)
  assert.ok(isSignedBy(bytesOf(issuer), Buffer.from(signature, 'base64url'), text(`${header}.${payload}`)))
  assert.deepEqual(Object.keys(claims).sort(), CLAIMS)
  assert.ok(Array.isArray(claims.addrs) && claims.addrs.length <= 8)
  const key = Buffer.from(String(claims.key), 'base64url')
  assert.equal(key.length, 32)
  return { claims, key }
}

export function checkInvites({ valid, invalid }: InviteFile) {
  const issuers = new Map(valid.map(({ issuer, issuerKey }) => [issuer, issuerKey]))
  for (const { issuer, issuerKey, invite, key, publicKey, validUntil } of valid) {
    assert.equal(peerId(bytesOf(issuerKey)), issuer)
    const ticket = readInvite(invite, issuers)
    assert.equal(hex(ticket.key), key)
    assert.equal(ed25519(key), publicKey)
    assert.equal(ticket.claims.exp, validUntil / 1000)
  }
  for (const { name, invite } of invalid) assert.throws(() => readInvite(invite, issuers), Error, name)
}

// ------------------------------------------------------------------------------------------------------- placement

export interface PlacementFile {
  network: string
  negativeLog2: { value: number; result: number }[]
  members: { node: string; weight: number }[]
  placements: { file: string; owner: string | null; target: number; aside: string[]; list: string[] }[]
  draws: { seed: string; file: string; candidates: string[]; order: string[] }[]
}

/** placement.md, "List": the logarithm by squaring, with 26 bits. */
function negativeLog2(value: number): number {
  const exponent = BigInt(BigInt(value).toString(2).length - 1)
  let mantissa = (BigInt(value) << 25n) >> exponent
  let log = exponent
  for (let bit = 0; bit < 24; bit++) {
    const square = mantissa * mantissa
    const isTwoOrMore = square >= 1n << 51n
    mantissa = square >> (isTwoOrMore ? 26n : 25n)
    log = log * 2n + (isTwoOrMore ? 1n : 0n)
  }
  return Number((48n << 24n) - log)
}

/** base58btc back to the key. */
function keyOf(node: string): Uint8Array {
  let value = 0n
  for (const digit of node) {
    value = value * 58n + BigInt('123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'.indexOf(digit))
  }
  return bytesOf(value.toString(16).padStart(76, '0')).slice(6)
}

export function checkPlacement({ network, members, ...of }: PlacementFile) {
  for (const { value, result } of of.negativeLog2) assert.equal(negativeLog2(value), result)
  for (const { file, owner, target, aside, list } of of.placements) {
    const ranked = members
      .filter(({ weight }) => weight > 0)
      .map(({ node, weight }) => {
        const digest = sha256(domain('placement', network), bytesOf(file), keyOf(node))
        return { node, weight, cost: negativeLog2(Number.parseInt(hex(digest.slice(0, 6)), 16) + 1) }
      })
      .sort((a, b) => a.cost * b.weight - b.cost * a.weight || (a.node < b.node ? -1 : 1))
      .map(({ node }) => node)
    const first = owner === null ? [] : [owner]
    const all = [...first, ...ranked.filter((node) => node !== owner)].filter((node) => !aside.includes(node))
    assert.deepEqual(all.slice(0, target), list)
  }
  for (const { seed, file, candidates, order } of of.draws) {
    const rank = (node: string) => hex(sha256(domain('draw', network), bytesOf(seed), bytesOf(file), keyOf(node)))
    assert.deepEqual(
      [...candidates].sort((a, b) => (rank(a) < rank(b) ? -1 : 1)),
      order,
    )
  }
}

// --------------------------------------------------------------------------------------------------------- entries

export interface EntriesFile {
  network: string
  recovery: string
  valid: (SignedHex & { id: string; fields: Record<string, unknown> })[]
  malformed: { network: string; entries: { name: string; bytes: string }[] }
  arrivals: {
    network: string
    recovery: string
    now: number
    before: SignedHex[]
    cases: { name: string; arriving: SignedHex[]; result: Taken }[]
  }
}

export function checkEntries({ network, valid, malformed, arrivals }: EntriesFile) {
  for (const each of valid) {
    const entry = read(each, network)
    assert.ok(typeof entry !== 'string')
    const { id, author, node, incarnation, seq, prev, ms, counter, kind, seen, format } = entry
    assert.equal(id, each.id)
    assert.deepEqual(
      { author: hex(author), node, incarnation, seq, prev, ms, counter, format, kind, seen },
      each.fields,
    )
    assert.ok(isSigned(entry, network))
  }
  for (const { name, bytes } of malformed.entries) {
    assert.equal(read({ bytes, sig: null, cosig: null }, malformed.network), 'malformed', name)
  }
  const { cases, ...of } = arrivals
  for (const { name, arriving, result } of cases) assert.deepEqual(take({ ...of, arriving }), result, name)
}

// ----------------------------------------------------------------------------------------------------------- order

interface ControlEntry {
  id: string
  feed: string
  seq: number
  seen: string[]
}

export interface OrderFile {
  control: {
    entries: ControlEntry[]
    order: string[]
    steps: { first: string; ready: { id: string; rank: number[] }[] }[]
    waiting: string[]
  }
  ordinary: { entries: Ordinary[]; order: string[] }
}

export function checkOrder({ control, ordinary }: OrderFile) {
  assertTopological(control.entries, control.order, control.waiting)
  const parents = parentsOf(control.entries)
  const done = new Set<string>()
  for (const { first, ready } of control.steps) {
    const open = control.entries.filter(
      ({ id }) => !done.has(id) && [...(parents.get(id) ?? [])].every((parent) => done.has(parent)),
    )
    assert.deepEqual(
      ready.map(({ id }) => id),
      open.map(({ id }) => id).sort(),
    )
    const [lowest] = [...ready].sort(
      (a, b) => (a.rank[0] ?? 0) - (b.rank[0] ?? 0) || (a.rank[1] ?? 0) - (b.rank[1] ?? 0) || (a.id < b.id ? -1 : 1),
    )
    assert.equal(lowest?.id, first)
    done.add(first)
  }
  assert.deepEqual([...done], control.order)
  assert.deepEqual(ordinaryOrder(ordinary.entries), ordinary.order)
}

function assertTopological(
  entries: readonly ControlEntry[] | readonly ReadEntry[],
  order: string[],
  waiting: string[],
) {
  const parents = parentsOf(entries)
  const done = new Set<string>()
  for (const id of order) {
    for (const parent of parents.get(id) ?? []) assert.ok(done.has(parent), `${id} before what it had seen`)
    done.add(id)
  }
  const left = entries.filter(({ id }) => !done.has(id))
  assert.deepEqual(left.map(({ id }) => id).sort(), [...waiting].sort())
  for (const { id } of left) assert.ok([...(parents.get(id) ?? [])].some((parent) => !done.has(parent)))
}

// --------------------------------------------------------------------------------------------------------- ledgers

export interface LedgerFile {
  network: string
  recovery: string
  entries: SignedHex[]
  stored: string[]
  control: { order: string[]; waiting: string[] }
  ordinary: { order: string[] }
  heads: { tips: unknown[]; buckets: string; hash: string }
  rows: JsonRow[]
  digest: string
}

export function checkLedger(file: LedgerFile) {
  const { network, recovery, rows } = file
  const now = Math.max(...file.entries.flatMap((each) => entryOf(each, network)?.ms ?? []))
  assert.deepEqual(take({ network, recovery, now, before: [], arriving: file.entries }).stored, file.stored)
  const isStored = new Set(file.stored)
  const byId = new Map<string, ReadEntry>()
  for (const each of file.entries) {
    const entry = entryOf(each, network)
    if (entry !== undefined && isStored.has(entry.id)) byId.set(entry.id, entry)
  }
  const entries = [...byId.values()]
  assertTopological(entries.filter(isControl), file.control.order, file.control.waiting)
  assert.deepEqual(ordinaryOrder(entries.filter((entry) => !isControl(entry))), file.ordinary.order)
  assert.deepEqual(headsOf(entries), file.heads)
  assert.equal(setHash(rows.map((row) => elementOf(network, row))), file.digest)
  // every row speaks of entries that are here
  for (const [table, , second] of rows) {
    if (table === 'refusals')
      assert.ok(typeof second === 'object' && second !== null && 'bytes' in second && isStored.has(second.bytes))
  }
}

function entryOf(signed: SignedHex, network: string): ReadEntry | undefined {
  const entry = read(signed, network)
  return typeof entry === 'string' ? undefined : entry
}
