import { expect, it } from 'vitest'
import { checkMutation, readTable } from './mutate.ts'
import { mutations } from './mutations.ts'

it.each(mutations)('can be made: $rule ($file)', (mutation) => {
  expect(() => checkMutation(mutation)).not.toThrow()
})

it('each has a seed that finds it, and no seed is for a fault that is no more', () => {
  expect([...readTable().keys()].sort()).toEqual(mutations.map(({ rule }) => rule).sort())
})
