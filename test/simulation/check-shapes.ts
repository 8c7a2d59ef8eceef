/** Sections 5 and 8: what a version may be, and what becomes of what heirs wrote. */
import { type EntryId, EVERYONE, type FileId, idFrom, toHex } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { type Act, actsOn } from './check-files.ts'
import { type Evidence, idIn, nameOf } from './evidence.ts'

type Row = Evidence['files'][number]

const MIN_CHUNK = 65_536
const MAX_CHUNK = 16_777_216
const MAX_CHUNKS = 1_048_576

export function checkShapes(evidence: Evidence): void {
  for (const row of evidence.files) {
    checkVersions(evidence, row)
    checkReseals(evidence, row)
    const acts = actsOn(evidence, row.file)
    if (acts.length > 0) checkHeirs(evidence, row, acts)
    checkMoot(evidence, row, acts)
  }
  for (const { id, kind, body } of evidence.entries) {
    const { audience, list } = body as { audience?: unknown; list?: unknown }
    if (kind !== 'audience' || !(audience instanceof Uint8Array) || evidence.state.refusalOf(id) !== null) continue
    if ((toHex(audience) === EVERYONE) !== (list === undefined))
      evidence.problem(`audience-keys: ${id.slice(0, 8)} has a list where none is, or none`)
  }
}

/** Out of the trash comes what was in it; nobody offers a file to itself. */
function checkMoot(evidence: Evidence, { file }: Row, acts: readonly Act[]): void {
  const { byId, problem } = evidence
  for (const { id, kind, body } of effectiveOn(evidence, file)) {
    const { version, builds } = body as { version?: number; builds?: Uint8Array }
    const under = builds === undefined ? undefined : byId.get(idFrom<EntryId>(builds))
    if (kind === 'restore' && version === undefined && under?.kind !== 'trash')
      problem(`buried: restore ${id.slice(0, 8)} counts, and ${file.slice(0, 8)} was not in the trash`)
  }
  for (const { kind, entry, branch, refusal } of acts) {
    const { to } = entry.body as { to?: Uint8Array }
    if (kind === 'offer' && refusal === null && to !== undefined && toHex(to) === branch)
      problem(`own-offers: offer ${entry.id.slice(0, 8)} is to its own branch`)
  }
}

function effectiveOn({ changes, refusalOn }: Evidence, file: FileId): Entry[] {
  return (changes.get(file) ?? []).filter(({ id }) => refusalOn(file, id) === null)
}

/** A file begins once; a version is what a store can keep, with a box of its own access epoch; none beside opens one. */
function checkVersions(evidence: Evidence, { file }: Row): void {
  const { byId, state, problem } = evidence
  const effective = effectiveOn(evidence, file)
  const name = file.slice(0, 8)
  if (effective.filter(({ kind }) => kind === 'upload').length > 1) problem(`contents: ${name} began twice`)
  for (const { version, size, chunk, conflict, entry, epoch, meta } of state.versions(file)) {
    const isChunk = chunk >= MIN_CHUNK && chunk <= MAX_CHUNK && Number.isInteger(Math.log2(chunk))
    if (!isChunk || Math.ceil(size / chunk) > MAX_CHUNKS)
      problem(`contents: version ${version} of ${name} has a form that no store keeps`)
    const body = byId.get(entry)?.body as { opens?: unknown } | undefined
    if (conflict && body?.opens !== undefined) problem(`contents: a version beside ${name} opened an access epoch`)
    const isNamed = effective.some((each) => {
      const named = each.body as { meta?: unknown; epoch?: number; opens?: { epoch?: number } }
      return (
        named.meta instanceof Uint8Array && toHex(named.meta) === meta && (named.opens?.epoch ?? named.epoch) === epoch
      )
    })
    if (!isNamed) problem(`access-epochs: version ${version} of ${name} has a box of another`)
  }
}

/** What is sealed anew is the version that stands, and nothing else. */
function checkReseals(evidence: Evidence, { file }: Row): void {
  const { byId, state, problem } = evidence
  const versions = state.versions(file)
  const made = new Map(versions.flatMap(({ conflict, entry, version }) => (conflict ? [] : [[entry, version]])))
  for (const reseal of effectiveOn(evidence, file)) {
    if (reseal.kind !== 'reseal') continue
    const { version, content } = reseal.body as { version: number; content: { size: number } }
    const name = `reseal ${reseal.id.slice(0, 8)} of ${file.slice(0, 8)}`
    const entry = versions.find((each) => each.version === version && !each.conflict)?.entry
    const sealed = byId.get(entry ?? ('' as EntryId))?.body as { content?: { size: number } } | undefined
    if (sealed?.content !== undefined && sealed.content.size !== content.size)
      problem(`contents: ${name} has another size`)
    let under = byId.get(idIn(reseal, 'builds') ?? ('' as EntryId))
    while (under !== undefined && !made.has(under.id)) under = byId.get(idIn(under, 'builds') ?? ('' as EntryId))
    if (under !== undefined && made.get(under.id) !== version)
      problem(`contents: ${name} is not of the version that stands`)
  }
}

/** What is gone or left behind is not taken; who lost a draw kept what it wrote; who won it went on with what it had. */
function checkHeirs(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { ancestors, byId, membership, problem } = evidence
  const name = row.file.slice(0, 8)
  const taken = acts.filter(({ kind, refusal }) => (kind === 'accept' || kind === 'adopt') && refusal === null)
  for (const act of taken) {
    const offer = act.of === undefined ? undefined : byId.get(act.of)
    const builds = offer === undefined ? undefined : byId.get(idIn(offer, 'builds') ?? ('' as EntryId))
    if (builds?.kind === 'purge' && evidence.refusalOn(row.file, builds.id) === null)
      problem(`buried: ${name} was taken after a purge`)
  }
  for (const { seed, node } of membership.departures.values()) {
    const accepts = acts.filter(({ kind, of }) => kind === 'accept' && of === seed)
    const left = evidence.control.find(
      (entry) => entry.kind === 'left' && entry.author === node && membership.verdicts.get(entry.id) === null,
    )
    const orphans = (left?.body as { orphans?: Uint8Array[] } | undefined)?.orphans ?? []
    const isLeft = orphans.some((file) => idFrom<FileId>(file) === row.file)
    for (const { entry, refusal, branch } of accepts) {
      if (left !== undefined && isLeft && refusal === null && ancestors(entry.id)?.has(left.id) === true)
        problem(`departures: ${nameOf(evidence, entry.author)} drew ${name}, which was left an orphan`)
      const written = plainUpdates(evidence, row.file, entry)
      if (refusal === 'draw-lost') {
        const lost = written.find(({ id }) => evidence.refusalOn(row.file, id) === 'not-owner')
        if (lost !== undefined)
          problem(`conflicts-kept: update ${lost.id.slice(0, 8)} of who lost a draw stands nowhere`)
      }
      const [first] = written
      if (refusal !== null || first === undefined || taken.length !== 1) continue
      const isFirst = (evidence.changes.get(row.file) ?? []).every(
        (each) => each.id === first.id || membership.members.get(each.author)?.branch !== branch,
      )
      const upload = byId.get(idIn(first, 'builds') ?? ('' as EntryId))
      const isOfLeaver = upload?.kind === 'upload' && upload.author === node
      const isBeside = evidence.state
        .versions(row.file)
        .some((version) => version.conflict && version.entry === first.id)
      if (isFirst && isOfLeaver && isBeside) problem(`conflicts-kept: ${name} does not go on where its new owner stood`)
    }
  }
}

/** In the feed in which it took the file, after that. */
function plainUpdates({ changes }: Evidence, file: FileId, { feed, seq }: Entry): Entry[] {
  return (changes.get(file) ?? []).filter(
    (entry) =>
      entry.kind === 'update' &&
      entry.feed === feed &&
      entry.seq > seq &&
      (entry.body as { opens?: unknown }).opens === undefined,
  )
}
