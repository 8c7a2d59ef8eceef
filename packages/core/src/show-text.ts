/**
 * Names, and whatever else other branches have chosen, for people's eyes: in terminals, logs, messages and consoles.
 * @module @malote/core/show-text
 */

/**
 * Control, format (bidirectional, zero-width), private, separators other than space, surrogates, and whatever is drawn as
 * nothing; but not the sign that makes an emoji of the character before it.
 */
const UNSEEN =
  /(?<!\p{Extended_Pictographic})\ufe0f|[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]|(?!\ufe0f)\p{Default_Ignorable_Code_Point}/gu

/** The same document, fit for a terminal: such characters can only stand in its strings, where `\u` says the same. */
export function showJson(json: string): string {
  return json.replace(UNSEEN, (character) =>
    Array.from({ length: character.length }, (_, at) => hexUnit(character.charCodeAt(at))).join(''),
  )
}

function hexUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}

/** Nothing that moves the cursor, turns the text round, or cannot be seen: such characters as `\u{…}`, all else as it is. */
export function showText(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
