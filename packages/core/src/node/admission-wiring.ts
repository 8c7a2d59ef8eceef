/** Commands of membership and the admission of newcomers, with what they ask of the other rooms. */
import type { SharedState, Sharing } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { SigningKey } from '../crypto/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import type { Ledger } from '../ledger/index.ts'
import { type Commands, createCommands, type Members, serveRegister } from '../membership/index.ts'
import type { NetworkHost, Presence } from '../network/index.ts'
import { beforeEntry } from './before-entry.ts'
import { controlWithVouchers } from './joining.ts'
import type { Versions } from './session-versions.ts'

export interface AdmissionWiring {
  readonly network: NetworkId
  readonly self: NodeId
  readonly signer: SigningKey
  readonly clock: Clock
  readonly host: NetworkHost
  readonly ledger: Ledger
  readonly state: SharedState
  readonly members: Members
  readonly versions: Versions
  readonly presence: Pick<Presence, 'list'>
  readonly sharing: Sharing
  /** version of the rules that this software follows */
  readonly rules: number
  readonly log: (message: string, error?: unknown) => void
}

/** Of the eight of an invite; the others are those of other members. */
const OWN_IN_INVITE = 6

export function createAdmission(rooms: AdmissionWiring): Commands {
  const { network, self, clock, host, ledger, state, members, presence, sharing } = rooms
  const cutsOf = rooms.versions.cutsOf(ledger)
  const history = beforeEntry(ledger)
  serveRegister({
    host,
    clock,
    state: () => state.membership(),
    controlEntries: () => controlWithVouchers(ledger, network),
    append: (kind, body) => ledger.append(kind, body),
    cutsOf,
    addresses: () => [
      { node: self, addresses: host.addresses() },
      ...presence.list().map(({ node, addresses }) => ({ node, addresses })),
    ],
    grantsFor(node, branch) {
      const sealing = members.get(node)?.sealing
      return sealing === undefined ? new Uint8Array(0) : sharing.grants.grantsFor({ branch, sealing })
    },
    log: rooms.log,
  })
  return createCommands({
    state: () => state.membership(),
    append: (kind, body, options) => ledger.append(kind, body, options),
    self,
    signer: rooms.signer,
    clock,
    rules: rooms.rules,
    cutsOf: (node, before) => (before === undefined ? cutsOf(node) : history.cutsBefore(node, before)),
    lastControlBefore: history.lastControlBefore,
    findEntry: history.findEntry,
    inviteAddresses: () => [
      ...host.addresses().slice(0, OWN_IN_INVITE),
      ...presence
        .list()
        .filter(({ connected }) => connected)
        .flatMap(({ addresses }) => addresses.slice(0, 2)),
    ],
  })
}
