/** What the node reports is English already: nothing is to be said another way. */
import type { Reported, Values } from '../reported.ts'

/** By reason: what is wrong, and what to do about it. */
export const errors: Readonly<Record<string, (values: Values) => Reported>> = {}
/** By code: what stopped a transfer; of a refusal: what the rules did not let happen. */
export const stops: Readonly<Record<string, string>> = {}
export const refusals: Readonly<Record<string, string>> = {}
/** Why something is not what it should be, as the node says it, and what it says it of. */
export const whys: Readonly<Record<string, string>> = {}
