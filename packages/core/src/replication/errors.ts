import { MaloteError } from '../errors.ts'

export class OrphansLeftError extends MaloteError {
  override name = 'OrphansLeftError'
  constructor(files: readonly string[]) {
    super('orphans-left', `${files.length} file(s) of this branch found no new owner`, {
      advice:
        'The leaving has begun and the other branches know: repeat `malote unregister` when more of them are online, or leave these files without an owner with --force.',
      details: { count: files.length, files: files.slice(0, 100) },
    })
  }
}

export class DrainStalledError extends MaloteError {
  override name = 'DrainStalledError'
  constructor(done: number, total: number) {
    super('unreachable', `only ${done} of ${total} files have enough copies on other branches`, {
      advice: 'Wait until more branches are online and repeat, or leave all the same with --force.',
      details: { done, total },
    })
  }
}
