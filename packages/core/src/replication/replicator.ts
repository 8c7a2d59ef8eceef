/**
 * Keeps every live version on as many members as it should have, from this node's side: fetches what it should hold,
 * says what it holds, stands aside for what it may not hold, and drops what is one copy too many.
 *
 * A file is looked at again when its entry, a member, or a member's statement about it changes, and all of them at
 * intervals. Each look is one pure decision (`decideDuty`), so a look too many does no harm.
 */
import type { Clock } from '../clock.ts'
import type { FileId, NetworkId, NodeId, Root } from '../ids.ts'
import { createTurns, nextTurn } from '../turns.ts'
import { type DutyInput, decideDuty } from './duty.ts'
import { type PlacementMember, placementList } from './placement.ts'
import { type CopiesPolicy, targetCopies } from './target.ts'
import type { Copies, Holdings, HoldState, LiveVersion } from './types.ts'

export interface ReplicatorInit {
  readonly clock: Clock
  readonly network: NetworkId
  readonly self: NodeId
  readonly holdings: Holdings
  /** ms between two looks at everything @default 60000 */
  readonly intervalMs?: number
  /** the file's current version, null when it is not live */
  liveVersion(file: FileId): LiveVersion | null
  /** every live file, without holding all in memory */
  liveFiles(): Iterable<FileId>
  /** current members that are not quarantined, with their weights; another array when they have changed */
  members(): readonly PlacementMember[]
  policy(): CopiesPolicy | null
  /** true when a member was not seen for longer than the grace */
  isAway(node: NodeId): boolean
  isConnected(node: NodeId): boolean
  local(root: Root): HoldState
  /** what is here of the version as it was sealed before */
  former(version: LiveVersion): DutyInput['former']
  mayHold(version: LiveVersion): boolean
  isKept(version: LiveVersion): boolean
  /** it was complete here, and the disk has lost a part of it */
  isDamaged(root: Root): boolean
  /** members whose claims the owner, this node or another, does not believe */
  doubted(version: LiveVersion): ReadonlySet<NodeId>
  /** gets the boxes that are not here */
  keepBoxes(version: LiveVersion): void
  /** starts or joins the background transfer */
  want(version: LiveVersion): void
  /** ends a transfer that is no longer wanted */
  unwant(root: Root): void
  drop(version: LiveVersion): Promise<void>
  /** removes what must not be here of the file's other versions, and of older seals */
  letGo(file: FileId): Promise<void>
  onCopies(file: FileId, copies: Copies): void
  /** a look failed (disk full, database closed): the file is looked at again at the next interval */
  onProblem(error: unknown): void
}

export interface Replicator {
  start(): void
  stop(): Promise<void>
  /** Looks at one file soon. */
  look(file: FileId): void
  /** Looks at all files soon. */
  lookAtAll(): void
  /** Who holds the file's current version of those who should, and how many that is to be. */
  copies(version: LiveVersion): Copies
  /** Members that hold it completely and are not gone for longer than the grace, this node among them. */
  completeHolders(version: LiveVersion): NodeId[]
  placement(version: LiveVersion): NodeId[]
  /** Live files with fewer copies than they should have, as they were when last looked at. */
  short(): ReadonlyMap<FileId, ShortOf>
}

export interface ShortOf extends Copies {
  /** holders that nobody is left to be */
  readonly lacking: number
}

const NOBODY: ReadonlySet<NodeId> = new Set()

export function createReplicator(init: ReplicatorInit): Replicator {
  const queue = new Set<FileId>()
  const short = new Map<FileId, ShortOf>()
  const lastCopies = new Map<FileId, string>()
  const intervalMs = init.intervalMs ?? 60_000
  let running = false
  let working: Promise<void> | undefined
  let cancelTimer = () => {}
  /** asked for several times by each look at a file */
  let known: { readonly members: readonly PlacementMember[]; readonly nodes: ReadonlySet<NodeId> } | undefined

  function placement(version: LiveVersion): NodeId[] {
    const members = init.members()
    const declines = init.holdings.declines(version.shape.root)
    const doubted = init.doubted(version)
    return placementList({
      network: init.network,
      file: version.file,
      owner: version.owner,
      members,
      standsAside: (node) => declines.has(node) || (node !== init.self && (doubted.has(node) || init.isAway(node))),
      target: targetCopies(members.length, init.policy()),
    })
  }

  function currentNodes(): ReadonlySet<NodeId> {
    const members = init.members()
    if (known?.members !== members) known = { members, nodes: new Set(members.map(({ node }) => node)) }
    return known.nodes
  }

  function completeHolders(version: LiveVersion): NodeId[] {
    const current = currentNodes()
    const said = [...init.holdings.holders(version.shape.root)]
    const doubted = said.length === 0 ? NOBODY : init.doubted(version)
    const holders = said
      .filter(([node, state]) => state === 'all' && current.has(node) && !doubted.has(node) && node !== init.self)
      // its copy may come back, and is not one that can be read now
      .filter(([node]) => !init.isAway(node))
      .map(([node]) => node)
    if (current.has(init.self) && init.local(version.shape.root) === 'all') holders.push(init.self)
    return holders
  }

  function copies(version: LiveVersion): Copies {
    return { held: completeHolders(version).length, target: targetCopies(init.members().length, init.policy()) }
  }

  async function lookAt(file: FileId): Promise<void> {
    await init.letGo(file)
    const version = init.liveVersion(file)
    if (version === null) {
      short.delete(file)
      lastCopies.delete(file)
      return
    }
    const { root } = version.shape
    const local = init.local(root)
    const mayHold = init.mayHold(version)
    init.holdings.say(root, local)
    if (mayHold) init.holdings.decline(root, false) // it may be asked again
    const list = placement(version)
    // they may be others than when the chunks came: a new name or audience makes new boxes
    if (mayHold && list.includes(init.self)) init.keepBoxes(version)
    const duty = decideDuty({
      self: init.self,
      list,
      completeHolders: new Set(completeHolders(version)),
      isReachable: init.isConnected,
      local,
      former: init.former(version),
      mayHold,
      isKept: init.isKept(version),
      isDamaged: init.isDamaged(root),
    })
    if (duty === 'fetch') init.want(version)
    // whom it was to stand in for is back: what has not begun need not
    else if (duty === 'rest' && local === 'none' && !list.includes(init.self)) init.unwant(root)
    else if (duty === 'decline') {
      init.unwant(root)
      init.holdings.decline(root, true)
    } else if (duty === 'drop') {
      await init.drop(version)
      init.holdings.say(root, init.local(root))
    }
    report(version, list)
  }

  function report(version: LiveVersion, list: readonly NodeId[]): void {
    const now = copies(version)
    if (now.held < now.target) short.set(version.file, { ...now, lacking: now.target - list.length })
    else short.delete(version.file)
    const text = `${now.held}/${now.target}`
    if (lastCopies.get(version.file) === text) return
    lastCopies.set(version.file, text)
    init.onCopies(version.file, now)
  }

  async function work(): Promise<void> {
    // with many members a single look takes some milliseconds: a rank is drawn for each of them
    const turns = createTurns(nextTurn)
    for (const file of queue) {
      if (!running) return
      queue.delete(file)
      try {
        await lookAt(file)
      } catch (error) {
        init.onProblem(error) // one file's trouble must not keep the others waiting
      }
      if (turns.isOver()) await turns.next()
    }
  }

  function wake(): void {
    if (!running || working !== undefined) return
    working = nextTurn()
      .then(work)
      .finally(() => {
        working = undefined
        if (queue.size > 0) wake()
      })
  }

  function lookAtAll(): void {
    try {
      for (const file of init.liveFiles()) queue.add(file)
    } catch (error) {
      init.onProblem(error)
    }
    wake()
  }

  function schedule(): void {
    cancelTimer = init.clock.after(intervalMs, () => {
      lookAtAll()
      schedule()
    })
  }

  return {
    start() {
      running = true
      lookAtAll()
      schedule()
    },
    async stop() {
      running = false
      cancelTimer()
      await working
    },
    look(file) {
      queue.add(file)
      wake()
    },
    lookAtAll,
    copies,
    completeHolders,
    placement,
    short: () => short,
  }
}
