/** All vectors, as the product makes them. Each key is a file below docs/vectors. */
import { makeEntries, makeOrder } from './entries.ts'
import { makeKeys, makeSealing } from './keys.ts'
import { makeLedgers } from './ledgers.ts'
import { makeCbor, makeFrames, makeInvites, makeManifests, makePlacement } from './others.ts'

export async function makeVectors(): Promise<Map<string, string>> {
  const files = new Map<string, unknown>([
    ['cbor.json', makeCbor()],
    ['frames.json', makeFrames()],
    ['keys.json', makeKeys()],
    ['sealing.json', await makeSealing()],
    ['manifest.json', makeManifests()],
    ['invite.json', await makeInvites()],
    ['placement.json', makePlacement()],
    ['entries.json', makeEntries()],
    ['order.json', makeOrder()],
    ...(await makeLedgers()),
  ])
  return new Map([...files].map(([name, content]) => [name, `${JSON.stringify(content, null, 1)}\n`]))
}
