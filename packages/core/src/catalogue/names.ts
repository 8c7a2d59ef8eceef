/**
 * Names, tags and campaigns. A name is data: whatever can be exported under some safe name is kept as it is (`../x`,
 * `CON`); refused is only what no person can have meant. Decoding other branches' boxes is more lenient: see
 * `boxes-format.ts`. What people see goes through `showText`.
 */
import { NameInvalidError } from './errors.ts'

/** Characters (code points), as people count them. */
export const NAME_MAX = 255
export const TAG_MAX = 64
export const TAGS_MAX = 64
export const TYPE_MAX = 255
export const DEFAULT_TYPE = 'application/octet-stream'

/** What people give when they share a file. */
export interface FileDetails {
  readonly name: string
  /** media type */
  readonly type: string
  readonly tags: readonly string[]
  readonly campaign: string | null
}

/** RFC 6838 names, with parameters; only what can stand in a header. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(?:; ?[\x20-\x7e]+)?$/i

/** @throws {NameInvalidError} naming the character */
export function checkName(name: string): void {
  checkText('name', name, NAME_MAX)
  if (name === '.' || name === '..') throw new NameInvalidError('name', `${name} names a folder, not a file`)
}

/** @returns the details with tags in order and without doubles. @throws {NameInvalidError} */
export function checkDetails(details: FileDetails): FileDetails {
  checkName(details.name)
  if (details.type.length > TYPE_MAX || !MEDIA_TYPE.test(details.type))
    throw new NameInvalidError('type', 'is not a media type')
  if (details.campaign !== null) checkText('campaign', details.campaign, NAME_MAX)
  for (const tag of details.tags) checkText('tag', tag, TAG_MAX)
  const tags = [...new Set(details.tags)].sort()
  if (tags.length > TAGS_MAX)
    throw new NameInvalidError('list of tags', `has ${tags.length} where at most ${TAGS_MAX} are allowed`)
  return { name: details.name, type: details.type, tags, campaign: details.campaign }
}

function checkText(what: string, text: string, max: number): void {
  if (text.length === 0) throw new NameInvalidError(what, 'is empty')
  const length = text.length <= max ? text.length : [...text].length
  if (length > max) throw new NameInvalidError(what, `has ${length} characters where at most ${max} are allowed`)
  const bad = /[\0\p{Cs}]/u.exec(text)
  if (bad === null) return
  // as people count, like the lengths
  const place = `at position ${[...text.slice(0, bad.index)].length + 1}`
  throw new NameInvalidError(
    what,
    bad[0] === '\0'
      ? `has the character U+0000 ${place}`
      : `has half of a surrogate pair (${codePoint(bad[0])}) ${place}`,
  )
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}
