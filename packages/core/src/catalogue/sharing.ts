/**
 * The key half of the catalogue put together: keys, audiences, grants, notices, what may be seen, and writing about
 * files. Made once the network is known.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { SealingKey, SigningKey } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import type { AudienceId, EntryId, FileId, NetworkId, NodeId } from '../ids.ts'
import type { FrameStream, Host } from '../network/index.ts'
import type { Random } from '../random.ts'
import { entitled } from './audience-list.ts'
import { type Audiences, createAudiences } from './audiences.ts'
import { type Author, createAuthor } from './author.ts'
import { createChecks } from './author-checks.ts'
import { createOwnershipAuthor, type OwnershipAuthor } from './author-ownership.ts'
import { createGrants, type Grants } from './grants.ts'
import { createKeyring, type Keyring } from './keyring.ts'
import { decodeRequest, encodeAnswer, KEYS_FRAME_MAX, type KeysAnswer, type KeysRequest } from './keys-format.ts'
import { createNoticeDebts, type NoticeDebts } from './notice-debts.ts'
import { createNotices, type Notices } from './notices.ts'
import type { AppendEntry, Boxes, BoxSources, SharedReads } from './reads.ts'
import { createScrubber } from './scrub.ts'
import { createTickets, type Tickets } from './tickets.ts'
import type { SharedFile } from './types.ts'
import { createViews, type Views } from './views.ts'

export interface SharingInit {
  /** local.db */
  db: Database
  network: NetworkId
  self: NodeId
  signer: SigningKey
  sealing: SealingKey
  clock: Clock
  random: Random
  host: Pick<Host, 'connections' | 'handle' | 'onPeer' | 'request'>
  reads: SharedReads
  boxes: Boxes
  sources: BoxSources
  append: AppendEntry
  /** author of an entry that is stored here */
  authorOf(entry: EntryId): NodeId | null
  /** a member gave a key that is not the one, or a ticket that is none */
  onFalse?(peer: NodeId, what: 'key' | 'ticket'): void
}

export interface Sharing {
  readonly keyring: Keyring
  readonly audiences: Audiences
  readonly grants: Grants
  readonly notices: Notices
  readonly debts: NoticeDebts
  readonly tickets: Tickets
  readonly views: Views
  readonly author: Author
  readonly ownership: OwnershipAuthor
  /** After every commit of shared rows. */
  changed(change: { files?: Iterable<FileId>; audiences?: Iterable<AudienceId>; members?: boolean }): void
  /**
   * Serves `keys`, brings all views up to date, seeks what is missing.
   * @param files all shared files; null when the views are those of the state
   */
  start(files: Iterable<SharedFile> | null): Promise<void>
  /** Seeks missing keys and boxes and delivers notices, now. */
  retry(): Promise<void>
  /** Resolves when the database may be closed. */
  stop(): Promise<void>
}

const EXCHANGE_TIMEOUT_MS = 30_000
/** Members that connect together cause one run. */
const SETTLE_MS = 200
const RETRY_MS = 60_000
/** Audience keys looked at before everybody else has a turn. */
const KEYS_PER_TURN = 8

export function createSharing(init: SharingInit): Sharing {
  const { db, reads, clock, host } = init
  const scrubber = createScrubber(db, clock)
  const keyring = createKeyring({ db, network: init.network, reads })
  const grants = createGrants({ ...init, keyring })
  const views = createViews({ ...init, keyring, grants, scrubber })
  const audiences = createAudiences({ ...init, keyring, acquire: grants.acquire })
  const notices = createNotices({
    ...init,
    isEntitled(file, node) {
      const branch = reads.membership().members.get(node)?.branch
      const view = views.get(file)
      return branch !== undefined && view !== null && entitled(view.list, branch)
    },
    async tryToRead(file) {
      const shared = reads.file(file)
      const epoch = shared == null ? undefined : reads.epochs(file).find((row) => row.epoch === shared.epoch)
      if (shared == null || epoch === undefined) return false
      await grants.acquire(epoch.audience, epoch.key)
      return !isStopped && keyring.fileKey(file, shared.epoch) !== null
    },
    drop: views.dropOnNotice,
  })
  const debts = createNoticeDebts({
    ...init,
    keyring,
    grants,
    isAnybodyThere: () =>
      host.connections().some(({ peer }) => reads.membership().members.get(peer)?.state === 'member'),
    keep: notices.keep,
  })
  const tickets = createTickets({ ...init, keyring, complete: grants.complete })
  const checks = createChecks({ self: init.self, reads, views })
  const author = createAuthor({ ...init, keyring, audiences, views, checks, notify })
  const ownership = createOwnershipAuthor({ reads, keyring, checks, append: init.append })
  const leave: (() => void)[] = [grants.onKey(views.keyArrived)]
  let settle: (() => void) | null = null
  let tell: (() => void) | null = null
  let tick: (() => void) | null = null
  let isStopped = false
  const ownState = () => reads.membership().members.get(init.self)?.state
  let standing = ownState()
  let completing: Promise<void> = Promise.resolve()

  /** Notices and the mark that they were written stand or fall together. */
  function notify(file: FileId, share: EntryId, nodes: readonly NodeId[]): void {
    db.write(() => {
      notices.keep(file, share, nodes)
      debts.told(file, share)
    })
    // what cannot be delivered now is tried again by `retry`
    if (nodes.length > 0) notices.deliver().catch(() => undefined)
  }

  async function handle(stream: FrameStream): Promise<void> {
    const frame = await stream.read({ timeoutMs: EXCHANGE_TIMEOUT_MS })
    if (frame === null) return
    const request = decodeRequest(frame)
    await stream.write(encodeAnswer(await answerTo(stream.peer, request)), { timeoutMs: EXCHANGE_TIMEOUT_MS })
    await stream.close()
  }

  async function answerTo(peer: NodeId, request: KeysRequest): Promise<KeysAnswer> {
    if ('ask' in request) return { grants: await grants.answer(peer, request.ask) }
    if ('hold' in request) return { tickets: await tickets.answer(peer, request.hold) }
    return { notice: await notices.take(request.notice) }
  }

  async function completeKeys(): Promise<void> {
    if (isStopped) return
    let looked = 0
    for (const { audience, key, list, gone, secret } of keyring.audienceKeys()) {
      secret.fill(0)
      if (list === null || gone === null) await grants.complete(audience, key)
      if (++looked % KEYS_PER_TURN === 0) await nextTurn()
      if (isStopped) return
    }
  }

  async function retry(): Promise<void> {
    if (isStopped) return
    completing = completing.then(completeKeys).catch(() => undefined)
    await Promise.all([views.retry(), completing, tellAll()])
  }

  async function tellAll(): Promise<void> {
    await debts.settle()
    await notices.deliver()
  }

  /** A denial of one's own is told at once, and nothing is due any more when this runs. */
  function tellSoon(): void {
    tell ??= clock.after(SETTLE_MS, () => {
      tell = null
      if (debts.due() > 0) void tellAll().catch(() => undefined)
    })
  }

  function retrySoon(): void {
    settle ??= clock.after(SETTLE_MS, () => {
      settle = null
      void retry().catch(() => undefined)
    })
  }

  function retryAlways(): void {
    tick = clock.after(RETRY_MS, () => {
      retrySoon()
      retryAlways()
    })
  }

  /** Released from quarantine, or let in: what was refused until now is asked for at once. */
  function lookAtStanding(): void {
    const before = standing
    standing = ownState()
    if (standing !== 'member' || before === 'member') return
    grants.forgetRefusals()
    retrySoon()
  }

  function audienceChanged(audience: AudienceId): void {
    for (const { key } of reads.audience(audience)?.keys ?? []) {
      // An audience may be no business of ours: look for the own slot, but bother nobody before a file needs it.
      const held = keyring.audienceKey(audience, key)
      held?.secret.fill(0)
      // what fails is sought again by `retry`; `acquire` never rejects
      if (held === null) void grants.acquire(audience, key, { ask: views.isWaitingFor(audience, key) })
      else if (held.list === null || held.gone === null) grants.complete(audience, key).catch(() => false)
    }
  }

  return {
    keyring,
    audiences,
    grants,
    notices,
    debts,
    tickets,
    views,
    author,
    ownership,
    changed(change) {
      if (isStopped) return
      if (change.members === true) {
        audiences.membersChanged()
        lookAtStanding()
      }
      for (const audience of change.audiences ?? []) audienceChanged(audience)
      if (change.files !== undefined) {
        const files = [...change.files]
        views.refreshAll(files)
        if (debts.changed(files)) tellSoon()
      }
    },
    async start(files) {
      host.handle(
        'keys',
        { maxFrameBytes: KEYS_FRAME_MAX, timeoutMs: EXCHANGE_TIMEOUT_MS, maxStreamsPerPeer: 2 },
        handle,
      )
      leave.push(
        host.onPeer((event) => {
          if (event.type === 'connected') retrySoon()
        }),
      )
      retryAlways()
      if (files !== null) {
        debts.lookAtAll()
        await views.reconcile(files)
      }
      retrySoon()
    },
    retry,
    async stop() {
      if (isStopped) return
      isStopped = true
      for (const each of leave) each()
      settle?.()
      tell?.()
      tick?.()
      await Promise.all([views.stop(), grants.stop(), notices.stop(), debts.stop(), tickets.stop(), completing])
      scrubber.stop()
      keyring.close()
    },
  }
}
