import fc from 'fast-check'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { generateSigningKey } from '../crypto/index.ts'
import { codeOf } from '../errors.ts'
import { type EntryId, type NetworkId, nodeIdFromPublicKey } from '../ids.ts'
import { formatInvite, type InviteTicket, parseInvite } from './invite.ts'
import { formatRecoveryKey, newRecoveryKey, parseRecoveryKey } from './recovery.ts'

const NOW = Date.UTC(2030, 0, 1)
const signer = generateSigningKey()
const issuer = nodeIdFromPublicKey(signer.publicKey)
const ticket: InviteTicket = {
  issuer,
  network: 'ab'.repeat(32) as NetworkId,
  networkName: 'acme',
  invite: 'cd'.repeat(32) as EntryId,
  branch: 'São Paulo',
  expires: NOW + 72 * 3_600_000,
  addresses: ['/ip4/192.0.2.7/tcp/4373/p2p/12D3KooWxyz', '/dns/hq.example/tcp/4373'],
  seed: generateSigningKey().seed,
}
const failure = (text: string, now = NOW) =>
  parseInvite(text, now).then(
    () => 'accepted',
    (error: unknown) => codeOf(error),
  )

describe('invite', () => {
  it('says what went in', async () => {
    const text = await formatInvite(ticket, issuer, signer)
    expect(await parseInvite(text, NOW)).toEqual(ticket)
    expect(await parseInvite(`  ${text.slice(0, 100)}\r\n ${text.slice(100)}\n`, NOW)).toEqual(ticket)
  })

  it('notices any changed character', async () => {
    const text = await formatInvite(ticket, issuer, signer)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom(...alphabet), async (at, character) => {
        fc.pre(text[at] !== character)
        expect(await failure(text.slice(0, at) + character + text.slice(at + 1))).toBe('invite-invalid')
      }),
      { numRuns: 300 },
    )
    // spare bits of base64url
    for (const character of alphabet) {
      if (text.endsWith(character)) continue
      expect(await failure(text.slice(0, -1) + character)).toBe('invite-invalid')
    }
  })

  it('expires', async () => {
    const text = await formatInvite(ticket, issuer, signer)
    expect(await failure(text, ticket.expires - 1)).toBe('accepted')
    expect(await failure(text, ticket.expires + 1000)).toBe('invite-expired')
  })

  it.each([
    ['nothing', ''],
    ['garbage', 'hello'],
    ['two dots', '..'],
    ['too much', 'a'.repeat(5000)],
    ['far too much', 'a'.repeat(50_000)],
    ['another language', 'приглашение'],
  ])('refuses %s', async (_, text) => {
    expect(await failure(text)).toBe('invite-invalid')
  })

  it('refuses arbitrary text with one error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async (text) => {
        expect(await failure(text)).toBe('invite-invalid')
      }),
    )
  })

  const payload = {
    net: ticket.network,
    name: 'acme',
    branch: 'rio',
    addrs: [],
    key: Buffer.from(ticket.seed).toString('base64url'),
    iss: issuer,
    jti: ticket.invite,
    exp: Math.floor(ticket.expires / 1000),
  }
  const jwt = (claims: object, header: object = {}, key: Parameters<SignJWT['sign']>[0] = signer.key) =>
    new SignJWT({ ...payload, ...claims })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'malote-invite+jwt', ...header })
      .sign(key)

  it.each<[string, () => Promise<string>, string]>([
    ['as it should be', () => jwt({}), 'accepted'],
    ['signed by another than its issuer', () => jwt({}, {}, generateSigningKey().key), 'invite-invalid'],
    ['of another type', () => jwt({}, { typ: 'JWT' }), 'invite-invalid'],
    ['of another algorithm', () => jwt({}, { alg: 'HS256' }, new Uint8Array(32)), 'invite-invalid'],
    ['keyed with the public key', () => jwt({}, { alg: 'HS256' }, signer.publicKey), 'invite-invalid'],
    ['with an unknown header', () => jwt({}, { kid: 'x' }), 'invite-invalid'],
    ['with an unknown claim', () => jwt({ admin: true }), 'invite-invalid'],
    ['with a short key', () => jwt({ key: 'AAAA' }), 'invite-invalid'],
    ['with a short network', () => jwt({ net: 'abcd' }), 'invite-invalid'],
    ['with nine addresses', () => jwt({ addrs: new Array(9).fill('/ip4/192.0.2.7/tcp/1') }), 'invite-invalid'],
    ['with an address that is no text', () => jwt({ addrs: [1] }), 'invite-invalid'],
    ['with an issuer that is none', () => jwt({ iss: 'me' }), 'invite-invalid'],
  ])('%s', async (_, make, outcome) => {
    expect(await failure(await make())).toBe(outcome)
  })

  it('leaves out addresses rather than become too long', async () => {
    const long = Array.from({ length: 12 }, (_, i) => `/dns/${'x'.repeat(240)}${i}`)
    const text = await formatInvite(
      { ...ticket, branch: '\u{1F3E2}'.repeat(127), addresses: [...long, 'y'.repeat(300)] },
      issuer,
      signer,
    )
    expect(text.length).toBeLessThanOrEqual(4096)
    const { addresses } = await parseInvite(text, NOW)
    expect(addresses).toEqual(long.slice(0, addresses.length))
    expect(addresses.length).toBeGreaterThan(3)
  })
})

describe('recovery key', () => {
  it('comes back from paper, whatever its writing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const text = formatRecoveryKey(seed)
        expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/)
        const sloppy = text.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')
        expect(parseRecoveryKey(text).seed).toEqual(seed)
        expect(parseRecoveryKey(`${sloppy}\n`).seed).toEqual(seed)
      }),
    )
  })

  it('notices a slip of the pen', () => {
    const { text } = newRecoveryKey()
    const slip = (at: number) => text.slice(0, at) + (text[at] === 'Z' ? 'Y' : 'Z') + text.slice(at + 1)
    for (const at of [0, 7, 30, text.length - 1]) expect(() => parseRecoveryKey(slip(at))).toThrow('checksum')
    expect(() => parseRecoveryKey(text.slice(1))).toThrow('characters')
    expect(() => parseRecoveryKey(text.replace(/.$/, '!'))).toThrow('does not occur')
    expect(() => parseRecoveryKey('x'.repeat(5000))).toThrow('too long')
  })
})
