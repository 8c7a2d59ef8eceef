import { MaloteError } from '../errors.ts'

export class DatabaseNewerError extends MaloteError {
  override name = 'DatabaseNewerError'
  constructor(path: string, found: number, known: number) {
    super('newer-database', `${path} was written by a newer Malote (format ${found}; this one knows ${known})`, {
      advice: 'Install the newer version, or use another data folder.',
    })
  }
}

export class DatabaseDamagedError extends MaloteError {
  override name = 'DatabaseDamagedError'
  constructor(path: string, cause: unknown) {
    super('damaged', `${path} cannot be opened as a Malote database`, { cause, advice: 'Run `malote doctor`.' })
  }
}

export class FolderLockedError extends MaloteError {
  override name = 'FolderLockedError'
  constructor(folder: string) {
    super('locked', `another Malote node is running on ${folder}`, {
      advice: 'Stop it with `malote down`, or give this one its own --data folder.',
    })
  }
}
