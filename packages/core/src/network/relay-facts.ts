/**
 * Members tell each other who serves as relay and how busy it is, as a soft fact (docs/specs/relay.md). Told in steps, and
 * not more often than half a minute, unless a node begins or ends to serve.
 */
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { MAX_FACT_VALUE } from './fact-store.ts'
import type { Facts } from './facts.ts'
import type { NetworkHost } from './host-types.ts'
import type { RelayLoad } from './relay-types.ts'

const KEY = 'self'
/** Between two changes of what is said of the load, milliseconds. */
const TELL_MS = 30_000
/** Circuits that can be named. */
const MAX_NAMED = 65_536

const loadShape = shape.object({ circuits: shape.uint(MAX_NAMED), percent: shape.uint(100) })

export interface RelayFactsInit {
  host: NetworkHost
  facts: Facts
  clock: Clock
  log?: (message: string, error?: unknown) => void
}

export class RelayFacts {
  readonly #init: RelayFactsInit
  #told: string | undefined
  #toldAt = 0

  constructor(init: RelayFactsInit) {
    this.#init = init
  }

  /** What others said before this start counts until they say otherwise. @returns how to end */
  start(others: readonly NodeId[]): () => void {
    const { host, facts } = this.#init
    for (const node of others) this.#take(node, facts.get(node, 'relay', KEY))
    return facts.onChange(({ node, topic, value }) => {
      if (topic === 'relay' && node !== host.id) this.#take(node, value)
    })
  }

  tend(): void {
    const { host, facts, clock, log } = this.#init
    const load = host.relayLoad()
    const text = load === null ? '' : `${stepped(load.circuits)} ${stepped(load.share * 100)}`
    const hasTurned = this.#told === undefined || (text === '') !== (this.#told === '')
    if (text === this.#told || (!hasTurned && clock.now() - this.#toldAt < TELL_MS)) return
    this.#told = text
    this.#toldAt = clock.now()
    try {
      if (load === null) facts.clear('relay', KEY)
      else facts.set('relay', KEY, encodeCbor({ circuits: stepped(load.circuits), percent: stepped(load.share * 100) }))
    } catch (error) {
      log?.('what this relay says of itself cannot be kept', error)
    }
  }

  #take(node: NodeId, value: Uint8Array | null): void {
    const { host, log } = this.#init
    try {
      const load = value === null ? null : loadShape(decodeCbor(value, MAX_FACT_VALUE))
      host.noteRelay(node, load === null ? null : toLoad(load))
    } catch (error) {
      log?.(`what ${node} says of itself as relay is malformed`, error)
    }
  }
}

function toLoad({ circuits, percent }: { circuits: number; percent: number }): RelayLoad {
  return { circuits, share: percent / 100 }
}

/** 0, 1, 2, 4, 8 and so on, and 100 for what is a full percentage. */
function stepped(value: number): number {
  if (value < 1) return 0
  return Math.min(2 ** Math.floor(Math.log2(value)), MAX_NAMED)
}
