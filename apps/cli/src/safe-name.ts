/**
 * Another branch's name for a file as one path component, under the rules of Linux, Windows and macOS together. The
 * same as the SDK's (`content/file-names.ts`), which this client does not load. Pure.
 */

/** Longest name of ext4, APFS and NTFS alike, in UTF-8 bytes. */
const MAX_NAME_BYTES = 255
/** An extension longer than this is no extension, and is cut like the rest. Bytes. */
const MAX_EXTENSION_BYTES = 32
const FALLBACK = 'file'

/** Separators, what Windows forbids, and control characters. */
const FORBIDDEN = /[/\\:*?"<>|\p{Cc}]/gu
/** Zero-width and bidirectional marks, line separators, noncharacters: nobody sees them in a name. */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/gu
/** Device names of Windows, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?= *(?:\.|$))/i

export function safeFileName(name: string): string {
  const visible = name.toWellFormed().replace(INVISIBLE, '').normalize('NFC').replace(FORBIDDEN, '_')
  let clean = trimEnd(visible.trimStart())
  // `.profile` in a home folder would be more than a document; `.` and `..` are empty by now
  if (clean.startsWith('.')) clean = `_${clean.slice(1)}`
  if (DEVICE.test(clean)) clean = `_${clean}`
  return clean === '' ? FALLBACK : shorten(clean)
}

/** Windows drops dots and spaces at the end, so that two names would be one. */
function trimEnd(text: string): string {
  return text.replace(/[.\s]+$/u, '')
}

function shorten(clean: string): string {
  if (Buffer.byteLength(clean) <= MAX_NAME_BYTES) return clean
  const dot = clean.lastIndexOf('.')
  const extension = dot > 0 && Buffer.byteLength(clean.slice(dot)) <= MAX_EXTENSION_BYTES ? clean.slice(dot) : ''
  const room = MAX_NAME_BYTES - Buffer.byteLength(extension)
  const stem = cutBytes(extension === '' ? clean : clean.slice(0, dot), room)
  return `${trimEnd(stem) || FALLBACK}${extension}`
}

/** At most so many bytes, without cutting a character that people see as one. */
function cutBytes(text: string, bytes: number): string {
  let cut = ''
  let used = 0
  for (const { segment } of new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(text)) {
    used += Buffer.byteLength(segment)
    if (used > bytes) break
    cut += segment
  }
  return cut
}
