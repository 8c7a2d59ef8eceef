import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { CHUNK, createMemoryDisk, elsewhere, KIB, memoryStore, seal } from './testing.ts'

const which = fc.nat(2)
const step = fc.oneof(
  fc.record({ do: fc.constant('write' as const), which, index: fc.nat(3) }),
  fc.record({ do: fc.constantFrom('remove', 'seal', 'damage', 'failing sync', 'restart') as fc.Arbitrary<Do>, which }),
)
type Do = 'remove' | 'seal' | 'damage' | 'failing sync' | 'restart'

it('the bytes in use are those of all versions, whatever happened to them', async () => {
  // a last chunk that is shorter, one that is not, and no chunk at all
  const versions = await Promise.all([3 * CHUNK + 7, 2 * CHUNK, 0].map((size, seed) => elsewhere(size, seed + 1)))
  const whole = await elsewhere(CHUNK + KIB, 9)
  const versionAt = (at: number) => versions[at] as (typeof versions)[number]
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const disk = createMemoryDisk()
      let store = await memoryStore({ disk })
      for (const each of steps) {
        const { manifest, chunks } = versionAt(each.which)
        const { root } = manifest
        switch (each.do) {
          case 'write': {
            const file = await store.open(manifest)
            await file.setManifest(manifest)
            const chunk = chunks[each.index]
            if (chunk !== undefined) await file.write(each.index, chunk)
            break
          }
          case 'remove':
            await store.remove(root)
            break
          case 'seal':
            await seal(store, whole.plain)
            break
          case 'damage': {
            const file = await store.get(root)
            disk.content(`/s/${root.slice(0, 2)}/${root}.sealed`)?.fill(0xff)
            for (let index = 0; index < chunks.length; index++) {
              await file?.read(index, { verify: true }).catch(() => undefined)
            }
            break
          }
          case 'failing sync':
            disk.fault = (operation) => {
              if (operation === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' })
            }
            await (await store.get(root))?.flush().catch(() => undefined)
            disk.fault = () => undefined
            break
          case 'restart':
            await store.stop().catch(() => undefined)
            store = await memoryStore({ disk })
        }
        expect(store.usage().used).toBe(sum(store.list()))
      }
      for (const { root } of store.list()) await store.remove(root)
      expect(store.usage().used).toBe(0)
    }),
    { numRuns: 60 },
  )
})

function sum(versions: readonly { root: Root; bytes: number }[]): number {
  return versions.reduce((all, { bytes }) => all + bytes, 0)
}
