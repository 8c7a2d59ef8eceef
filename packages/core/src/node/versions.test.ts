/** New versions over real sockets: what has not changed is not sent again. */
import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { read, received, share, testNodes, until, update } from './support/nodes.ts'

const MIB = 1024 * 1024
const nodes = testNodes()
afterEach(() => nodes.close())

it('takes the chunks that have not changed from the version before', async () => {
  const [owner, reader] = await nodes.network('Recife', 'Olinda')
  if (owner === undefined || reader === undefined) throw new Error('no network')
  const content = randomBytes(8 * MIB + 17)
  const id = await share(owner, 'catálogo.indd', content)
  await until('version 1 is here', () => reader.files.get(id).local === 'complete')
  const before = received(reader)

  content.fill(7, 3 * MIB, 3 * MIB + 100)
  await update(owner, id, content)
  await until('version 2 is here', () => {
    const { version, local } = reader.files.get(id)
    return version === 2 && local === 'complete'
  })
  expect((await read(reader, id)).equals(content)).toBe(true)
  // the changed chunk, and no other
  expect(received(reader) - before).toBeLessThan(1.1 * MIB)
}, 60_000)
