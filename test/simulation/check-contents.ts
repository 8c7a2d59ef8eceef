/** Sections 4 and 5: what an owner's entries make of a file, and whose keys an audience has. */
import { verify } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, EVERYONE, type FileId, idBytes, idFrom, type KeyId, toHex } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { type Act, actsOn } from './check-files.ts'
import { type Evidence, fieldOf, idIn, nameOf } from './evidence.ts'

type Row = Evidence['files'][number]

export function checkContents(evidence: Evidence): void {
  for (const row of evidence.files) {
    checkBuried(evidence, row)
    checkEpochs(evidence, row)
    checkBoxes(evidence, row)
    checkOffered(evidence, actsOn(evidence, row.file))
  }
  checkLateUploads(evidence)
  checkAudienceKeys(evidence)
}

/** From the trash a file is restored or purged, after a purge nothing. */
function checkBuried(evidence: Evidence, { file }: Row): void {
  const { byId, problem } = evidence
  for (const entry of evidence.changes.get(file) ?? []) {
    const under = byId.get(idIn(entry, 'builds') ?? ('' as EntryId))
    const isCounted = (each: Entry) => evidence.refusalOn(file, each.id) === null
    if (under === undefined || !isCounted(entry) || !isCounted(under) || isBeside(evidence, file, entry)) continue
    const isOut = under.kind === 'trash' && entry.kind !== 'restore' && entry.kind !== 'purge'
    if (isOut || under.kind === 'purge')
      problem(`buried: ${entry.kind} ${entry.id.slice(0, 8)} counts after a ${under.kind}`)
  }
}

function isBeside({ state }: Evidence, file: FileId, { id }: Entry): boolean {
  return state.versions(file).some(({ conflict, entry }) => conflict && entry === id)
}

/** Access epochs are opened one by one, and no version is in one that never was. */
function checkEpochs({ state, problem }: Evidence, { file, epoch }: Row): void {
  const opened = state.epochs(file).map((each) => each.epoch)
  if (opened.some((each, at) => each !== at + 1)) problem(`access-epochs: of ${file.slice(0, 8)} some were left out`)
  if (state.versions(file).some((version) => version.epoch > epoch))
    problem(`access-epochs: a version of ${file.slice(0, 8)} is in one that never was`)
}

/** The box of a file is one of its present access epoch: who was denied older ones cannot read it, nor the other way about. */
function checkBoxes({ changes, refusalOn, problem }: Evidence, { file, epoch, meta }: Row): void {
  const named = (changes.get(file) ?? []).filter(({ id, body }) => {
    const box = (body as { meta?: unknown }).meta
    return box instanceof Uint8Array && toHex(box) === meta && refusalOn(file, id) === null
  })
  const isOfEpoch = ({ body }: Entry) => {
    const { opens, epoch: of } = body as { opens?: { epoch?: number }; epoch?: number }
    return (opens?.epoch ?? of) === epoch
  }
  if (!named.some(isOfEpoch)) problem(`access-epochs: ${file.slice(0, 8)} has a box of another`)
}

/** One open offer at a time as far as its author knew, by an entry that had effect. */
function checkOffered(evidence: Evidence, acts: readonly Act[]): void {
  const { ancestors, problem } = evidence
  const offers = acts.filter(({ kind, refusal }) => kind === 'offer' && refusal === null)
  for (const { entry, branch } of offers) {
    const seen = ancestors(entry.id) ?? new Set<EntryId>()
    const name = `offer ${entry.id.slice(0, 8)} of ${nameOf(evidence, entry.author)}`
    const open = offers.find(
      (each) => each.branch === branch && seen.has(each.entry.id) && !acts.some((act) => act.of === each.entry.id),
    )
    if (open !== undefined) problem(`own-offers: ${name} was made while it knew of another`)
    const builds = idIn(entry, 'builds')
    if (builds === undefined || !evidence.byId.has(builds)) problem(`own-offers: ${name} stands on what nobody has`)
  }
}

/** What a machine that was replaced uploads later is an orphan of its branch. */
function checkLateUploads({ entries, membership, state, problem }: Evidence): void {
  for (const entry of entries) {
    if (entry.kind !== 'upload' || membership.members.get(entry.author)?.replacedBy == null) continue
    const file = fieldOf(entry, 'file')
    if (file === undefined || state.refusalOf(entry.id)?.code !== 'feed-closed') continue
    if (state.file(idFrom<FileId>(file)) === null)
      problem(`nothing-acknowledged-lost: upload ${entry.id.slice(0, 8)} of a replaced machine made no orphan`)
  }
}

/** The first key of everybody's audience is the founder's, and each later one is signed by one before. */
function checkAudienceKeys({ entries, byId, state, world, membership, problem }: Evidence): void {
  const audiences = new Set(
    entries.flatMap((entry) => {
      const audience = entry.kind === 'audience' ? fieldOf(entry, 'audience') : undefined
      return audience?.length === 16 ? [idFrom<typeof EVERYONE>(audience)] : []
    }),
  )
  for (const audience of audiences) {
    const keys = state.audience(audience)?.keys ?? []
    const before = new Map<KeyId, Uint8Array>()
    for (const [at, { key, proof, author, entry }] of keys.entries()) {
      const { renews } = (byId.get(entry)?.body ?? {}) as { renews?: { key: Uint8Array; signature: Uint8Array } }
      const by = renews === undefined ? undefined : before.get(idFrom<KeyId>(renews.key))
      const isSigned =
        by !== undefined &&
        renews !== undefined &&
        verify(by, renews.signature, 'audience-renewal', world.networkId, idBytes(audience), idBytes(key))
      const isFirst = at === 0 && (audience !== EVERYONE || author === membership.network?.founder)
      if (!isFirst && !isSigned) problem(`audience-keys: ${key.slice(0, 8)} is signed by none before it`)
      before.set(key, proof)
    }
  }
}
