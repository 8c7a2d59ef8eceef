/** `node.files`: listing, sharing, reading. Changes of who may read and who owns stand in `file-changes.ts`. */
import { basename } from 'node:path'
import { audienceList, EpochMovedError, FileNotFoundError, type Preview } from '../catalogue/index.ts'
import {
  chunkSizeFor,
  chunkSizeForNext,
  exportTo,
  openStream,
  readSourceFile,
  reseal,
  type SealedFile,
  type SealedStream,
  sealStream,
} from '../content/index.ts'
import type { EpochKeys } from '../crypto/index.ts'
import type { BranchId, Root } from '../ids.ts'
import type { Picture } from '../previews/index.ts'
import { createContentReader, sealOf, versionNumbered } from './content-reader.ts'
import { createFileChanges } from './file-changes.ts'
import { guessType } from './media-types.ts'
import { resolveFile, trashOwners } from './seen.ts'
import { seenByView } from './seen-by.ts'
import type { Session } from './session.ts'
import { shapeOf } from './session-versions.ts'
import type {
  BeginOptions,
  CallOptions,
  ContentReader,
  FileQuery,
  FileRef,
  FileVerbs,
  FileView,
  NodeRef,
  PendingUpdate,
  PendingUpload,
  UploadDetails,
  VersionView,
} from './types.ts'
import { fileView, transferView, versionView } from './views.ts'

/** An update whose audience moves while it is sealed is sealed again, but not for ever. */
const MAX_RESEALS = 3

export interface FilesInit {
  /** @throws {NoNetworkError} */
  session(): Session
}

export function createFiles(init: FilesInit): FileVerbs {
  const { session } = init

  function get(ref: FileRef): FileView {
    const current = session()
    return fileView(current, resolveFile(current, ref))
  }

  async function beginUpload({ sizeHint }: BeginOptions = {}): Promise<PendingUpload> {
    const current = session()
    const own = current.ownBranch()
    const begun = current.sharing.author.beginFile()
    let sealed: SealedStream | undefined
    let published = false
    return {
      async write(content, options = {}) {
        const former = sealed?.file.root
        sealed = await sealContent(current, begun.keys, content, chunkSizeFor(sizeHint ?? null), options)
        if (former !== sealed.file.root) await removeIfUnpublished(current, former)
        return { size: sealed.size }
      },
      async publish(details, options = {}) {
        options.signal?.throwIfAborted()
        if (sealed === undefined) throw new TypeError('nothing was written yet')
        const list = listFor(current, own, details)
        const { file, plainHash } = sealed
        const preview = await previewOf(current, begun.keys, file, options)
        await current.sharing.author.publishUpload({
          begun,
          content: shapeOf(file),
          plainHash,
          list,
          preview,
          details: {
            name: details.name,
            type: details.type ?? guessType(details.name),
            campaign: details.campaign ?? null,
            tags: details.tags ?? [],
          },
        })
        published = true
        return get(begun.file)
      },
      async abort() {
        if (!published) await removeIfUnpublished(current, sealed?.file.root)
        sealed = undefined
      },
    }
  }

  async function beginUpdate(ref: FileRef, { sizeHint }: BeginOptions = {}): Promise<PendingUpdate> {
    const current = session()
    const { file, version } = resolveFile(current, ref)
    const before = versionNumbered(current, file, version)
    let keys = current.sharing.author.epochForUpdate(file)
    let sealed: SealedStream | undefined
    let published = false
    return {
      async write(content, options = {}) {
        const isSameKey = before?.epoch === keys.epoch
        const chunk = isSameKey ? chunkSizeForNext(sizeHint ?? null, before.chunk) : chunkSizeFor(sizeHint ?? null)
        const former = sealed?.file.root
        sealed = await sealContent(current, keys, content, chunk, options)
        if (former !== sealed.file.root) await removeIfUnpublished(current, former)
        return { size: sealed.size }
      },
      async publish(details = {}, options = {}) {
        options.signal?.throwIfAborted()
        if (sealed === undefined) throw new TypeError('nothing was written yet')
        const preview = await previewOf(current, keys, sealed.file, options)
        for (let tries = 0; ; tries++) {
          options.signal?.throwIfAborted()
          if (sealed === undefined) throw new TypeError('it was aborted meanwhile')
          const { ifMatch, ...changes } = details
          try {
            await current.sharing.author.publishUpdate({
              file,
              keys,
              content: shapeOf(sealed.file),
              plainHash: sealed.plainHash,
              details: changes,
              preview,
              ifMatch,
            })
            published = true
            return get(file)
          } catch (error) {
            if (!(error instanceof EpochMovedError) || tries >= MAX_RESEALS) throw error
            const oldKeys = keys
            const { file: before, plainHash }: SealedStream = sealed
            keys = current.sharing.author.epochForUpdate(file)
            const anew = await reseal({
              store: current.store,
              from: before,
              oldKeys,
              newKeys: keys,
              signal: options.signal,
            })
            sealed = { ...anew, plainHash }
            await removeIfUnpublished(current, before.root)
          }
        }
      },
      async abort() {
        if (!published) await removeIfUnpublished(current, sealed?.file.root)
        sealed = undefined
      },
    }
  }

  async function content(ref: FileRef, options: CallOptions & { version?: number } = {}): Promise<ContentReader> {
    const current = session()
    return createContentReader(current, resolveFile(current, ref), options)
  }

  return {
    ...createFileChanges({ session, get }),
    get,
    seenBy(ref) {
      const current = session()
      return seenByView(current, resolveFile(current, ref))
    },
    beginUpload,
    beginUpdate,
    content,
    list(query: FileQuery = {}) {
      const current = session()
      const { owner, ...rest } = query
      return current.reading(() => {
        const page = current.sharing.views.list({
          ...rest,
          ...(query.deleted === true ? { owners: trashOwners(current) } : {}),
          ...(owner === undefined ? {} : { owner: current.members.resolveNode(owner).branch }),
        })
        return { items: page.items.map((view) => fileView(current, view)), next: page.next }
      })
    },
    versions(ref: FileRef): VersionView[] {
      const current = session()
      const view = resolveFile(current, ref)
      return current.state.versions(view.file).map((version) => versionView(current, view, version))
    },
    async upload(path: string, details: Partial<UploadDetails> = {}, options: CallOptions = {}) {
      return await publishFrom(
        path,
        (size) => beginUpload(size),
        (pending) => pending.publish({ name: basename(path), ...details }, options),
        options,
      )
    },
    async update(ref: FileRef, path: string, options: CallOptions & { ifMatch?: number } = {}) {
      const changes = options.ifMatch === undefined ? {} : { ifMatch: options.ifMatch }
      return await publishFrom(
        path,
        (size) => beginUpdate(ref, size),
        (pending) => pending.publish(changes, options),
        options,
      )
    },
    async export(ref: FileRef, folder: string, options: CallOptions & { version?: number } = {}) {
      const { name, size, read } = await content(ref, options)
      return await exportTo({ source: read({ start: 0, end: size }), folder, name })
    },
    async preview(ref: FileRef, options: CallOptions = {}) {
      const current = session()
      return current.sharing.views.preview(resolveFile(current, ref).file, options)
    },
    async fetch(ref: FileRef, options: CallOptions & { version?: number } = {}) {
      const current = session()
      const view = resolveFile(current, ref)
      const { version } = sealOf(current, view, options.version)
      current.kept.add(view.file)
      const wanted = current.transfers.want(shapeOf(version), { kind: 'fetch', fileId: view.file })
      wanted.done.then(
        () => current.replicator.look(view.file),
        () => undefined,
      ) // told by its own event
      return transferView(current, current.transfers.get(wanted.id))
    },
    async waitFor(ref: FileRef, level: 'durable' | 'replicated', options: CallOptions = {}) {
      const current = session()
      const { file } = resolveFile(current, ref)
      const isReached = () => {
        const version = current.liveVersion(file)
        if (version === null) throw new FileNotFoundError(file)
        if (level === 'durable') return current.durability.isDurable(version.shape.root)
        const { held, target } = current.replicator.copies(version)
        return held >= target
      }
      await current.until(isReached, options.signal)
      return get(file)
    },
  }
}

function sealContent(
  current: Session,
  keys: EpochKeys,
  source: AsyncIterable<Uint8Array>,
  chunk: number,
  options: CallOptions,
): Promise<SealedStream> {
  const signal = options.signal === undefined ? current.closing : AbortSignal.any([options.signal, current.closing])
  return sealStream({ store: current.store, keys, source, chunk, signal })
}

/**
 * Of what was just sealed, read back from the store: memory stays flat, and the process that makes it has all of it at once.
 * @returns null also when it could not be made: no reason not to publish
 */
async function previewOf(
  current: Session,
  keys: EpochKeys,
  file: SealedFile,
  { signal }: CallOptions,
): Promise<Preview | null> {
  const { size } = file
  const read: Picture['read'] = (range, either) => openStream({ file, keys, ...range, signal: either })
  const preview = await current.previews.make({ size, read }, { signal })
  signal?.throwIfAborted()
  current.closing.throwIfAborted()
  return preview
}

/** What a pending version leaves behind; unchanged content seals to a root that is published already, and stays. */
async function removeIfUnpublished(current: Session, root: Root | undefined): Promise<void> {
  if (root !== undefined && !current.isOfUse(root)) await current.store.remove(root)
}

async function publishFrom<P extends PendingUpload | PendingUpdate>(
  path: string,
  begin: (options: { sizeHint: number }) => Promise<P>,
  publish: (pending: P) => Promise<FileView>,
  options: CallOptions,
): Promise<FileView> {
  const { size, source, close } = await readSourceFile(path)
  try {
    const pending = await begin({ sizeHint: size })
    try {
      await pending.write(source, options)
      return await publish(pending)
    } catch (error) {
      await pending.abort()
      throw error
    }
  } finally {
    await close() // it may not have been read, or not to its end
  }
}

function listFor(current: Session, own: BranchId, details: Pick<UploadDetails, 'denied' | 'only'>) {
  const branches = (refs: readonly NodeRef[]) => refs.map((ref) => current.members.resolveNode(ref).branch)
  if (details.only !== undefined && details.only.length > 0) return audienceList('only', branches(details.only), own)
  return audienceList('except', branches(details.denied ?? []), own)
}
