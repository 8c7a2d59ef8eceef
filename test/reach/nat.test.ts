/** The lab itself: each router does what its name says, or nothing that is found out behind it means anything. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LabHost } from './host.ts'
import { createLab, type Lab, labMissing, type Office } from './lab.ts'
import type { Behaviour, Found } from './probe.ts'

const PROBE = join(import.meta.dirname, 'probe.ts')
const OTHER = '11.22.33.9'
const why = labMissing()

const one = (open: Behaviour['open']): Behaviour => ({ mapping: 'one', open })
const silent = { udp: 'silence', tcp: 'silence' } as const
const KINDS: { [nat in 'fc' | 'pr' | 'sy' | 'fw' | 'rej']: Found } = {
  fc: { translated: true, udp: one('all'), tcp: one('all'), stranger: silent },
  pr: { translated: true, udp: one('exact'), tcp: one('exact'), stranger: silent },
  sy: {
    translated: true,
    udp: { mapping: 'each', open: 'exact' },
    tcp: { mapping: 'each', open: 'exact' },
    stranger: silent,
  },
  fw: { translated: false, udp: one('exact'), tcp: one('exact'), stranger: silent },
  rej: { translated: true, udp: one('exact'), tcp: one('exact'), stranger: { udp: 'refused', tcp: 'refused' } },
}
const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[]

const GONE = { udp: 'silence', tcp: 'silence' }
const THERE = { udp: 'answer', tcp: 'open' }
const [PORT, NEXT_PORT] = ['3478', '3479']

describe.skipIf(why !== null)(`a small Internet${why === null ? '' : ` (not here: ${why})`}`, () => {
  let lab: Lab
  let server: LabHost
  const office = (nat: keyof typeof KINDS) => lab.offices[kinds.indexOf(nat)] as Office
  const hostIn = (nat: keyof typeof KINDS) => office(nat).hosts[0] as LabHost
  beforeAll(async () => {
    const forward = { hosts: 2, forward: Number(PORT), hairpin: true }
    lab = createLab({
      offices: [
        ...kinds.map((nat) => (nat === 'sy' ? { nat, ...forward } : { nat })),
        { nat: 'fc', apart: true, ...forward },
      ],
    })
    const [publicHost] = lab.publicHosts
    publicHost?.addAddress(OTHER)
    server = publicHost as LabHost
    await serve(server, server.address, OTHER)
  })
  afterAll(() => lab?.close())

  const tryFrom = async (host: LabHost, address: string, port = PORT) =>
    JSON.parse(await host.run([process.execPath, PROBE, 'try', address, port]))

  it('routers do what they are named after', async () => {
    const found = await Promise.all(
      kinds.map(async (nat) =>
        JSON.parse(await hostIn(nat).run([process.execPath, PROBE, 'ask', server.address, OTHER])),
      ),
    )
    expect(Object.fromEntries(kinds.map((nat, at) => [nat, found[at]]))).toEqual(KINDS)
    expect(new Set(found.map((each) => JSON.stringify(each))).size, 'no two are alike').toBe(kinds.length)
  })

  it('hosts of one house that are apart meet at its public address alone, and see each other as that', async () => {
    const { publicAddress, hosts } = lab.offices[kinds.length] as Office
    const [inside, apart] = hosts as [LabHost, LabHost]
    await serve(inside, inside.address)
    const seen = lines(apart.start([process.execPath, PROBE, 'twice', publicAddress, '0']))
    expect(await Promise.all([tryFrom(apart, inside.address), tryFrom(apart, publicAddress)])).toEqual([GONE, THERE])
    expect((await seen.next()).value).toMatch(new RegExp(`^${publicAddress} \\d+$`))
  })

  it('ports are forwarded, lines cut and limited, mappings forgotten, addresses changed; what passes is counted', async () => {
    const inside = hostIn('sy')
    await serve(inside, inside.address)
    const { publicAddress } = office('sy')
    const neighbour = office('sy').hosts[1] as LabHost
    const before = server.traffic().get(hostIn('rej').publicAddress)
    office('fc').cut()
    office('pr').limit({ udp: false, tcpPort: Number(NEXT_PORT) })
    office('rej').moveTo('11.22.33.200')
    lab.sever(office('fw').hosts[0]?.address ?? '', server.address)
    expect(
      await Promise.all([
        tryFrom(server, publicAddress),
        tryFrom(server, publicAddress, NEXT_PORT),
        tryFrom(neighbour, publicAddress),
        tryFrom(hostIn('fc'), server.address),
        tryFrom(hostIn('pr'), server.address),
        tryFrom(hostIn('pr'), server.address, NEXT_PORT),
        tryFrom(hostIn('rej'), server.address),
        tryFrom(hostIn('fw'), server.address),
        tryFrom(hostIn('fw'), OTHER),
      ]),
    ).toEqual([THERE, GONE, THERE, GONE, GONE, { udp: 'silence', tcp: 'open' }, THERE, GONE, THERE])
    lab.join(office('fw').hosts[0]?.address ?? '', server.address)
    expect(hostIn('rej').publicAddress).toBe('11.22.33.200')
    const counted = server.traffic()
    expect(counted.get('11.22.33.200')?.packets).toBeGreaterThanOrEqual(4)
    expect(counted.get(office('pr').publicAddress)?.packets).toBeGreaterThanOrEqual(2)
    expect(before, 'from the old address, by the test before').toEqual(counted.get('11.22.33.104'))
    office('fc').mend()
    office('pr').limit({})
    const twice = (ms: number) => hostIn('sy').start([process.execPath, PROBE, 'twice', server.address, String(ms)])
    const [kept, forgotten] = [twice(0), twice(1_000)].map(lines)
    const first = await forgotten?.next()
    office('sy').forgetMappings()
    const again = await forgotten?.next()
    expect(first?.value).toMatch(/^11\.22\.33\.102 \d+$/)
    expect(again?.value).toMatch(/^11\.22\.33\.102 \d+$/)
    expect(again?.value).not.toBe(first?.value)
    expect((await kept?.next())?.value).toBe((await kept?.next())?.value)
    office('sy').setMappingLife({ udp: 1 })
    const [timed] = [twice(2_100)].map(lines)
    expect((await timed?.next())?.value).not.toBe((await timed?.next())?.value)
    const mended = ['fc', 'pr', 'fw'] as const
    expect(await Promise.all(mended.map((nat) => tryFrom(hostIn(nat), server.address)))).toEqual(
      mended.map(() => THERE),
    )
  })
})

/** Until the lab ends. */
async function serve(host: LabHost, ...addresses: string[]): Promise<void> {
  const serving = host.start([process.execPath, PROBE, 'serve', ...addresses])
  expect((await lines(serving).next()).value).toBe('ready')
}

function lines({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new TypeError('its output is not ours')
  return createInterface({ input: stdout })[Symbol.asyncIterator]()
}
