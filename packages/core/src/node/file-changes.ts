/** `node.files`: who may read and who owns. Each verb checks at the boundary, appends, and answers with the new view. */
import {
  audienceList,
  deniedAmong,
  EVERYONE_LIST,
  FileNotFoundError,
  type ListChange,
  withAllowed,
  withDenied,
} from '../catalogue/index.ts'
import type { BranchId, FileId } from '../ids.ts'
import { resolveFile } from './seen.ts'
import type { Session } from './session.ts'
import type { BlacklistItem, CallOptions, FileRef, FileVerbs, FileView, NodeRef } from './types.ts'
import { fileView } from './views.ts'

export interface FileChangesInit {
  session(): Session
  get(ref: FileRef): FileView
}

type Changes = Pick<
  FileVerbs,
  | 'remove'
  | 'restore'
  | 'blacklist'
  | 'deny'
  | 'allow'
  | 'setBlacklist'
  | 'handoffs'
  | 'offer'
  | 'cancelOffer'
  | 'acceptOffer'
  | 'declineOffer'
  | 'adopt'
  | 'assign'
>

const PAGE = 500
/** 16 bytes */
const FILE_ID = /^[0-9a-f]{32}$/

export function createFileChanges(init: FileChangesInit): Changes {
  const { session, get } = init
  const resolve = (ref: FileRef) => resolveFile(session(), ref)

  /** An admin may purge an orphan that it cannot read, by its whole id. */
  function resolvePurgeable(ref: FileRef): FileId {
    try {
      return resolve(ref).file
    } catch (error) {
      if (!(error instanceof FileNotFoundError) || !FILE_ID.test(ref)) throw error
      const { state, members, self } = session()
      const shared = state.file(ref as FileId)
      if (shared?.state !== 'orphaned' || !members.isAdmin(self)) throw error
      return shared.file
    }
  }

  /** @param changeFor of these branches; made of the list at its turn, so that no change at the same time is lost */
  async function share(
    ref: FileRef,
    nodes: readonly NodeRef[],
    changeFor: (branches: readonly BranchId[]) => ListChange,
    options: CallOptions & { reseal?: boolean },
  ): Promise<FileView> {
    options.signal?.throwIfAborted()
    const current = session()
    const view = resolve(ref)
    const change = changeFor(branchesOf(nodes))
    change(view.list, view.owner) // what cannot be done is said before anything is begun
    if (options.reseal !== true) {
      await current.sharing.author.share(view.file, change)
      return get(view.file)
    }
    const isFirst = current.resealing.wish(view.file)
    try {
      await current.sharing.author.share(view.file, change)
    } catch (error) {
      if (isFirst) current.resealing.forget(view.file)
      throw error
    }
    await current.resealing.run(view.file, options.signal)
    return get(view.file)
  }

  function branchesOf(nodes: readonly NodeRef[]): BranchId[] {
    const { members } = session()
    return nodes.map((node) => members.resolveNode(node).branch)
  }

  /** Every visible file with a list, page by page. */
  function* listedFiles(current: Session) {
    let cursor: string | undefined
    do {
      const page = current.sharing.views.list({
        listed: true,
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      })
      yield* page.items
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
  }

  function changed(file: FileId, act: (current: Session) => unknown): FileView {
    act(session())
    return get(file)
  }

  return {
    async remove(ref, options = {}) {
      options.signal?.throwIfAborted()
      const { author } = session().sharing
      if (options.purge === true) author.purge(resolvePurgeable(ref), { ifMatch: options.ifMatch })
      else author.trash(resolve(ref).file, { ifMatch: options.ifMatch })
    },
    async restore(ref, options = {}) {
      const { file } = resolve(ref)
      await session().sharing.author.restore(file, { version: options.version })
      return get(file)
    },
    blacklist(ref) {
      const current = session()
      const files = ref === undefined ? listedFiles(current) : [resolve(ref)]
      const items: BlacklistItem[] = []
      for (const view of files) {
        for (const branch of deniedAmong(view.list, current.livingBranches())) {
          items.push({ fileId: view.file, node: current.nodeOf(branch) })
        }
      }
      return items
    },
    deny: (ref, nodes, options = {}) =>
      share(ref, nodes, (branches) => (list, owner) => withDenied(list, branches, owner), options),
    allow: (ref, nodes, options = {}) =>
      nodes === 'all'
        ? share(ref, [], () => () => EVERYONE_LIST, options)
        : share(ref, nodes, (branches) => (list, owner) => withAllowed(list, branches, owner), options),
    setBlacklist: (ref, nodes, options = {}) =>
      share(ref, nodes, (branches) => (_, owner) => audienceList('except', branches, owner), options),
    handoffs() {
      const current = session()
      const own = current.ownBranch()
      const incoming: FileView[] = []
      const outgoing: FileView[] = []
      for (const { file, offer, owner } of current.state.offered()) {
        const view = current.sharing.views.get(file)
        if (view === null || offer === null) continue
        if (offer.to === own) incoming.push(fileView(current, view))
        else if (owner === own) outgoing.push(fileView(current, view))
      }
      return { incoming, outgoing }
    },
    async offer(ref, to) {
      const { file } = resolve(ref)
      const { branch } = session().members.resolveNode(to)
      return changed(file, ({ sharing }) => sharing.ownership.offer(file, branch))
    },
    async cancelOffer(ref) {
      const { file } = resolve(ref)
      return changed(file, ({ sharing }) => sharing.ownership.cancel(file))
    },
    async acceptOffer(ref) {
      const { file } = resolve(ref)
      return changed(file, ({ sharing }) => sharing.ownership.accept(file))
    },
    async declineOffer(ref) {
      session().sharing.ownership.decline(resolve(ref).file)
    },
    async adopt(ref) {
      const { file } = resolve(ref)
      return changed(file, ({ sharing }) => sharing.ownership.adopt(file))
    },
    async assign(ref, to) {
      const { file } = resolve(ref)
      const { branch } = session().members.resolveNode(to)
      return changed(file, ({ sharing }) => sharing.ownership.assign(file, branch))
    },
  }
}
