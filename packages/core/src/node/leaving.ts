/** A leaving under way: whether it is forced, and who may cancel it. */
export interface Leaving {
  force: boolean
  done: Promise<void>
  readonly cancelled: AbortSignal
  /** From now on this signal cancels it, and no other. */
  follow(signal: AbortSignal | undefined): void
}

export function newLeaving(force: boolean): Leaving {
  const cancelling = new AbortController()
  let stopFollowing = () => {}
  return {
    force,
    done: Promise.resolve(),
    cancelled: cancelling.signal,
    follow(signal) {
      stopFollowing()
      const cancel = () => cancelling.abort(signal?.reason)
      stopFollowing = () => signal?.removeEventListener('abort', cancel)
      if (signal?.aborted) cancel()
      else signal?.addEventListener('abort', cancel, { once: true })
    },
  }
}
