/**
 * The vectors say what the code does, and a second reader, which shares no code with the product, comes to the same by
 * the specs. When a format is changed on purpose: `npm run vectors`, and look at the difference.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeVectors } from './make/index.ts'
import {
  checkCbor,
  checkEntries,
  checkInvites,
  checkKeys,
  checkLedger,
  checkManifests,
  checkOrder,
  checkPlacement,
  checkSealing,
} from './reader/check.ts'
import { checkFrames } from './reader/frames.ts'

const folder = join(import.meta.dirname, '..', '..', 'docs', 'vectors')
const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.replaceAll('\\', '/'))
  .sort()

const checks: Record<string, (file: never) => void> = {
  'cbor.json': checkCbor,
  'entries.json': checkEntries,
  'frames.json': checkFrames,
  'invite.json': checkInvites,
  'keys.json': checkKeys,
  'manifest.json': checkManifests,
  'order.json': checkOrder,
  'placement.json': checkPlacement,
  'sealing.json': checkSealing,
}

describe('docs/vectors', () => {
  let made: Map<string, string>
  beforeAll(async () => {
    made = await makeVectors()
  })

  test('are all there', () => expect([...made.keys()].sort()).toEqual(names))

  test.each(names)('%s is what the code makes', (name) => {
    expect(readFileSync(join(folder, name), 'utf8') === made.get(name), 'run `npm run vectors`').toBe(true)
  })

  test.each(names)('%s is what the specs say', (name) => {
    const check = checks[name] ?? checkLedger
    check(JSON.parse(readFileSync(join(folder, name), 'utf8')) as never)
  })
})
