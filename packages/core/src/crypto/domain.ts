import type { NetworkId } from '../ids.ts'

/** What a signature, derived key, wrap or ticket is for. One line each here, so that no two purposes share a domain. */
export type Purpose =
  | 'entry' // an author signs an entry id
  | 'recovery' // the recovery key signs an entry id
  | 'invite' // an invite's key signs the newcomer's keys
  | 'join' // a member and a newcomer prove themselves to each other while registering
  | 'file-id' // a file id is bound to its first author
  | 'key-id' // commitment to an audience key
  | 'audience' // subkeys of an audience key
  | 'audience-renewal' // the previous audience key vouches for the next
  | 'grant' // an audience key sealed to one member
  | 'grant-slot' // where in a grants box a member finds its own
  | 'epoch' // subkeys of an access epoch's file key
  | 'file-key' // a file key wrapped under an audience key
  | 'key-proof' // a reader proves that it has an access epoch's key
  | 'notice' // an owner tells a denied node to drop a file
  | 'state-row' // one row of the state digest
  | 'run' // a process with a node's identity says that it is alive
  | 'draw' // rank of a candidate
  | 'placement' // rank of a holder

const encoder = new TextEncoder()

/** Network id inside the founding entry, whose id the network id is. */
export const NO_NETWORK = '0'.repeat(64) as NetworkId

/** The domain string: product, format version, purpose, network. Ends in NUL, so that no domain is a prefix of another. */
export function domain(purpose: Purpose, network: NetworkId): Uint8Array {
  // of one network in nearly all processes: they are asked for with every hash and signature
  if (known.network !== network) known = { network, domains: new Map() }
  const made = known.domains.get(purpose) ?? encoder.encode(`malote/1/${purpose}/${network}\0`)
  known.domains.set(purpose, made)
  return made
}

let known: { readonly network: NetworkId | null; readonly domains: Map<Purpose, Uint8Array> } = {
  network: null,
  domains: new Map(),
}
