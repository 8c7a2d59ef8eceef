/**
 * Soft facts on disk (docs/specs/facts.md). Own facts form a log by (start, counter); of others the newest value of
 * each (topic, key) is kept, as they stated it themselves. Only a start is durable at once: who has heard of facts that
 * a power cut took from our log gets everything anew.
 */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/index.ts'
import { fromHex, type NodeId, toHex } from '../ids.ts'
import { FactInvalidError } from './errors.ts'

/**
 * `address`: multiaddrs of the node; `hold`: how much of a version it has (key: root); `decline`: a version that it may
 * not or cannot hold (key: root); `doubt`: members whose copies of an own version it does not believe (key: root); `pass`: a candidate's word in a draw (key: seed and file);
 * `relay`: it serves as relay, and how busy it is.
 */
export const FACT_TOPICS = ['address', 'hold', 'decline', 'pass', 'doubt', 'relay'] as const
export type FactTopic = (typeof FACT_TOPICS)[number]

export const MAX_FACT_VALUE = 4 * 1024
export const MAX_FACT_KEY = 128
/** Per node: 200,000 files with several versions each, and no disk that one member could fill. */
export const MAX_FACTS_PER_NODE = 1_000_000
export const MAX_BYTES_PER_NODE = 256 * 1024 * 1024
/** What was taken back is told this long, ms; who was away longer gets everything anew. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000
/** Starts that are remembered; older positions are answered with everything. */
const MAX_STARTS = 1_000

/** A place in one node's log. Compared by start, then counter. */
export interface Position {
  readonly start: number
  readonly counter: number
}

export interface Fact extends Position {
  readonly topic: FactTopic
  readonly key: string
  /** null: taken back */
  readonly value: Uint8Array | null
}

interface Row {
  topic: number
  key: Uint8Array | string
  start: number
  counter: number
  value: Uint8Array | null
}

export class FactStore {
  readonly #db: Database
  readonly #self: NodeId
  readonly #clock: Clock
  #position: Position = { start: 0, counter: 0 }
  /** positions at or before this one have lost what was taken back since */
  #horizon = 0

  constructor(db: Database, self: NodeId, clock: Clock) {
    this.#db = db
    this.#self = self
    this.#clock = clock
    this.#db.write(() => this.#begin())
  }

  get position(): Position {
    return this.#position
  }

  /** A new start: above every one before, and never below the wall clock. */
  #begin(): void {
    this.#db.prepare('INSERT OR IGNORE INTO fact_nodes (id, node) VALUES (0, ?)').run(this.#self)
    const newest =
      this.#db.prepare<{ start: number | null }>('SELECT max(start) AS start FROM fact_starts').get()?.start ?? 0
    const start = Math.max(this.#clock.now(), newest + 1)
    this.#horizon = start - TOMBSTONE_MS
    const { changes } = this.#db
      .prepare('DELETE FROM facts WHERE node = 0 AND value IS NULL AND start <= ?')
      .run(this.#horizon)
    this.#count(0, -changes, 0)
    this.#db
      .prepare(
        'DELETE FROM fact_starts WHERE start <= (SELECT start FROM fact_starts ORDER BY start DESC LIMIT 1 OFFSET ?)',
      )
      .run(MAX_STARTS)
    this.#db.prepare('INSERT INTO fact_starts (start, counter) VALUES (?, 0)').run(start)
    this.#position = { start, counter: 0 }
  }

  /** False when it was so already. @throws {FactInvalidError} when it does not fit */
  setOwn(topic: FactTopic, key: string, value: Uint8Array | null): boolean {
    if (key.length > MAX_FACT_KEY) throw new FactInvalidError(`key of ${key.length} characters`)
    if (value !== null && value.length > MAX_FACT_VALUE) throw new FactInvalidError(`value of ${value.length} bytes`)
    return this.#db.writeSoft(() => {
      const before = this.#row(0, topic, key)
      if (value === null ? (before?.value ?? null) === null : isSame(before?.value ?? null, value)) return false
      const { facts, bytes } = this.#node(0)
      if (before === undefined && facts >= MAX_FACTS_PER_NODE) throw new FactInvalidError('this node states too many')
      if (bytes + (value?.length ?? 0) > MAX_BYTES_PER_NODE) throw new FactInvalidError('this node states too much')
      const { start } = this.#position
      const counter = this.#position.counter + 1
      this.#put(0, { topic: FACT_TOPICS.indexOf(topic), key: storedKey(key), start, counter, value }, before)
      this.#db.prepare('UPDATE fact_starts SET counter = ? WHERE start = ?').run(counter, start)
      this.#position = { start, counter }
      return true
    })
  }

  /** True when `position` is in our log and nothing after it has been forgotten: the log goes on from there. */
  knows(position: Position): boolean {
    if (position.start <= this.#horizon) return false
    const known = this.#db
      .prepare<{ counter: number }>('SELECT counter FROM fact_starts WHERE start = ?')
      .get(position.start)
    return known !== undefined && position.counter <= known.counter
  }

  ownSince(position: Position, limit: number): Fact[] {
    return this.#db
      .prepare<Row>(
        `SELECT topic, key, start, counter, value FROM facts
         WHERE node = 0 AND (start, counter) > (?, ?) ORDER BY start, counter LIMIT ?`,
      )
      .all(position.start, position.counter, limit)
      .map(factOf)
  }

  /** How far another node's log has been taken; (0, 0) when nothing has. */
  positionOf(node: NodeId): Position {
    const row = this.#db.prepare<Position>('SELECT start, counter FROM fact_nodes WHERE node = ?').get(node)
    return row ?? { start: 0, counter: 0 }
  }

  /**
   * Takes a batch of another node's log. @returns the facts that changed something; with `reset`, also what is no
   * longer stated
   */
  takeFrom(node: NodeId, facts: readonly Fact[], reset: boolean, upTo: Position): Fact[] {
    return this.#db.writeSoft(() => {
      this.#db.prepare('INSERT OR IGNORE INTO fact_nodes (node) VALUES (?)').run(node)
      const id = this.#node(node).id
      const dropped = reset ? this.#dropAll(id) : new Map<string, Fact>()
      const changed: Fact[] = []
      for (const fact of facts) {
        const former = dropped.get(nameOf(fact))
        dropped.delete(nameOf(fact))
        if (this.#take(id, fact) && !(former !== undefined && isSame(former.value, fact.value))) changed.push(fact)
      }
      this.#db.prepare('UPDATE fact_nodes SET start = ?, counter = ? WHERE id = ?').run(upTo.start, upTo.counter, id)
      for (const fact of dropped.values()) changed.push({ ...fact, value: null })
      return changed
    })
  }

  forget(node: NodeId): void {
    this.#db.writeSoft(() => {
      const row = this.#db.prepare<{ id: number }>('SELECT id FROM fact_nodes WHERE node = ? AND id <> 0').get(node)
      if (row === undefined) return
      this.#db.prepare('DELETE FROM facts WHERE node = ?').run(row.id)
      this.#db.prepare('DELETE FROM fact_nodes WHERE id = ?').run(row.id)
    })
  }

  get(node: NodeId, topic: FactTopic, key: string): Uint8Array | null {
    const row = this.#db
      .prepare<{ value: Uint8Array | null }>(
        'SELECT value FROM facts WHERE topic = ? AND key = ? AND node = (SELECT id FROM fact_nodes WHERE node = ?)',
      )
      .get(FACT_TOPICS.indexOf(topic), storedKey(key), node)
    return row?.value == null ? null : plain(row.value)
  }

  of(node: NodeId, topic: FactTopic): [string, Uint8Array][] {
    return this.#db
      .prepare<{ key: Uint8Array | string; value: Uint8Array }>(
        `SELECT key, value FROM facts
         WHERE node = (SELECT id FROM fact_nodes WHERE node = ?) AND topic = ? AND value IS NOT NULL`,
      )
      .all(node, FACT_TOPICS.indexOf(topic))
      .map(({ key, value }) => [readKey(key), plain(value)])
  }

  /** Asked for every file of a list: a join of the two tables takes four times as long where there is nothing. */
  byKey(topic: FactTopic, key: string): [NodeId, Uint8Array][] {
    return this.#db
      .prepare<{ node: number; value: Uint8Array }>(
        'SELECT node, value FROM facts WHERE topic = ? AND key = ? AND value IS NOT NULL ORDER BY node',
      )
      .all(FACT_TOPICS.indexOf(topic), storedKey(key))
      .map(({ node, value }) => [this.#nodeOf(node), plain(value)])
  }

  #nodeOf(id: number): NodeId {
    const row = this.#db.prepare<{ node: string }>('SELECT node FROM fact_nodes WHERE id = ?').get(id)
    if (row === undefined) throw new TypeError('facts of a node without a row')
    return row.node as NodeId
  }

  byTopic(topic: FactTopic): [NodeId, string, Uint8Array][] {
    return this.#db
      .prepare<{ node: string; key: Uint8Array | string; value: Uint8Array }>(
        `SELECT n.node AS node, f.key AS key, f.value AS value FROM facts f JOIN fact_nodes n ON n.id = f.node
         WHERE f.topic = ? AND f.value IS NOT NULL`,
      )
      .all(FACT_TOPICS.indexOf(topic))
      .map(({ node, key, value }) => [node as NodeId, readKey(key), plain(value)])
  }

  /** False when it is not newer than what is here, or beyond what one node may state. */
  #take(id: number, fact: Fact): boolean {
    const before = this.#row(id, fact.topic, fact.key)
    if (before !== undefined && !isAfter(fact, before)) return false
    if (fact.value === null) {
      if (before === undefined) return false
      this.#count(id, -1, -(before.value?.length ?? 0))
      this.#db
        .prepare('DELETE FROM facts WHERE topic = ? AND key = ? AND node = ?')
        .run(FACT_TOPICS.indexOf(fact.topic), storedKey(fact.key), id)
      return true
    }
    const { facts, bytes } = this.#node(id)
    if (before === undefined && facts >= MAX_FACTS_PER_NODE) return false
    if (bytes + fact.value.length > MAX_BYTES_PER_NODE) return false
    const { topic, key, start, counter, value } = fact
    this.#put(id, { topic: FACT_TOPICS.indexOf(topic), key: storedKey(key), start, counter, value }, before)
    return !isSame(before?.value ?? null, value)
  }

  #put(id: number, row: Row, before: Row | undefined): void {
    this.#db
      .prepare(
        `INSERT INTO facts (topic, key, node, start, counter, value) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET start = excluded.start, counter = excluded.counter, value = excluded.value`,
      )
      .run(row.topic, row.key, id, row.start, row.counter, row.value)
    this.#count(id, before === undefined ? 1 : 0, (row.value?.length ?? 0) - (before?.value?.length ?? 0))
  }

  #count(id: number, facts: number, bytes: number): void {
    this.#db.prepare('UPDATE fact_nodes SET facts = facts + ?, bytes = bytes + ? WHERE id = ?').run(facts, bytes, id)
  }

  #dropAll(id: number): Map<string, Fact> {
    const rows = this.#db.prepare<Row>('SELECT topic, key, start, counter, value FROM facts WHERE node = ?').all(id)
    this.#db.prepare('DELETE FROM facts WHERE node = ?').run(id)
    this.#db.prepare('UPDATE fact_nodes SET facts = 0, bytes = 0 WHERE id = ?').run(id)
    return new Map(rows.map((row) => [nameOf(factOf(row)), factOf(row)]))
  }

  #row(id: number, topic: FactTopic, key: string): Row | undefined {
    return this.#db
      .prepare<Row>('SELECT topic, key, start, counter, value FROM facts WHERE topic = ? AND key = ? AND node = ?')
      .get(FACT_TOPICS.indexOf(topic), storedKey(key), id)
  }

  #node(node: NodeId | number): { id: number; facts: number; bytes: number } {
    const column = typeof node === 'number' ? 'id' : 'node'
    const row = this.#db
      .prepare<{ id: number; facts: number; bytes: number }>(
        `SELECT id, facts, bytes FROM fact_nodes WHERE ${column} = ?`,
      )
      .get(node)
    if (row === undefined) throw new TypeError('facts of a node without a row')
    return row
  }
}

export function isAfter(a: Position, b: Position): boolean {
  return a.start > b.start || (a.start === b.start && a.counter > b.counter)
}

function nameOf(fact: Fact): string {
  return `${fact.topic} ${fact.key}`
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}

/** Roots and ids take half the room as bytes, and there are millions of them. */
function storedKey(key: string): Uint8Array | string {
  return /^(?:[0-9a-f]{2})+$/.test(key) ? fromHex(key) : key
}

function readKey(key: Uint8Array | string): string {
  return typeof key === 'string' ? key : toHex(key)
}

function factOf({ topic, key, start, counter, value }: Row): Fact {
  const name = FACT_TOPICS[topic]
  if (name === undefined) throw new TypeError(`unknown topic ${topic} in the database`)
  return { topic: name, key: readKey(key), start, counter, value: value === null ? null : plain(value) }
}

/** better-sqlite3 gives Buffers. */
function plain(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}
