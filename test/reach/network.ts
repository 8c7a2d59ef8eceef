/** A network of the product in a lab: founded by a public host, which serves as relay; the others come by invite. */
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { Branch, type Json } from '../support/branch.ts'
import { contentOf, share } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import type { LabHost } from './host.ts'
import { createLab, type Lab, type Office, type OfficeInit } from './lab.ts'

/** at a time, with one founder that answers all */
const REGISTERING = 3
const FILE_BYTES = 1024 * 1024

/** A branch, and where it is. */
export class LabBranch extends Branch {
  readonly host: LabHost
  constructor(name: string, data: string, host: LabHost) {
    super(name, data, host.place)
    this.host = host
  }

  get id(): string {
    return this.ready?.id ?? ''
  }

  /** How it sees another. */
  async viewOf(other: LabBranch): Promise<Json> {
    return await this.api(`/nodes/${other.id}`)
  }
}

export interface ReachNetwork {
  readonly lab: Lab
  /** those with public addresses, the founder first; all serve as relays */
  readonly relays: readonly LabBranch[]
  readonly all: readonly LabBranch[]
  /** By the name of its office; the second machine of `pr1` is `pr1.1`. */
  node(name: string): LabBranch
  office(name: string): Office
  close(): Promise<void>
}

export interface ReachInit {
  /** @default 1 */
  readonly relays?: number
  readonly offices: Readonly<Record<string, OfficeInit>>
  /** further flags of `up` */
  readonly flags?: (name: string) => readonly string[]
  /** address by which a newcomer comes @default those in its invite */
  readonly via?: (name: string) => string
  /** who has registered is switched off until a test needs it: a few at a time take little of the processor */
  readonly apart?: boolean
}

/**
 * Relays are named `relay 0` and so on. Node ids grow in the order of the offices: which of two begins to punch is no matter
 * of chance.
 */
export async function startReachNetwork(init: ReachInit): Promise<ReachNetwork> {
  const { relays = 1, offices, flags = () => [], apart = false, via } = init
  const root = mkdtempSync(join(tmpdir(), 'malote-reach-'))
  const size = Object.values(offices).reduce((sum, { hosts = 1 }) => sum + hosts, relays)
  const folders = Array.from({ length: size }, (_, at) => join(root, `${at}`))
    .map((folder) => ({ folder, id: loadIdentity(folder).id }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ folder }) => folder)
  const lab = createLab({ publicHosts: relays, offices: Object.values(offices) })
  const branchAt = (name: string, host: LabHost) => new LabBranch(name, folders.shift() ?? '', host)
  const servers = lab.publicHosts.map((host, at) => branchAt(`relay ${at}`, host))
  const names = Object.keys(offices)
  const inside = lab.offices.map(({ hosts }, at) =>
    hosts.map((host, each) => branchAt(`${names[at]}${each === 0 ? '' : `.${each}`}`, host)),
  )
  const all = [...servers, ...inside.flat()]
  const close = async () => {
    await Promise.all(all.map((branch) => branch.end()))
    lab.close()
    rmSync(root, { recursive: true, force: true })
  }
  try {
    const flagsOf = (branch: LabBranch) => [...(servers.includes(branch) ? ['--relay'] : []), ...flags(branch.name)]
    await Promise.all((apart ? servers : all).map((branch) => branch.up(flagsOf(branch))))
    const [founder, ...guests] = all as [LabBranch, ...LabBranch[]]
    // nothing moves but what a test moves
    const policy = { minCopies: 1, maxCopies: 1 }
    await founder.api('/network', { method: 'POST', json: { name: 'Rede', branch: founder.name, policy } })
    const register = async (guest: LabBranch) => {
      if (apart) await guest.up(flagsOf(guest))
      const { invite } = await founder.api('/invites', { method: 'POST', json: { branch: guest.name } })
      await guest.api('/register', { method: 'POST', json: { invite, ...(via && { ip: via(guest.name) }) } })
      if (!apart) return
      // what a newcomer keeps of the founder comes with its first word
      await connected([[guest, founder]])
      await guest.end()
    }
    // a few at a time: each of them waits for answers; neighbours last, since one address may try once in a second
    const later = inside.flatMap((neighbours) => neighbours.slice(1))
    const queue = guests.filter((guest) => !later.includes(guest))
    const next = async () => {
      for (let guest = queue.shift(); guest !== undefined; guest = queue.shift()) await register(guest)
    }
    await Promise.all(Array.from({ length: REGISTERING }, next))
    for (const guest of later) await register(guest)
    const named = <T>(what: T | undefined, name: string): T => {
      if (what === undefined) throw new RangeError(`there is no ${name}`)
      return what
    }
    return {
      lab,
      relays: servers,
      all,
      node: (name) =>
        named(
          all.find((branch) => branch.name === name),
          name,
        ),
      office: (name) => named(lab.offices[names.indexOf(name)], name),
      close,
    }
  } catch (error) {
    const said = logs(all)
    await close()
    throw new Error(`${error instanceof Error ? error.message : error}\n${said}`)
  }
}

export function logs(branches: readonly Branch[]): string {
  return branches.map((branch) => `--- ${branch.name}\n${branch.log}`).join('\n')
}

/** Both see each other as connected. @throws with who does not */
export async function connected(pairs: readonly (readonly [LabBranch, LabBranch])[], withinMs = 20_000): Promise<void> {
  let lacking: string[] = []
  const both = pairs.flatMap(([a, b]) => [[a, b] as const, [b, a] as const])
  // one question for each, however many others it is to see
  const askers = new Map(both.map(([from]) => [from, both.filter(([each]) => each === from).map(([, to]) => to)]))
  const found = async () => {
    const answers = [...askers].map(async ([from, others]) => {
      const { items } = await from.api('/nodes').catch(() => ({ items: [] }))
      const seen = new Set(items.filter((node: Json) => node.connected).map((node: Json) => node.id))
      return others.filter(({ id }) => !seen.has(id)).map(({ name }) => `${name} by ${from.name}`)
    })
    lacking = (await Promise.all(answers)).flat()
    return lacking.length === 0
  }
  await eventually('connections', found, withinMs, 250).catch(() => {
    throw new Error(`not seen as connected within ${withinMs} ms: ${lacking.join(', ')}`)
  })
}

/** Bytes that have passed each relay from and to the public address of each of these. */
function passed(network: ReachNetwork, branches: readonly LabBranch[]): number[][] {
  return network.lab.publicHosts.map((relay) => {
    const traffic = relay.traffic()
    return branches.map(({ host }) => traffic.get(host.publicAddress)?.bytes ?? 0)
  })
}

/** A file travels. @returns how most of it went: in and out at the relays, or past them */
export async function sendsHow(
  network: ReachNetwork,
  from: LabBranch,
  to: LabBranch,
): Promise<'direct' | 'relayed' | number> {
  const share = await send(network, from, to, randomFillSync(Buffer.alloc(FILE_BYTES)))
  return share < 0.25 ? 'direct' : share > 1.8 ? 'relayed' : share
}

/** @returns what passed the relays meanwhile, for each byte of the file: 2 over a relay, 0 past it */
async function send(network: ReachNetwork, from: LabBranch, to: LabBranch, content: Buffer): Promise<number> {
  const { id } = await share(from, [to], `${from.name} to ${to.name}`, content)
  const before = passed(network, [from, to])
  const arrived = await contentOf(to, id)
  if (!arrived.equals(content)) throw new Error(`${to.name} has got something else from ${from.name}`)
  // what one of them has sent to somebody else meanwhile, over a relay, the other one has not
  const between = passed(network, [from, to]).map((relay, at) =>
    Math.min(...relay.map((bytes, end) => bytes - (before[at]?.[end] ?? 0))),
  )
  const legs = from.host.publicAddress === to.host.publicAddress ? 1 : 2
  return (legs * between.reduce((sum, bytes) => sum + bytes, 0)) / content.length
}
