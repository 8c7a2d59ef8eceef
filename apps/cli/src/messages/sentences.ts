/**
 * Whole sentences of the API (checks, warnings, progress of leaving) in another language. They have no reason, so they go
 * by their English text, `{}` standing for values; what is not known stays as it is.
 */

/** English, and the same sentence with the values in the same order. */
export type Sentence = readonly [english: string, other: string]

/** A value may be a sentence itself. */
const MAX_DEPTH = 2

/** @param valueText what is no sentence and stands in one: words, sizes */
export function createTranslator(
  sentences: readonly Sentence[],
  valueText: (text: string) => string,
): (text: string) => string {
  const plain = new Map(sentences)
  const patterns = sentences
    .filter(([english]) => english.includes('{}'))
    .map(([english, other]) => [patternOf(english), other] as const)
  const translate = (text: string, depth: number): string => {
    const same = plain.get(text)
    if (same !== undefined || depth > MAX_DEPTH) return same ?? valueText(text)
    for (const [pattern, other] of patterns) {
      const values = pattern.exec(text)?.slice(1)
      if (values === undefined) continue
      let at = 0
      return other.replaceAll('{}', () => translate(values[at++] ?? '', depth + 1))
    }
    return depth === 0 ? text : valueText(text)
  }
  return (text) => translate(text, 0)
}

function patternOf(english: string): RegExp {
  const escaped = english.split('{}').map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  return new RegExp(`^${escaped.join('(.*?)')}$`, 's')
}
