/**
 * Names for exported files. A name comes from another branch: it is data, and becomes a path component only through
 * here, under the rules of Linux, Windows and macOS together, since folders travel between them. Pure.
 * @module @malote/core/file-names
 */

/** Longest name of ext4, APFS and NTFS alike, in UTF-8 bytes (NTFS counts UTF-16 units, which are never more). */
const MAX_NAME_BYTES = 255
/** An extension longer than this is no extension, and is cut like the rest. */
const MAX_EXTENSION_BYTES = 32
const FALLBACK = 'file'

/** Separators, what Windows forbids, and control characters (C0, DEL, C1). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const FORBIDDEN = /[/\\:*?"<>|\u0000-\u001f\u007f-\u009f]/g
/** Zero-width, bidirectional and other invisible characters, line separators, noncharacters: nobody sees them in a name. */
const INVISIBLE =
  /(?<!\p{Extended_Pictographic})\ufe0f|[\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]|(?!\ufe0f)\p{Default_Ignorable_Code_Point}/gu
/** Device names of Windows, with any extension (learn.microsoft.com, "Naming Files, Paths, and Namespaces"). */
const DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?= *(?:\.|$))/i

/**
 * One path component that all three systems take and that no other name in `taken` clashes with, without regard to case
 * and normalisation. Deterministic; a name that is safe already stays as it is.
 */
export function safeFileName(name: string, taken: Iterable<string> = []): string {
  const clean = tidy(name)
  const clashes = new Set([...taken].map(clashKey))
  let candidate = shorten(clean, '')
  for (let number = 2; clashes.has(clashKey(candidate)); number++) candidate = shorten(clean, ` (${number})`)
  return candidate
}

/** Two names with one key may be one file on some system. */
export function clashKey(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC')
}

function tidy(name: string): string {
  let clean = name.toWellFormed().replace(INVISIBLE, '').normalize('NFC').replace(FORBIDDEN, '_')
  clean = trimEnd(clean.trimStart())
  // `.profile` in a home folder would be more than a document; `.` and `..` have become empty above
  if (clean.startsWith('.')) clean = `_${clean.slice(1)}`
  if (DEVICE.test(clean)) clean = `_${clean}`
  return clean === '' ? FALLBACK : clean
}

/** Windows drops dots and spaces at the end, so that two names would be one. */
function trimEnd(text: string): string {
  return text.replace(/[.\s]+$/u, '')
}

function shorten(clean: string, suffix: string): string {
  const dot = clean.lastIndexOf('.')
  const isExtension = dot > 0 && Buffer.byteLength(clean.slice(dot)) <= MAX_EXTENSION_BYTES
  const extension = isExtension ? clean.slice(dot) : ''
  const stem = isExtension ? clean.slice(0, dot) : clean
  const room = MAX_NAME_BYTES - Buffer.byteLength(extension) - Buffer.byteLength(suffix)
  const cut = cutBytes(stem, room)
  // only a cut can have bared dots or spaces, or have left nothing where one character is very long
  return `${cut === stem ? stem : trimEnd(cut) || FALLBACK}${suffix}${extension}`
}

/** At most so many bytes, without cutting a character that people see as one. */
function cutBytes(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text
  let cut = ''
  let used = 0
  for (const { segment } of new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(text)) {
    used += Buffer.byteLength(segment)
    if (used > bytes) break
    cut += segment
  }
  return cut
}
