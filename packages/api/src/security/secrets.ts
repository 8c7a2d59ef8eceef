import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Purpose of the proof, so that it can be mistaken for nothing else (docs/specs/http-api.md). */
const PROOF_PURPOSE = 'malote-api-proof'

/** 32 random bytes as base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Of equal length whatever was given, so that comparing tells nothing of the length either. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

export function sameSecret(expected: Buffer, given: string): boolean {
  return timingSafeEqual(expected, digestOf(given))
}

/** @param nonceHex 64 hex digits, checked by the caller */
export function proofOf(token: string, nonceHex: string): string {
  return createHmac('sha256', token).update(PROOF_PURPOSE).update(Buffer.from(nonceHex, 'hex')).digest('hex')
}
