/**
 * The disk of a simulated machine: a database in memory that outlives the process which had it open. What a transaction
 * committed is there after a power cut, what it did not is not, as on a real disk; a copy is what is committed now.
 */
import { type Database, migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'

const shared = { path: ':memory:', migrations: migrationsFolder('shared') }
/** A new database with all its tables: the migrations of all machines are the same. */
let blank: Buffer | undefined

function blankImage(): Buffer {
  if (blank === undefined) {
    const db = openDatabase(shared)
    blank = db.image()
    db.close()
  }
  return blank
}

/** A database of its own, with nothing in it. */
export function openBlank(): Database {
  return openDatabase({ ...shared, image: blankImage() })
}

export class Disk {
  #image: Buffer | undefined
  #db: Database | undefined

  /** @param image what is on it; a new one is blank until it is opened */
  constructor(image?: Buffer) {
    this.#image = image
  }

  /** Whether anything was ever written to it. */
  get isUsed(): boolean {
    return this.#db !== undefined || this.#image !== undefined
  }

  /** For one process at a time. Once it is closed, that process writes no more, and the next goes on from what is there. */
  open(): Database {
    const db = this.#db ?? openDatabase({ ...shared, image: this.#image ?? blankImage() })
    this.#db = db
    this.#image = undefined
    let isOpen = true
    return {
      ...db,
      write(work) {
        if (!isOpen) throw new TypeError('a process that is gone writes to its disk')
        return db.write(work)
      },
      close() {
        isOpen = false
      },
    }
  }

  /** As it is now, also while a process has it open. */
  copy(): Disk {
    return new Disk(this.#db?.image() ?? this.#image)
  }

  /** For good. */
  close(): void {
    this.#db?.close()
    this.#db = undefined
  }
}
