/** Tells those who were told which chunks we have what has come since: a little later, so that a burst goes together. */
import type { Clock } from '../clock.ts'
import { getBit, type SealedFile, setBit } from '../content/index.ts'
import type { Root } from '../ids.ts'
import { MAX_HAVE } from './protocol.ts'

/** Chunks that arrive within this are told to clients together (ms): the least, the most. */
const HAVE_MS = 50
const MAX_HAVE_MS = 500
/** For each client beyond so many: what messages cost is not to grow with the square of a swarm. */
const FEW_CLIENTS = 8
const HAVE_MS_PER_CLIENT = 20

export interface Informed {
  readonly root: Root
  readonly file: SealedFile
  /** what it was told we have; null = everything */
  readonly told: Uint8Array | null
}

export interface ProviderNews {
  /** A chunk has become visible; null: look at everything. */
  add(root: Root, index: number | null): void
  stop(): void
}

export function createNews<C extends Informed>(init: {
  clock: Clock
  clients: ReadonlySet<C>
  /** at most `MAX_HAVE` chunks in one go */
  tell: (client: C, indexes: number[]) => void
}): ProviderNews {
  /** what has come since clients were told; null = look at everything */
  const fresh = new Map<Root, number[] | null>()
  let cancel: (() => void) | undefined
  let toldAt = Number.NEGATIVE_INFINITY

  const tellAll = (root: Root, arrived: number[] | null) => {
    for (const client of init.clients) {
      const { told, file } = client
      if (told === null || client.root !== root) continue
      const candidates = arrived ?? Array.from({ length: file.count }, (_, at) => at)
      const news = candidates.filter((at) => !getBit(told, at) && file.has(at))
      for (const at of news) setBit(told, at)
      for (let at = 0; at < news.length; at += MAX_HAVE) init.tell(client, news.slice(at, at + MAX_HAVE))
    }
  }

  /** Few are told at once where nothing was told lately: they pass it on so much sooner. */
  const waitMs = () => {
    const ms = gatheringMs(init.clients)
    return ms > HAVE_MS ? ms : Math.max(0, toldAt + ms - init.clock.now())
  }

  return {
    add(root, index) {
      const known = fresh.get(root)
      if (index === null) fresh.set(root, null)
      else if (known === undefined) fresh.set(root, [index])
      else known?.push(index)
      cancel ??= init.clock.after(waitMs(), () => {
        cancel = undefined
        toldAt = init.clock.now()
        const all = [...fresh]
        fresh.clear()
        for (const [each, arrived] of all) tellAll(each, arrived)
      })
    },
    stop: () => cancel?.(),
  }
}

function gatheringMs(clients: Iterable<Informed>): number {
  let told = 0
  for (const client of clients) if (client.told !== null) told += 1
  return Math.min(MAX_HAVE_MS, HAVE_MS + Math.max(0, told - FEW_CLIENTS) * HAVE_MS_PER_CLIENT)
}
