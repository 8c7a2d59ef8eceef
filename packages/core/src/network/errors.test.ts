import { expect, it } from 'vitest'
import { TransportOffError, UnreachableError, whyUnreachable } from './errors.ts'

const unknown = (name: string) => Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND', hostname: name })

it.each([
  [
    new UnreachableError('x', new AggregateError([new Error('refused'), unknown('rio.example')])),
    /the name rio\.example/,
  ],
  [new UnreachableError('x', new AggregateError([new Error('late', { cause: unknown('sp.example') })])), /sp\.example/],
  [new TransportOffError('x'), /switched off/],
  [new UnreachableError('x', new Error('ECONNREFUSED')), null],
  [undefined, null],
  ['text', null],
])('says why nobody was reached, where a person can do something about it: %s', (error, why) => {
  if (why === null) expect(whyUnreachable(error)).toBeNull()
  else expect(whyUnreachable(error)).toMatch(why)
})

it('comes to an end where errors are in a ring', () => {
  const ring = new Error('a')
  ring.cause = ring
  expect(whyUnreachable(ring)).toBeNull()
})
