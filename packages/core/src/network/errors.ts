import { MaloteError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import type { ProtocolName } from './types.ts'

/** Nobody answered under any known address. Worth trying again, with back-off. */
export class UnreachableError extends MaloteError {
  override name = 'UnreachableError'
  constructor(target: string, cause?: unknown) {
    super('unreachable', `cannot reach ${target}`, {
      details: { target },
      advice: 'Check that it is switched on, that port 4373 is open on one side, or start one member with --relay.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** This node was told to do without what the address needs (`--transports`). */
export class TransportOffError extends UnreachableError {
  override name = 'TransportOffError'
}

/** A wait of ours ended before the other side did its part. Worth trying again. */
export class TimeoutError extends MaloteError {
  override name = 'TimeoutError'
  constructor(what: string, ms: number) {
    super('timeout', `${what}: no answer within ${ms} ms`, { details: { what, ms } })
  }
}

/** A peer that is no member asked for what only members get, or we asked one that is none. */
export class NotMemberError extends MaloteError {
  override name = 'NotMemberError'
  constructor(node: NodeId) {
    super('not-a-member', `${node} is not a member of this network`, { details: { node } })
  }
}

/** A quarantined member asked for more than `ledger` and `presence`. */
export class QuarantinedPeerError extends MaloteError {
  override name = 'QuarantinedPeerError'
  constructor(node: NodeId) {
    super('quarantined', `${node} is quarantined`, { details: { node } })
  }
}

/** This node belongs to no network yet, so no protocol has a name. */
export class NoNetworkError extends MaloteError {
  override name = 'NoNetworkError'
  constructor() {
    super('not-a-member', 'this node belongs to no network yet', {
      advice: 'Found one with `malote init`, or join one with `malote register`.',
    })
  }
}

/** This node's presence is switched off. */
export class DisconnectedError extends MaloteError {
  override name = 'DisconnectedError'
  constructor() {
    super('disconnected', 'this node is disconnected', { advice: 'Run `malote connect`.' })
  }
}

/** The peer answered, but does not speak this protocol: another network, or other software. Not worth trying again. */
export class ProtocolUnsupportedError extends MaloteError {
  override name = 'ProtocolUnsupportedError'
  constructor(node: NodeId, protocol: ProtocolName, cause?: unknown) {
    super('unsupported', `${node} does not speak ${protocol} of this network`, { details: { node, protocol }, cause })
  }
}

/** The other side ended the stream before it was done. */
export class StreamBrokenError extends MaloteError {
  override name = 'StreamBrokenError'
  constructor(reason: string, cause?: unknown) {
    super('protocol', `the other side broke off: ${reason}`, { details: { why: reason }, cause })
  }
}

/** More streams, connections or bytes than one peer may have. */
export class PeerLimitError extends MaloteError {
  override name = 'PeerLimitError'
  constructor(what: string) {
    super('rate-limited', `too many ${what}`, { details: { what } })
  }
}

export class AddressInvalidError extends MaloteError {
  override name = 'AddressInvalidError'
  constructor(text: string, reason: string) {
    super('usage', `not an address: ${JSON.stringify(text.slice(0, 120))} (${reason})`, {
      details: { address: text.slice(0, 120), why: reason },
      advice: 'Give an IP, `IP:port`, a DNS name, or a multiaddr such as /ip4/192.0.2.7/tcp/4373.',
    })
  }
}

/** A swarm address could not be listened on. */
export class ListenError extends MaloteError {
  override name = 'ListenError'
  constructor(addresses: readonly string[], cause: unknown) {
    super('usage', `cannot listen on ${addresses.join(', ')}`, {
      details: { addresses },
      cause,
      advice: 'Another program may use the port: choose one with --port.',
    })
  }
}

/** There is no QUIC for this platform, or it was not installed. */
export class UdpUnavailableError extends MaloteError {
  override name = 'UdpUnavailableError'
  constructor() {
    super('usage', `cannot listen on UDP: there is no QUIC for ${process.platform}-${process.arch} here`, {
      details: { platform: `${process.platform}-${process.arch}` },
      advice: 'Listen on TCP only, or install with optional dependencies.',
    })
  }
}

/** A fact that does not fit its bounds. */
export class FactInvalidError extends MaloteError {
  override name = 'FactInvalidError'
  constructor(reason: string) {
    super('too-large', `not a valid fact: ${reason}`, { details: { why: reason } })
  }
}

/** A router said something that is not to be understood, or that we do not want to hear. */
export class RouterAnswerError extends MaloteError {
  override name = 'RouterAnswerError'
  constructor(what: string) {
    super('protocol', `the router gave ${what}`)
  }
}

/** A router refused what it was asked for, with a number of UPnP's. */
export class RouterRefusedError extends MaloteError {
  override name = 'RouterRefusedError'
  readonly number: number
  constructor(action: string, number: number) {
    super('forbidden', `the router refused ${action} (${number})`)
    this.number = number
  }
}

/** Errors inside of errors that are looked at: a dial under many addresses brings one for each. */
const MAX_CAUSES = 64

/** What a person can do something about, of all the reasons why nobody was reached; null where there is no such. */
export function whyUnreachable(error: unknown): string | null {
  const waiting: unknown[] = [error]
  for (let seen = 0; seen < MAX_CAUSES && waiting.length > 0; seen++) {
    const each = waiting.shift()
    if (!(each instanceof Error)) continue
    const { code, hostname } = each as Error & { code?: unknown; hostname?: unknown }
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'ENODATA')
      return typeof hostname === 'string' ? `nobody knows the name ${hostname}` : 'nobody knows that name'
    if (each instanceof TransportOffError) return 'its transport is switched off here'
    waiting.push(each.cause, ...(each instanceof AggregateError ? each.errors : []))
  }
  return null
}
