import { describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { createEventHub } from './events.ts'
import type { NodeEvent, TransferView } from './types.ts'

const warn = (hub: ReturnType<typeof createEventHub>, message: string) => hub.emit('warning', { code: 'x', message })

describe('createEventHub', () => {
  it('tells listeners until they leave, and survives one that throws', () => {
    const problems: unknown[] = []
    const hub = createEventHub(systemClock, (error) => problems.push(error))
    const heard: string[] = []
    hub.on('warning', () => {
      throw new Error('listener')
    })
    const leave = hub.on('warning', (data) => heard.push(data.message))
    warn(hub, 'one')
    leave()
    warn(hub, 'two')
    expect(heard).toEqual(['one'])
    expect(problems).toHaveLength(2)
  })

  it('replays what came after an id, then goes on live, and ends with its signal', async () => {
    const hub = createEventHub(systemClock, () => {})
    const end = new AbortController()
    const seen: string[] = []
    const first = hub.since(0, { signal: end.signal })
    warn(hub, 'one')
    warn(hub, 'two')
    const one = (await first[Symbol.asyncIterator]().next()).value as NodeEvent
    const reader = (async () => {
      for await (const event of hub.since(one.id, { signal: end.signal })) {
        seen.push((event.data as { message: string }).message)
        if (seen.length === 2) end.abort()
      }
    })()
    warn(hub, 'three')
    await reader
    expect(seen).toEqual(['two', 'three'])
  })

  it('replays all it has to a reader whose last id is of a run before the clock was set back', async () => {
    const before = createEventHub({ ...systemClock, now: () => 2_000_000 }, () => {})
    const after = createEventHub({ ...systemClock, now: () => 1_000_000 }, () => {})
    const end = new AbortController()
    const lastOf = async (hub: ReturnType<typeof createEventHub>, id: number) =>
      (await hub.since(id, { signal: end.signal })[Symbol.asyncIterator]().next()).value as NodeEvent
    warn(before, 'old')
    const { id } = await lastOf(before, 0)
    warn(after, 'one')
    warn(after, 'two')
    expect(await lastOf(after, id)).toMatchObject({ data: { message: 'one' } })
    end.abort()
  })

  it('tells a reader that is up to date only what follows', async () => {
    const hub = createEventHub(systemClock, () => {})
    const end = new AbortController()
    warn(hub, 'one')
    const first = await hub.since(0, { signal: end.signal })[Symbol.asyncIterator]().next()
    const next = hub
      .since((first.value as NodeEvent).id, { signal: end.signal })
      [Symbol.asyncIterator]()
      .next()
    warn(hub, 'two')
    expect((await next).value).toMatchObject({ data: { message: 'two' } })
    end.abort()
  })

  it('forgets the name of a file that is hidden, and nothing else', async () => {
    const hub = createEventHub(systemClock, () => {})
    hub.emit('file:published', { fileId: 'a', name: 'secret', version: 1 })
    hub.emit('file:published', { fileId: 'b', name: 'known', version: 1 })
    hub.emit('transfer:ended', { fileId: 'a', name: 'secret', bytes: 7 } as TransferView)
    hub.emit('file:deleted', { fileId: 'a' })
    hub.forgetName('a')
    const end = new AbortController()
    const seen: NodeEvent[] = []
    for await (const event of hub.since(0, { signal: end.signal })) if (seen.push(event) === 4) end.abort()
    expect(JSON.stringify(seen)).not.toContain('secret')
    expect(seen.map(({ type, data }) => [type, data])).toEqual([
      ['file:hidden', { fileId: 'a' }],
      ['file:published', { fileId: 'b', name: 'known', version: 1 }],
      ['transfer:ended', { fileId: 'a', name: null, bytes: 7 }],
      ['file:deleted', { fileId: 'a' }],
    ])
  })
})
