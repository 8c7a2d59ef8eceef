import { describe, expect, test } from 'vitest'
import type { CborValue } from '../codec/index.ts'
import { type EntryId, idBytes } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { readFileEntry } from './fold-entry.ts'
import { draftFrom, EPOCHS_MAX, RESEALS_MAX, step, VERSIONS_MAX } from './fold-step.ts'
import { unique, World } from './testing.ts'

/** The draft that an upload makes, and a way to execute more entries of its owner on it. */
function begun() {
  const world = new World()
  const ana = world.admit()
  world.meet()
  const file = ana.upload()
  const draft = draftFrom(null)
  const execute = (entry: Entry) => {
    const read = readFileEntry(ana.membership(), entry, new Map())
    if (read === null) throw new Error('no entry of a file')
    return step(draft, read)?.code ?? null
  }
  expect(execute(file.entry)).toBeNull()
  return { ana, file, draft, execute }
}

function filled<T>(length: number, item: T | undefined): T[] {
  if (item === undefined) throw new Error('nothing to fill with')
  return new Array<T>(length).fill(item)
}

describe('what one file may come to', () => {
  test('versions and conflict versions', () => {
    const { ana, file, draft, execute } = begun()
    draft.versions = filled(VERSIONS_MAX - 2, draft.versions[0])
    expect(execute(ana.update(file))).toBeNull()
    draft.conflicts = filled(1, draft.versions[0])
    expect(execute(ana.update(file))).toBe('too-many-versions')
    expect(execute(ana.update(file, { builds: file.entry }))).toBe('too-many-versions')
    draft.conflicts = []
    expect(execute(ana.update(file, { builds: file.entry }))).toBeNull()
  })

  test('access epochs', () => {
    const { ana, file, draft, execute } = begun()
    const template = ana.share(file).body as { builds: Uint8Array; opens: { readonly [key: string]: CborValue } }
    const share = (epoch: number) =>
      ana.write('share', { ...template, builds: idBytes(draft.head as EntryId), opens: { ...template.opens, epoch } })
    draft.epoch = EPOCHS_MAX - 1
    expect(execute(share(EPOCHS_MAX))).toBeNull()
    expect(execute(share(EPOCHS_MAX + 1))).toBe('too-many-epochs')
  })

  test('resealings of a version', () => {
    const { ana, file, draft, execute } = begun()
    const [version] = draft.versions
    if (version === undefined) throw new Error('no version')
    const reseal = () =>
      ana.write('reseal', {
        file: idBytes(file.file),
        builds: idBytes(draft.head as EntryId),
        version: 1,
        epoch: 1,
        content: { root: unique(32), size: version.size, chunk: version.chunk },
      })
    draft.versions = [{ ...version, formerRoots: filled(RESEALS_MAX - 1, version.root) }]
    expect(execute(reseal())).toBeNull()
    expect(execute(reseal())).toBe('too-many-versions')
  })
})
