import { describe, expect, it } from 'vitest'
import { createHandlePool } from './handle-pool.ts'
import { createMemoryDisk } from './testing.ts'

async function setup(limit: number, names: string[]) {
  const disk = createMemoryDisk()
  for (const name of names) await (await disk.open(name, 'new')).close()
  const calls: string[] = []
  disk.fault = (operation, path) => {
    calls.push(`${operation} ${path}`)
  }
  return { disk, calls, pool: createHandlePool(disk, limit) }
}

describe('handle pool', () => {
  it('opens once, and closes the least recently used when it is full', async () => {
    const { calls, pool } = await setup(2, ['/a', '/b', '/c'])
    for (const path of ['/a', '/b', '/a', '/c', '/a']) await pool.use(path, async () => undefined)
    expect(calls).toEqual(['open /a', 'open /b', 'close /b', 'open /c'])
    await pool.close()
    expect(calls.slice(4).sort()).toEqual(['close /a', 'close /c'])
  })

  it('never has more open than it may, and everyone gets a turn', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `/${i}`)
    const { disk, pool } = await setup(3, names)
    let open = 0
    let most = 0
    disk.fault = (operation) => {
      if (operation === 'open') most = Math.max(most, ++open)
      if (operation === 'close') open -= 1
    }
    const used: string[] = []
    await Promise.all(
      [...names, ...names].map((path) =>
        pool.use(path, async (file) => {
          await file.readAt(new Uint8Array(1), 0)
          used.push(path)
        }),
      ),
    )
    expect([used.length, most]).toEqual([40, 3])
  })

  it('closes a forgotten file when its last user leaves', async () => {
    const { calls, pool } = await setup(2, ['/a'])
    await pool.use('/a', async () => {
      await pool.forget('/a')
      expect(calls).toEqual(['open /a'])
    })
    expect(calls).toEqual(['open /a', 'close /a'])
  })

  it('keeps no descriptor that could not be opened', async () => {
    const { pool } = await setup(1, ['/a'])
    for (let i = 0; i < 3; i++)
      await expect(pool.use('/none', async () => undefined)).rejects.toMatchObject({ code: 'damaged' })
    await pool.use('/a', async () => undefined)
  })
})
