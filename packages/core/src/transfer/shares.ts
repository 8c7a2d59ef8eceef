/** Who of several members comes first for which chunk: by a hash of both, so that all who reckon it agree. Pure. */

/** For one member (FNV-1a). */
export function seedOf(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** Spreads well over 32 bits (the finaliser of MurmurHash3). */
export function mixed(seed: number, index: number): number {
  let hash = seed ^ Math.imul(index + 1, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
