/**
 * One process under one identity, and the word by which it proves to be alive. Spec: docs/specs/presence.md, "Two at
 * once"; why so: docs/decisions/0014-feeds-forks-and-twins.md.
 */
import type { Clock } from '../clock.ts'
import { equalBytes, type SigningKey, sign, verify } from '../crypto/index.ts'
import { type NetworkId, type NodeId, publicKeyFromNodeId } from '../ids.ts'
import type { Random } from '../random.ts'

export const RUN_BYTES = 16
/** A second process that has gone is asked about no more, and tells nobody: its word lapses, milliseconds. */
export const TWIN_LIFE_MS = 3 * 60_000

/** Drawn anew by every process; nobody knows it before it has started. */
export interface Run {
  readonly run: Uint8Array
  /** ms since the epoch, when it started, by its own clock */
  readonly since: number
}

/** `sig` by the node's key over (run, since, the other run that it was asked about): fresh, and of this process alone. */
export interface RunProof extends Run {
  readonly sig: Uint8Array
}

/** Another process with this node's identity, as a member has shown it. */
export interface Twin extends Run {
  /** who has told */
  readonly by: NodeId
  /** ms since the epoch */
  readonly heard: number
  /** this process is the later one, which has to give way */
  readonly weAreLater: boolean
}

/** The same for every member, whoever it met first. */
export function isEarlier(a: Run, b: Run): boolean {
  return a.since === b.since ? Buffer.compare(a.run, b.run) < 0 : a.since < b.since
}

export function isProof(network: NetworkId, node: NodeId, proof: RunProof, against: Uint8Array): boolean {
  return verify(publicKeyFromNodeId(node), proof.sig, 'run', network, ...signed(proof, against))
}

function signed({ run, since }: Run, against: Uint8Array): Uint8Array[] {
  const ms = Buffer.alloc(8)
  ms.writeBigUInt64BE(BigInt(since))
  return [run, ms, against]
}

export interface OwnRunInit {
  signer: SigningKey
  self: NodeId
  network: NetworkId
  clock: Clock
  random: Random
}

/** This process, and what the members say of others that pass for it. */
export class OwnRun implements Run {
  readonly run: Uint8Array
  readonly since: number
  readonly #init: OwnRunInit
  readonly #twins = new Map<NodeId, Twin>()
  readonly #sole = new Set<NodeId>()

  constructor(init: OwnRunInit) {
    this.#init = init
    this.run = init.random.bytes(RUN_BYTES)
    this.since = init.clock.now()
  }

  prove(against: Uint8Array): RunProof {
    const { signer, network } = this.#init
    const own = { run: this.run, since: this.since }
    return { ...own, sig: sign(signer, 'run', network, ...signed(own, against)) }
  }

  /** A member shows another process with our identity. @returns null when it is not proven, else what it means */
  onTwice(by: NodeId, proof: RunProof): Twin | null {
    const { self, network, clock } = this.#init
    if (equalBytes(proof.run, this.run) || !isProof(network, self, proof, this.run)) return null
    const { run, since } = proof
    const twin: Twin = { run, since, by, heard: clock.now(), weAreLater: isEarlier(proof, this) }
    this.#twins.set(by, twin)
    this.#sole.delete(by)
    return twin
  }

  /** A member sees no other process with our identity than this one: who had to give way need not any more. */
  onSole(by: NodeId, run: Uint8Array): void {
    if (!equalBytes(run, this.run)) return
    // the earlier one is told by the same breath that the other was sent away: that it exists stays of interest
    if (this.#twins.get(by)?.weAreLater === true) this.#twins.delete(by)
    this.#sole.add(by)
  }

  isSole(node: NodeId): boolean {
    return this.#sole.has(node) && this.twin() === null
  }

  /** The newest word about another process, unless it has lapsed; one that we give way to before any other. */
  twin(): Twin | null {
    const now = this.#init.clock.now()
    let found: Twin | null = null
    for (const [by, twin] of this.#twins) {
      if (Math.abs(now - twin.heard) > TWIN_LIFE_MS) this.#twins.delete(by)
      else if (found === null || rank(twin) > rank(found)) found = twin
    }
    return found
  }
}

function rank({ weAreLater, heard }: Twin): number {
  return (weAreLater ? Number.MAX_SAFE_INTEGER / 2 : 0) + heard
}
