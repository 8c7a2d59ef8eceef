/**
 * `Content-Disposition` for a name that another branch has chosen: never inline, never a path, never a header of its
 * own. RFC 6266 with the name in RFC 8187 form, and a plain fallback.
 */
export function attachment(name: string): string {
  const flat = replaceUnsafe(name).slice(0, 255) || 'file'
  const plain = flat.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_')
  return `attachment; filename="${plain}"; filename*=UTF-8''${encode8187(flat)}`
}

/** Separators, control characters, bidirectional and zero-width marks, lone surrogates. */
function replaceUnsafe(name: string): string {
  return name
    .toWellFormed()
    .replace(/[/\\]/g, '_')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '_')
    .replace(/^\.+/, '_')
}

/** attr-char of RFC 8187 stays, everything else is percent-encoded UTF-8. */
function encode8187(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** The media type if it is a well-formed one, without parameters that could change how it is read. */
export function safeMediaType(type: string): string {
  const match = /^\s*([a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127})\s*(?:;.*)?$/i.exec(type)
  return match?.[1]?.toLowerCase() ?? 'application/octet-stream'
}
