/**
 * `npm run bench -- transfer [MiB] [MB] [slower] [range MiB]`: one file from one source, and from several over capped links.
 * Prints a table; asserts nothing.
 */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { benchCappedLinks } from './transfer-links.ts'
import { benchOneSource } from './transfer-one.ts'

/**
 * @param mib of the file from one source; 0 leaves that out @param megabytes and the others: see `benchCappedLinks`
 * @param slower for a machine that is busy
 */
export async function benchTransfer(mib = 1024, megabytes = 500, slower = 1, rangeMib = 2048): Promise<void> {
  // in memory where there is such a folder: the disk is not what is measured
  process.env.TMPDIR = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const rows = [
    ...(mib === 0 ? [] : await benchOneSource(mib)),
    ...(megabytes + rangeMib === 0 ? [] : await benchCappedLinks(megabytes, slower, rangeMib)),
  ]
  console.table(rows)
}
