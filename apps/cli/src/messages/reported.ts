/** What a node or the client reports, as the catalogue is given it. */

/**
 * The values of a failure, by the names they have in the problem document. One that is not there, since the node is older
 * or newer than this command, throws: the English sentence of the node is taken then.
 */
export type Values = Readonly<Record<string, string>>

/** What is wrong, and what to do about it. */
export type Reported = readonly [what: string, advice?: string]

export class ValueMissingError extends Error {
  override name = 'ValueMissingError'
}

/** @param fields of a problem document */
export function valuesOf(fields: Readonly<Record<string, unknown>>): Values {
  return new Proxy({} as Record<string, string>, {
    get(_target, name) {
      const value = fields[String(name)]
      if (Array.isArray(value)) return value.map(nameOf).join(', ')
      if (value === undefined || value === null) throw new ValueMissingError(String(name))
      return String(value)
    },
    has: (_target, name) => fields[String(name)] !== undefined,
  })
}

/** Of a list's member: `Rio (12D3KooW…)`, or itself. */
function nameOf(each: unknown): string {
  if (typeof each !== 'object' || each === null) return String(each)
  const { branch, id } = each as { branch?: unknown; id?: unknown }
  return branch === undefined ? String(id) : `${String(branch)} (${String(id)})`
}
