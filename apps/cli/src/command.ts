/** How a command is written down: name, words, examples, handler. `program.ts` turns these into commander's. */
import type { Command } from 'commander'
import type { Context } from './context.ts'

export interface CommandSpec {
  /** as commander wants it: `fetch <file>` */
  readonly usage: string
  /** in the language that is spoken */
  readonly summary: () => string
  /** the usage line of the help, where commander's own would mislead */
  readonly synopsis?: string
  readonly examples: readonly string[]
  /** adds options to commander's command */
  readonly options?: (command: Command) => Command
  /** @param args positional arguments in order, then commander's options */
  readonly run?: (context: Context, args: readonly (string | undefined)[], options: Options) => Promise<void>
  /** variadic arguments come as one list at their place */
  readonly runMany?: (context: Context, args: readonly unknown[], options: Options) => Promise<void>
  readonly subcommands?: readonly CommandSpec[]
  /** run without a subcommand */
  readonly isDefault?: boolean
}

export type Options = Readonly<Record<string, unknown>>

/** Collects a repeatable option. */
export function list(value: string, before: string[] = []): string[] {
  return [...before, value]
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** An object without the fields that are undefined (`exactOptionalPropertyTypes`). */
export function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}
