/**
 * The string that is given to a newcomer: an EdDSA JWT (RFC 7519, RFC 8037), signed by the issuing admin's node.
 * Spec: docs/specs/invite.md. It carries the invite's private key, so it is a secret; what is sent to a member is only
 * what that key signs.
 */
import { createPublicKey } from 'node:crypto'
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose'
import type { SigningKey } from '../crypto/index.ts'
import { type EntryId, fromHex, type NetworkId, type NodeId, publicKeyFromNodeId } from '../ids.ts'
import { InviteExpiredError, InviteInvalidError } from './errors.ts'
import { BRANCH_NAME_MAX, NETWORK_NAME_MAX } from './kinds.ts'

const ALGORITHM = 'EdDSA'
const TYPE = 'malote-invite+jwt'
/** Longest invite that is looked at. */
export const INVITE_MAX_BYTES = 4096
/** Members' addresses in one invite, and the length of one: eight relayed multiaddrs still fit the whole. */
export const INVITE_MAX_ADDRESSES = 8
const ADDRESS_MAX = 256
const KEY_BYTES = 32

/** What an invite says. */
export interface InviteTicket {
  /** the admin's node that wrote it */
  readonly issuer: NodeId
  readonly network: NetworkId
  readonly networkName: string
  readonly invite: EntryId
  readonly branch: string
  /** ms since the epoch, whole seconds */
  readonly expires: number
  /** multiaddrs of members, at most 8 */
  readonly addresses: readonly string[]
  /** 32-byte seed of the invite's key */
  readonly seed: Uint8Array
}

/** @param signer the issuer's key. Addresses that do not fit are left out. */
export async function formatInvite(
  ticket: Omit<InviteTicket, 'issuer'>,
  issuer: NodeId,
  signer: SigningKey,
): Promise<string> {
  const usable = ticket.addresses.filter((address) => address.length <= ADDRESS_MAX).slice(0, INVITE_MAX_ADDRESSES)
  for (let count = usable.length; ; count--) {
    const text = await new SignJWT({
      net: ticket.network,
      name: ticket.networkName,
      branch: ticket.branch,
      addrs: usable.slice(0, count),
      key: Buffer.from(ticket.seed).toString('base64url'),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
      .setIssuer(issuer)
      .setJti(ticket.invite)
      .setExpirationTime(Math.floor(ticket.expires / 1000))
      .sign(signer.key)
    if (text.length <= INVITE_MAX_BYTES || count === 0) return text
  }
}

/**
 * @param now ms since the epoch, for the expiry
 * @throws {InviteInvalidError} garbage, tampered with, over 4 KiB
 * @throws {InviteExpiredError}
 */
export async function parseInvite(text: string, now: number): Promise<InviteTicket> {
  if (text.length > 2 * INVITE_MAX_BYTES) throw new InviteInvalidError('too long')
  // line breaks get in when a long string is pasted from a mail
  const jwt = text.replace(/\s+/g, '')
  if (jwt.length > INVITE_MAX_BYTES) throw new InviteInvalidError('too long')
  assertOneForm(jwt)
  try {
    const key = publicKeyObject(publicKeyFromNodeId(String(decodeJwt(jwt).iss)))
    const { payload, protectedHeader } = await jwtVerify(jwt, key, {
      algorithms: [ALGORITHM],
      typ: TYPE,
      requiredClaims: ['iss', 'jti', 'exp', 'net', 'name', 'branch', 'addrs', 'key'],
      currentDate: new Date(now),
    })
    if (Object.keys(protectedHeader).length !== 2) throw new InviteInvalidError('unknown header')
    return ticketFrom(payload)
  } catch (error) {
    if (error instanceof InviteInvalidError) throw error
    if (error instanceof errors.JWTExpired) throw new InviteExpiredError()
    throw new InviteInvalidError('it does not verify', error)
  }
}

/** base64url leaves spare bits at the end of a part: a changed last character must not go unnoticed. */
function assertOneForm(jwt: string): void {
  const parts = jwt.split('.')
  const isOneForm = (part: string) => Buffer.from(part, 'base64url').toString('base64url') === part
  if (parts.length !== 3 || !parts.every(isOneForm)) throw new InviteInvalidError('not in the form of an invite')
}

function publicKeyObject(raw: Uint8Array) {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
    format: 'jwk',
  })
}

const CLAIMS = new Set(['iss', 'jti', 'exp', 'net', 'name', 'branch', 'addrs', 'key'])

function ticketFrom(payload: Record<string, unknown>): InviteTicket {
  for (const claim of Object.keys(payload))
    if (!CLAIMS.has(claim)) throw new InviteInvalidError(`unknown claim ${claim}`)
  const { exp, addrs } = payload
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp * 1000)) throw new InviteInvalidError('no end')
  if (!Array.isArray(addrs) || addrs.length > INVITE_MAX_ADDRESSES) throw new InviteInvalidError('too many addresses')
  const seed = new Uint8Array(Buffer.from(textClaim(payload, 'key', 64), 'base64url'))
  if (seed.length !== KEY_BYTES) throw new InviteInvalidError('no key')
  return {
    issuer: textClaim(payload, 'iss', 128) as NodeId,
    network: hexClaim(payload, 'net') as NetworkId,
    networkName: textClaim(payload, 'name', NETWORK_NAME_MAX),
    invite: hexClaim(payload, 'jti') as EntryId,
    branch: textClaim(payload, 'branch', BRANCH_NAME_MAX),
    expires: exp * 1000,
    addresses: addrs.map((address: unknown) => {
      if (typeof address !== 'string' || address.length > ADDRESS_MAX) throw new InviteInvalidError('not an address')
      return address
    }),
    seed,
  }
}

function textClaim(payload: Record<string, unknown>, name: string, max: number): string {
  const value = payload[name]
  if (typeof value !== 'string' || value.length === 0 || value.length > max) throw new InviteInvalidError(`no ${name}`)
  return value
}

function hexClaim(payload: Record<string, unknown>, name: string): string {
  const value = textClaim(payload, name, 64)
  fromHex(value, 32)
  return value
}
