/**
 * 47 bits of a 32-byte hash, by a secret key: enough to look something up by, in a quarter of the room. Multiply-shift over 16-bit pieces
 * (Dietzfelbinger 1996, "Universal hashing and k-wise independent random variables via integer arithmetic without primes"):
 * who does not know the key cannot choose hashes that come out alike more often than by chance, as he could with a prefix.
 */
const PIECES = 16
const PARTS = [16, 16, 15] as const
export const SHORT_SECRET_BYTES = PARTS.length * (PIECES + 1) * 4

/** @param secret random, `SHORT_SECRET_BYTES` long */
export function createShortHash(secret: Uint8Array): (hash: Uint8Array) => number {
  const view = new DataView(secret.buffer, secret.byteOffset, SHORT_SECRET_BYTES)
  const keys = Uint32Array.from({ length: SHORT_SECRET_BYTES / 4 }, (_, at) => view.getUint32(at * 4, true))
  return (hash) => {
    let short = 0
    let key = 0
    for (const bits of PARTS) {
      let sum = keys[key++] as number
      for (let at = 0; at < PIECES; at++) {
        const piece = ((hash[2 * at] as number) << 8) | (hash[2 * at + 1] as number)
        sum = (sum + Math.imul(keys[key++] as number, piece)) | 0
      }
      short = short * 2 ** bits + (sum >>> (32 - bits))
    }
    return short
  }
}
