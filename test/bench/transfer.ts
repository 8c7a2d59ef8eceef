/**
 * `npm run bench -- transfer [MiB] [MB] [slower] [range MiB]`: one file from one source, and from several over capped links.
 * Prints a table; asserts nothing.
 */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { benchCappedLinks } from './transfer-links.ts'
import { benchOneSource } from './transfer-one.ts'

/**
 * @param mib of the file from one source; 0 leaves that out @param megabytes of those over capped links; 0 leaves them out
 * @param slower makes all links slower by this factor, for a machine that is busy @param rangeMib see `benchCappedLinks`
 */
export async function benchTransfer(mib = 1024, megabytes = 500, slower = 1, rangeMib = 2048): Promise<void> {
  // in memory where there is such a folder: the disk is not what is measured
  process.env.TMPDIR = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const rows = [
    ...(mib === 0 ? [] : await benchOneSource(mib)),
    ...(megabytes === 0 ? [] : await benchCappedLinks(megabytes, slower, rangeMib)),
  ]
  console.table(rows)
}
