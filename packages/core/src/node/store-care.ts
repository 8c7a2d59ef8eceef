/** The look through the store and the healing of what it finds, with what they ask of the other rooms. */
import type { SharedState } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import {
  type BoxStore,
  type CheckPlace,
  type ContentStore,
  createStoreCheck,
  type StoreCheck,
} from '../content/index.ts'
import { type BoxHash, idBytes, idFrom, type NodeId, type Root } from '../ids.ts'
import type { LocalSettings } from '../ledger/index.ts'
import type { Host } from '../network/index.ts'
import type { LiveVersion, Replicator } from '../replication/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Access } from './access.ts'
import type { Bell } from './bell.ts'
import type { EventHub } from './events.ts'
import { createHealing, type Healing } from './healing.ts'
import type { Readers } from './readers.ts'
import type { Versions } from './session-versions.ts'
import type { Tuning } from './types.ts'

const PLACE = 'node/store-check'
const PLACE_BYTES = 512

export interface StoreCareInit {
  readonly settings: LocalSettings
  readonly clock: Clock
  readonly state: SharedState
  readonly versions: Versions
  readonly access: Access
  readonly store: ContentStore
  readonly boxes: BoxStore
  readonly transfers: Transfers
  readonly readers: Readers
  readonly replicator: Replicator
  readonly host: Pick<Host, 'connections'>
  readonly self: NodeId
  want(version: LiveVersion): void
  readonly events: EventHub
  readonly bell: Bell
  readonly tuning: Tuning
  readonly log: (message: string, error?: unknown) => void
}

export function createStoreCare(rooms: StoreCareInit): { healing: Healing; storeCheck: StoreCheck } {
  const { settings, clock, state, versions, store, boxes, transfers, readers, replicator, events, log } = rooms

  const healing = createHealing({
    settings,
    clock,
    state,
    versions,
    store,
    boxes,
    intervalMs: rooms.tuning.repairIntervalMs,
    mayHold: rooms.access.mayHold,
    look: ({ file }) => replicator.look(file),
    want: rooms.want,
    seekBox(hash) {
      const owner = state.boxOwner(hash)
      const live = owner === null ? null : versions.live(owner.file)
      const connected = rooms.host.connections().map(({ peer }) => peer)
      const sources = new Set([...(live === null ? [] : replicator.placement(live)), ...connected])
      sources.delete(rooms.self)
      boxes.get(hash, [...sources]).catch(() => null)
    },
    onFound({ file, version, shape: { root } }) {
      const message = `a part of version ${version} of file ${file} is damaged on this disk; it is fetched from other branches`
      events.emit('warning', { code: 'damaged-chunks', message })
      log(`damaged: ${root.slice(0, 12)} of file ${file}`)
    },
    onHealed(root) {
      storeCheck.look(root)
      rooms.bell.ring()
    },
    onProblem: (error) => log('healing the store', error),
  })

  const storeCheck = createStoreCheck({
    store,
    boxes,
    clock,
    isBusy: () => readers.any() || transfers.isUrgent(),
    load: () => placeFrom(settings.getSetting(PLACE)),
    save: (place) => settings.setSetting(PLACE, encodePlace(place)),
    onDamagedBox: healing.boxDamaged,
    onProblem: (error) => log('looking through the store', error),
    firstMs: rooms.tuning.storeCheckMs,
  })

  return { healing, storeCheck }
}

const placeShape = shape.object({
  v: shape.uint(1),
  began: shape.uint(),
  ended: shape.nullable(shape.uint()),
  boxes: shape.bool,
  root: shape.nullable(shape.bytes(32)),
  index: shape.uint(),
  hash: shape.nullable(shape.bytes(32)),
  bytes: shape.uint(),
})

function encodePlace({ began, ended, phase, root, index, hash, bytes }: CheckPlace): Uint8Array {
  return encodeCbor({
    v: 1,
    began,
    ended,
    boxes: phase === 'boxes',
    root: root === null ? null : idBytes(root),
    index,
    hash: hash === null ? null : idBytes(hash),
    bytes,
  })
}

/** null also for what cannot be read: that costs another look, and must not cost the start */
function placeFrom(saved: Uint8Array | null): CheckPlace | null {
  if (saved === null) return null
  try {
    const { began, ended, boxes, root, index, hash, bytes } = placeShape(decodeCbor(saved, PLACE_BYTES))
    return {
      began,
      ended,
      phase: boxes ? 'boxes' : 'versions',
      root: root === null ? null : idFrom<Root>(root),
      index,
      hash: hash === null ? null : idFrom<BoxHash>(hash),
      bytes,
    }
  } catch {
    return null
  }
}
