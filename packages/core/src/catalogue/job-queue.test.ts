import { expect, test } from 'vitest'
import { createJobQueue } from './job-queue.ts'

test('a job that throws at once harms neither the caller nor the jobs behind it', async () => {
  const queue = createJobQueue(1)
  const done: string[] = []
  const slow = Promise.withResolvers<void>()
  queue.add('slow', () => slow.promise)
  queue.add('throws', () => {
    throw new Error('database closed')
  })
  const last = new Promise<void>((resolve) => {
    queue.add('last', async () => {
      done.push('last')
      resolve()
    })
  })
  slow.resolve()
  await last
  expect(() =>
    queue.add('throws again', () => {
      throw new Error('database closed')
    }),
  ).not.toThrow()
  await queue.stop()
  expect(done).toEqual(['last'])
})
