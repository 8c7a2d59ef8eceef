/**
 * The recovery key as text for paper: Crockford's base 32 (no I, L, O, U) of the 32-byte seed and a 3-byte checksum, in
 * groups of four. Spec: docs/specs/control.md, "Recovery key".
 */
import { equalBytes, generateSigningKey, type SigningKey, sha256, signingKeyFromSeed } from '../crypto/index.ts'
import { RecoveryKeyInvalidError } from './errors.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const SEED_BYTES = 32
const CHECK_BYTES = 3
/** 35 bytes are exactly 56 digits of 5 bits */
const DIGITS = ((SEED_BYTES + CHECK_BYTES) * 8) / 5

export function newRecoveryKey(): { readonly text: string; readonly key: SigningKey } {
  const key = generateSigningKey()
  return { text: formatRecoveryKey(key.seed), key }
}

export function formatRecoveryKey(seed: Uint8Array): string {
  let digits = ''
  let bits = 0
  let held = 0
  for (const byte of [...seed, ...checksum(seed)]) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) digits += ALPHABET[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return digits.replace(/(.{4})(?=.)/g, '$1-')
}

/** Forgives case, spaces, dashes, and the letters that look like digits. @throws {RecoveryKeyInvalidError} */
export function parseRecoveryKey(text: string): SigningKey {
  if (text.length > 1024) throw new RecoveryKeyInvalidError('too long')
  const digits = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (digits.length !== DIGITS) throw new RecoveryKeyInvalidError(`${digits.length} characters instead of ${DIGITS}`)
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit)
    if (value < 0) throw new RecoveryKeyInvalidError('a character that does not occur in one')
    held = (held << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push(held >> bits)
      held &= (1 << bits) - 1
    }
  }
  const seed = Uint8Array.from(bytes.slice(0, SEED_BYTES))
  if (!equalBytes(Uint8Array.from(bytes.slice(SEED_BYTES)), checksum(seed))) {
    throw new RecoveryKeyInvalidError('its checksum does not match')
  }
  return signingKeyFromSeed(seed)
}

function checksum(seed: Uint8Array): Uint8Array {
  return sha256(new TextEncoder().encode('malote/1/recovery-key\0'), seed).subarray(0, CHECK_BYTES)
}
