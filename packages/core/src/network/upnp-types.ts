/**
 * How it stands with the port that a router leads here. `off`: not wanted. `waiting`: in no network, or disconnected.
 * `not-needed`: this machine has a public IPv4 address, was given one by hand, or listens in no private network. `looking`.
 * `mapped`: told to members. `no-router`: none answered. `no-public-address`: the router has none itself (two routers in a
 * row, or the provider translates), or it names one at which members do not see this node. `refused`, `failed`: see detail.
 */
export type UpnpState =
  | 'off'
  | 'waiting'
  | 'not-needed'
  | 'looking'
  | 'mapped'
  | 'no-router'
  | 'no-public-address'
  | 'refused'
  | 'failed'

export interface UpnpView {
  readonly state: UpnpState
  /** `IP:port` under which others reach this node by it */
  readonly address: string | null
  /** what the router has said, in words; of `no-public-address` the address */
  readonly detail: string | null
}
