/**
 * A node that comes back from damaged files: what was salvaged is offered to the new ledger, the rest is fetched, and
 * what had to wait for it is offered again. Runs over restarts until nothing is left. Spec: docs/specs/repair.md.
 */
import { type Clock, sleep } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { openRemains, type Remains } from '../ledger/index.ts'
import type { NetworkHost } from '../network/index.ts'
import { readAnchor } from './anchor.ts'
import { NobodyToRebuildFromError } from './errors.ts'
import { endRebuild, type RebuildLeft, setAsideFiles } from './rebuild-files.ts'
import type { Session } from './session.ts'

/** For a member to be found and to answer, where there is no ledger to start with. */
const REACH_MS = 60_000
const ASK_AGAIN_MS = 1000
const DIAL_MS = 8000
/** Own entries that are told one by one. */
const NAMED_MAX = 20
/** What arrives in so short a time is looked at together. */
const SETTLE_MS = 500

export interface Rebuild {
  /** entries that wait for one that nobody has shown yet */
  left(): RebuildLeft
  stop(): Promise<void>
}

export interface RebuildInit {
  readonly folder: string
  readonly session: Session
  readonly host: NetworkHost
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly log: (message: string, error?: unknown) => void
}

/**
 * Resolves when the node knows its network and its own admission; the rest goes on in the background.
 * @returns null when there is nothing to rebuild from, or everything was taken over at once
 * @throws {NobodyToRebuildFromError} @throws the signal's reason
 */
export async function continueRebuild(init: RebuildInit): Promise<Rebuild | null> {
  const { folder, session, signal } = init
  const files = setAsideFiles(folder)
  if (files === null) return null
  const known = readAnchor(folder)?.addresses ?? []
  if (files.shared.length === 0 && isMember(session)) {
    // whoever removed the folders wants nothing more of them
    endRebuild(folder)
    return null
  }
  const remains = await openRemains(files.shared, session.network, session.self, signal)
  try {
    await remains.offer(session.ledger, signal)
    if (!isMember(session)) {
      await fetchFromAnyone(init)
      await remains.offer(session.ledger, signal)
    }
  } catch (error) {
    remains.close()
    throw error
  }
  // who is a member is known by now
  for (const { node, addresses } of known) session.presence.learn(node, addresses)
  const { entries } = remains.left()
  init.log(`rebuilt: ${session.ledger.count()} entries are here, ${entries} wait for what other members have`)
  return follow(init, remains)
}

function isMember({ members, self, ledger }: Session): boolean {
  return ledger.founding() !== undefined && members.get(self) !== undefined
}

/** Whoever is connected or was known: what it gives is checked against the founding entry like everything else. */
async function fetchFromAnyone(init: RebuildInit): Promise<void> {
  const { host, clock, signal } = init
  const known = readAnchor(init.folder)?.addresses ?? []
  const end = clock.now() + REACH_MS
  while (clock.now() < end) {
    for (const { node, addresses } of known) {
      const isConnected = host.connections().some(({ peer }) => peer === node)
      // nobody is a member here yet, so nobody is dialled unless asked for by address
      if (!isConnected)
        await attempt(init, `reaching ${node}`, host.dial([...addresses], { signal, timeoutMs: DIAL_MS }))
      if (await fetched(init, node)) return
    }
    for (const { peer } of host.connections()) if (await fetched(init, peer)) return
    await sleep(clock, ASK_AGAIN_MS, signal)
  }
  throw new NobodyToRebuildFromError()
}

/** @returns whether this node now knows its network and its own admission */
async function fetched(init: RebuildInit, peer: NodeId): Promise<boolean> {
  if (!init.host.connections().some((each) => each.peer === peer)) return false
  await attempt(init, `fetching the ledger from ${peer}`, init.session.sync.fetch(peer, { signal: init.signal }))
  return isMember(init.session)
}

/** One that fails is one of many. @throws the signal's reason */
async function attempt({ signal, log }: RebuildInit, what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    signal.throwIfAborted()
    log(what, error)
  }
}

/** Offers again after what arrives; ends when nothing is left and others, where there are any, agree. */
function follow({ folder, session, clock, log }: RebuildInit, remains: Remains): Rebuild {
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let cancel: (() => void) | undefined
  let isDone = false
  let isClosed = false

  function soon(): void {
    if (isDone || stopping.signal.aborted || cancel !== undefined) return
    cancel = clock.after(SETTLE_MS, () => {
      cancel = undefined
      if (running !== undefined) return soon()
      running = look()
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) log('rebuilding', error)
        })
        .finally(() => {
          running = undefined
        })
    })
  }

  async function look(): Promise<void> {
    if (remains.left().entries > 0) await remains.offer(session.ledger, stopping.signal)
    const isAlone = session.members.currentMembers().every(({ node }) => node === session.self)
    if (remains.left().entries > 0) return
    // until somebody has as much, it is not known whether all is here
    if (!isAlone && session.sync.inSyncWith() === 0) return soon()
    isDone = true
    endRebuild(folder)
    log('the rebuild is finished')
  }

  const leave = session.ledger.onEntries(soon)
  soon()
  return {
    left: () => ({ ...remains.left(), named: isClosed ? [] : remains.own(NAMED_MAX) }),
    async stop() {
      stopping.abort(new Error('the node is stopping'))
      leave()
      cancel?.()
      await running
      isClosed = true
      remains.close()
    },
  }
}
