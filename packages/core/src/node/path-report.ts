/** What `status` and `doctor` say about the ways between this branch and the others. */
import type { NodeId } from '../ids.ts'
import type { Nat, NetworkHost, PeerConnection } from '../network/index.ts'
import type { Session } from './session.ts'
import type { DoctorCheck, StatusView } from './types.ts'

/** Branches named one by one in one sentence; of more, how many. */
const NAMED = 5
const FORWARD_PORT = 'Forward TCP and UDP port 4373 on the router to this machine'
const OPEN_PORT = `${FORWARD_PORT}, or switch on UPnP there`
const WITH_RELAY = 'start one member that can be reached with --relay'
const ORDER = ['lan', 'tcp', 'udp', 'punched-tcp', 'punched-udp', 'relay'] as const

/** The paths in use to members, by kind. */
export function pathsInUse(session: Session): StatusView['paths'] {
  const used = session.host.connections().filter(({ peer }) => session.members.isMember(peer))
  return ORDER.flatMap((kind) => {
    const some = used.filter((each) => each.kind === kind)
    if (some.length === 0) return []
    return [{ kind, count: some.length, rttMs: medianTrip(some), bytesPerSecond: bestRate(some) }]
  })
}

/** Members to whom there is no way at all, where a machine that is switched off is not the only reason there can be. */
export function unreachableWarnings(session: Session): StatusView['warnings'] {
  const { tcp, udp, relay } = session.host.reachability()
  const isReached = [tcp, udp].some((each) => each === 'public' || each === 'announced')
  const isElsewhere = [tcp, udp].some((each) => ['private', 'unverified', 'mapped'].includes(each))
  if (isReached || !isElsewhere || relay !== 'none') return []
  return session.presence.unreachable().map((node) => ({
    code: 'unreachable',
    message: `cannot reach ${nameOf(session, node)}: no relay`,
    advice: `If it is switched on: open TCP and UDP port 4373 at one of the two, or ${WITH_RELAY}.`,
  }))
}

/** How others come to this node, and by which ways it goes to them. */
export function pathChecks(host: NetworkHost, session: Session, nat: Nat | null): DoctorCheck[] {
  const checks = [reachCheck(host), ...(nat === null ? [] : [natCheck(nat)]), ...upnpChecks(host)]
  const used = host.connections().filter(({ peer }) => session.members.isMember(peer))
  if (used.length === 0) return checks
  const relayed = used.filter(({ path }) => path === 'relay')
  const counts = pathsInUse(session).map(({ kind, count, rttMs }) => `${count} ${kind}${tripText(rttMs)}`)
  const base = { name: 'paths', message: counts.join(', ') }
  if (relayed.length === 0) return [...checks, { ...base, state: 'ok', advice: null }]
  const names = namesOf(relayed.map(({ peer }) => nameOf(session, peer)))
  return [
    ...checks,
    {
      ...base,
      state: 'warning',
      advice: `Over a relay, which is slower: ${names}. A direct way is looked for. ${OPEN_PORT}, or do so there.`,
    },
  ]
}

function reachCheck(host: NetworkHost): DoctorCheck {
  const { tcp, udp, relay, nat } = host.reachability()
  const how = `TCP ${tcp}, UDP ${udp}; relay: ${relay}; NAT: ${nat}`
  const check = (state: DoctorCheck['state'], what: string, advice: string | null): DoctorCheck => ({
    name: 'reachability',
    state,
    message: `${what} (${how})`,
    advice,
  })
  const either = [tcp, udp]
  if (either.includes('public')) return check('ok', 'others reach this node directly', null)
  if (either.includes('announced')) return check('ok', 'others are told an address that was given by hand', null)
  if (relay === 'server') return check('ok', 'this node serves as relay', null)
  if (either.includes('mapped')) {
    return check('ok', 'the router leads a port here (UPnP); nobody has come in by it yet', null)
  }
  if (either.includes('unverified')) {
    const advice = 'If it stays so, a firewall may be in the way: open TCP and UDP port 4373.'
    return check(
      relay === 'none' ? 'warning' : 'ok',
      'this machine has a public address at which nobody came in',
      advice,
    )
  }
  if (!either.includes('private')) return check('ok', 'this node is reached on this machine alone', null)
  if (relay !== 'none') {
    return check(
      'ok',
      'this node is behind a NAT; others find it over a relay',
      `${OPEN_PORT}, to be found without one.`,
    )
  }
  const advice = `${OPEN_PORT}, or ${WITH_RELAY}. Branches in the same building need neither.`
  return check('warning', 'this node is behind a NAT, and nobody serves as relay: only the same LAN reaches it', advice)
}

/** Nothing where it is not needed, or not wanted. */
function upnpChecks(host: NetworkHost): DoctorCheck[] {
  const { state, address, detail } = host.upnp()
  const why = detail === null ? '' : ` (${detail})`
  const check = (how: DoctorCheck['state'], message: string, advice: string | null): DoctorCheck[] => [
    { name: 'upnp', state: how, message, advice },
  ]
  switch (state) {
    case 'off':
    case 'waiting':
    case 'not-needed':
      return []
    case 'looking':
      return check('ok', 'the router is being asked for a port', null)
    case 'mapped':
      return check('ok', `mapped ${address}`, null)
    case 'no-router':
      return check('ok', 'no router answered', `It takes UPnP (IGD) switched on there. ${FORWARD_PORT}.`)
    case 'no-public-address': {
      const advice =
        'Two translations in a row (a router behind a router, or the provider): forward the port at both, or'
      return check('ok', `the router has no public address of its own${why}`, `${advice} ${WITH_RELAY}.`)
    }
    case 'refused':
      return check('warning', `the router gave no port${why}`, `Allow it there, or: ${FORWARD_PORT}.`)
    case 'failed':
      return check('warning', `the router could not be asked${why}`, `${FORWARD_PORT}.`)
    default:
      return state satisfies never
  }
}

function natCheck({ kind, seenAt, keepsPort }: Nat): DoctorCheck {
  const where = seenAt.join(', ')
  const check = (state: DoctorCheck['state'], message: string, advice: string | null): DoctorCheck => ({
    name: 'nat',
    state,
    message,
    advice,
  })
  switch (kind) {
    case 'none':
      return check('ok', `none: members see this node at its own address (${where})`, null)
    case 'one': {
      const port = keepsPort ? ', even the same as here' : ''
      return check('ok', `members see ${where}, and one port for all${port}: direct ways are opened through it`, null)
    }
    case 'each': {
      const advice = `${OPEN_PORT}: else it takes a relay to branches whose NAT is strict, too.`
      return check('warning', `members see ${where}, and another port each (a symmetric NAT)`, advice)
    }
    case 'some':
      return check('ok', `a member sees ${where}; it takes two with public addresses to tell of which kind it is`, null)
    case 'unknown':
      return check('ok', 'no member with a public address could be asked what it sees of this node', null)
    default:
      return kind satisfies never
  }
}

function medianTrip(some: readonly PeerConnection[]): number | null {
  const trips = some.flatMap(({ rttMs }) => rttMs ?? []).sort((a, b) => a - b)
  return trips[Math.floor((trips.length - 1) / 2)] ?? null
}

function bestRate(some: readonly PeerConnection[]): number | null {
  const rates = some.flatMap(({ bytesPerSecond }) => bytesPerSecond ?? [])
  return rates.length === 0 ? null : Math.max(...rates)
}

function tripText(rttMs: number | null): string {
  return rttMs === null ? '' : ` (${rttMs.toFixed(0)} ms)`
}

function nameOf({ members }: Session, node: NodeId): string {
  const branch = members.get(node)?.branch
  return branch === undefined ? node : members.branchLabel(branch)
}

function namesOf(names: readonly string[]): string {
  const rest = names.length - NAMED
  return rest > 0 ? `${names.slice(0, NAMED).join(', ')} and ${rest} more` : names.join(', ')
}
