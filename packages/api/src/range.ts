/** Conditional and range requests, RFC 9110 sections 13 and 14. Pure. */

export interface ContentRange {
  /** first byte */
  start: number
  /** behind the last byte */
  end: number
}

/**
 * What a Range header asks of content of `size` bytes. `null`: answer in full (no header, another unit, a malformed
 * header, several ranges: a server may ignore those). `unsatisfiable`: 416.
 */
export function parseRange(header: string | undefined, size: number): ContentRange | null | 'unsatisfiable' {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '')
  if (match === null) return null
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return null
  if (first === '') {
    // the last n bytes
    const length = Number(last)
    if (length === 0 || size === 0) return 'unsatisfiable'
    return { start: Math.max(0, size - length), end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) }
}

/** Whether a list of entity tags (`If-Match`, `If-None-Match`) names this one. */
export function matchesTag(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true
  for (const match of header.matchAll(/(W\/)?("[^"]*")/g)) {
    if (comparison === 'strong' && (match[1] !== undefined || etag.startsWith('W/'))) continue
    if (match[2] === etag.replace(/^W\//, '')) return true
  }
  return false
}

/** `If-Range` lets a Range count only while the content is the one that the client has the beginning of. */
export function rangeStillFits(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag
}

/** An opaque validator as an entity tag; what cannot stand in one is escaped. */
export function entityTag(opaque: string): string {
  if (/^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(opaque)) return opaque
  return `"${encodeURIComponent(opaque.toWellFormed())}"`
}
