/** One bit per chunk, most significant first, as on the wire and on disk. Pure. */

export function bitfieldBytes(count: number): number {
  return Math.ceil(count / 8)
}

export function fullBitfield(count: number): Uint8Array {
  const bits = new Uint8Array(bitfieldBytes(count)).fill(0xff)
  clearPadding(bits, count)
  return bits
}

export function getBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >>> 3] ?? 0) & (0x80 >>> (index & 7))) !== 0
}

export function setBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] ?? 0) | (0x80 >>> (index & 7))
}

export function clearBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] ?? 0) & ~(0x80 >>> (index & 7))
}

/** Bits behind the last chunk mean nothing and must not count. */
export function clearPadding(bits: Uint8Array, count: number): void {
  if (count % 8 !== 0 && bits.length > 0)
    bits[bits.length - 1] = (bits[bits.length - 1] ?? 0) & (0xff << (8 - (count % 8)))
}

export function countBits(bits: Uint8Array): number {
  let total = 0
  for (let byte of bits) {
    byte -= (byte >> 1) & 0x55
    byte = (byte & 0x33) + ((byte >> 2) & 0x33)
    total += (byte + (byte >> 4)) & 0x0f
  }
  return total
}
