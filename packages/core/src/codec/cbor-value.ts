/** What our formats are made of. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue | undefined }

/** As a key of a map it is refused on both sides: assigned to an object it would change what the object is. */
export const FORBIDDEN_KEY = '__proto__'
