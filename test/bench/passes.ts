/** How the bare programs measure: what is told is a pass on programs that have run before, as a node has. */

/** The last one is told. */
export const PASSES = 2

export interface Took {
  readonly ms: number
  /** seconds of processor time of this process */
  readonly cpu: number
}

export async function measure(pass: () => Promise<void>): Promise<Took> {
  const began = performance.now()
  const before = process.cpuUsage()
  await pass()
  const { user, system } = process.cpuUsage(before)
  return { ms: performance.now() - began, cpu: (user + system) / 1e6 }
}
