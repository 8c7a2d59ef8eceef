/** What every command shares: options, the connection to the node, and how to print. */

import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectTo, type MaloteClient } from '@malote/client'
import { showJson } from '@malote/core/show-text'
import { type Messages, say } from './messages/index.ts'
import { type Column, formatTable } from './output/terminal.ts'

export interface GlobalOptions {
  data?: string
  json?: boolean
  quiet?: boolean
}

export interface Context {
  readonly dataDir: string
  /** where `dataDir` comes from */
  readonly dataDirFrom: '--data' | 'MALOTE_DATA' | 'default'
  readonly isJson: boolean
  readonly isQuiet: boolean
  /** progress bars are wanted; whether they can be shown is the terminal's matter */
  readonly hasProgress: boolean
  /** aborted by Ctrl-C */
  readonly signal: AbortSignal
  /** The running node of the data folder; its calls end with the signal. @throws {NotRunningError} */
  client(): Promise<MaloteClient>
  /** One JSON document, or the text for people. */
  print(document: unknown, text: string): void
  /** A line for people that is not the answer: progress, hints. On stderr, silent with `--quiet`. */
  note(text: string): void
  table<Row>(rows: readonly Row[], columns: readonly TitledColumn<Row>[], empty: string): string
}

/** A column whose title is in the catalogue; empty: it has none. */
export interface TitledColumn<Row> extends Omit<Column<Row>, 'title'> {
  readonly title: keyof Messages['columns'] | ''
}

function titled<Row>(column: TitledColumn<Row>): Column<Row> {
  return { ...column, title: column.title === '' ? '' : say().columns[column.title] }
}

/** Wide enough for a PeerId and a name where the output is no terminal. */
const PIPE_WIDTH = 200

export function createContext(options: GlobalOptions, signal: AbortSignal): Context {
  const { MALOTE_DATA } = process.env
  const isJson = options.json === true
  const isQuiet = options.quiet === true
  let client: Promise<MaloteClient> | undefined
  const place: Pick<Context, 'dataDir' | 'dataDirFrom'> =
    options.data !== undefined
      ? { dataDir: options.data, dataDirFrom: '--data' }
      : MALOTE_DATA !== undefined && MALOTE_DATA !== ''
        ? { dataDir: MALOTE_DATA, dataDirFrom: 'MALOTE_DATA' }
        : { dataDir: defaultDataDir(), dataDirFrom: 'default' }
  return {
    ...place,
    isJson,
    isQuiet,
    hasProgress: !isJson && !isQuiet,
    signal,
    client() {
      client ??= connectTo(place.dataDir, { signal })
      return client
    },
    print(document, text) {
      process.stdout.write(isJson ? `${showJson(JSON.stringify(document))}\n` : text === '' ? '' : `${text}\n`)
    },
    note(text) {
      if (!isQuiet) process.stderr.write(`${text}\n`)
    },
    table: (rows, columns, empty) =>
      rows.length === 0
        ? empty
        : formatTable(rows, columns.map(titled), process.stdout.isTTY ? process.stdout.columns || 80 : PIPE_WIDTH),
  }
}

/** Where the platform keeps an application's data. */
export function defaultDataDir(): string {
  const home = homedir()
  if (process.platform === 'win32') return join(process.env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'Malote')
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'Malote')
  return join(process.env.XDG_DATA_HOME || join(home, '.local', 'share'), 'malote')
}
