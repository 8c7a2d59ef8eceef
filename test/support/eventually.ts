/** Waits for a condition, not for a time: asks again until it holds, and says why it did not when the deadline passes. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T> | T,
  deadlineMs = 20_000,
  everyMs = 25,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + deadlineMs
  let last: unknown = 'never asked'
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== false && answer !== undefined && answer !== null)
        return answer as Exclude<T, false | null | undefined>
      last = answer
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what} (last: ${describe(last)})`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : JSON.stringify(value)
}
