import { expect, it } from 'vitest'
import { checkMutation } from './mutate.ts'
import { mutations } from './mutations.ts'

it.each(mutations)('can be made: $rule ($file)', (mutation) => {
  expect(() => checkMutation(mutation)).not.toThrow()
})
