/** Two machines that talk to each other, and one that is talked to by anybody: whatever happens, it ends. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Whereabouts } from './endpoints.ts'
import { MAX_MESSAGES, MAX_ROUND_TRIP_MS } from './limits.ts'
import { type Action, begin, type Heard, type Input, type Role, type State, step } from './machine.ts'
import type { Way } from './messages.ts'

const WAYS = ['dial', 'tcp', 'udp', 'socket'] as const
const here: Whereabouts = {
  seen: { family: 4, ip: '11.22.33.1', port: 1 },
  candidates: [{ family: 4, ip: '11.22.33.1', port: 3, transport: 'tcp' }],
}
const there: Whereabouts = {
  seen: { family: 4, ip: '11.22.33.2', port: 2 },
  candidates: [{ family: 4, ip: '11.22.33.2', port: 4, transport: 'tcp' }],
}

/** What the world answers, in the order of asking. */
interface World {
  readonly learns: readonly boolean[]
  readonly opens: readonly boolean[]
  /** which of the things that are due happens next */
  readonly picks: readonly number[]
}

interface Side {
  readonly role: Role
  state: State
  readonly done: Action[]
}

const world = fc.record({
  learns: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  opens: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  picks: fc.array(fc.nat(), { minLength: 64, maxLength: 64 }),
})

/** Runs both to the end. A connection that one opens by TCP the other opens, too. */
function talk(way: Way, { learns, opens, picks }: World): { initiator: Side; responder: Side; happened: number } {
  const sides = {
    initiator: { role: 'initiator', ...started('initiator', way) } as Side,
    responder: { role: 'responder', ...started('responder', null) } as Side,
  }
  const due: { to: Side; input: Input }[] = []
  let learned = 0
  let opened = 0
  let happened = 0
  const react = (side: Side, actions: readonly Action[]) => {
    const other = side.role === 'initiator' ? sides.responder : sides.initiator
    const say = (message: Heard) => due.push({ to: other, input: { type: 'heard', message, at: happened } })
    for (const action of actions) {
      side.done.push(action)
      if (action.type === 'learn') {
        const own = learns[learned++ % learns.length] === true ? (side.role === 'initiator' ? here : there) : null
        due.push({ to: side, input: { type: 'learned', own, at: happened } })
      } else if (action.type === 'connect') {
        say({ type: 'connect', way: action.way, waited: action.waited, theirs: action.own })
      } else if (action.type === 'say') say({ type: action.message })
      else if (action.type === 'dial' || action.type === 'punch') {
        const isOpen = opens[(way === 'tcp' || way === 'socket' ? 0 : opened++) % opens.length] === true
        due.push({ to: side, input: { type: isOpen ? 'opened' : 'unopened' } })
      } else due.push({ to: other, input: { type: 'closed' } })
    }
  }
  react(sides.initiator, begin('initiator', way).actions)
  while (due.length > 0) {
    // a stream keeps its order: what was said before the end is heard before the end
    const open = due.filter(({ to, input }, at) => isFirstOfStream(due, to, input, at))
    const next = open[(picks[happened % picks.length] ?? 0) % open.length]
    if (next === undefined) break
    due.splice(due.indexOf(next), 1)
    happened += 1
    const { state, actions } = step(next.to.state, next.input)
    next.to.state = state
    react(next.to, actions)
  }
  return { ...sides, happened }
}

function isFirstOfStream(due: readonly { to: Side; input: Input }[], to: Side, input: Input, at: number): boolean {
  const isStream = (each: Input) => each.type === 'heard' || each.type === 'closed'
  return !isStream(input) || !due.slice(0, at).some((other) => other.to === to && isStream(other.input))
}

function started(role: Role, way: Way | null): { state: State; done: Action[] } {
  return { state: begin(role, way).state, done: [] }
}

const outcomeOf = ({ done }: Side) => done.flatMap((action) => (action.type === 'end' ? [action.outcome] : []))
const countOf = ({ done }: Side, type: Action['type']) => done.filter((action) => action.type === type).length

describe('two machines', () => {
  it.each(WAYS)('come to an end, each once, within the bounds: %s', (way) => {
    fc.assert(
      fc.property(world, (how) => {
        const { initiator, responder, happened } = talk(way, how)
        expect(happened).toBeLessThan(32)
        for (const side of [initiator, responder]) {
          expect(outcomeOf(side)).toHaveLength(1)
          expect(side.state.heard).toBeLessThanOrEqual(MAX_MESSAGES)
          expect(countOf(side, 'punch') + countOf(side, 'dial')).toBeLessThanOrEqual(1)
          expect(countOf(side, 'learn')).toBeLessThanOrEqual(2)
        }
      }),
    )
  })

  it.each(WAYS)('stand if everything can be learned and opened: %s', (way) => {
    fc.assert(
      fc.property(world, ({ picks }) => {
        const { initiator, responder } = talk(way, { learns: [true], opens: [true], picks })
        expect([outcomeOf(initiator), outcomeOf(responder)]).toEqual([['direct'], ['direct']])
      }),
    )
  })

  it.each(['dial', 'udp'] as const)('swap when the first cannot open it: %s', (way) => {
    const { initiator, responder } = talk(way, { learns: [true], opens: [false, true], picks: [0] })
    expect([outcomeOf(initiator), outcomeOf(responder)]).toEqual([['direct'], ['direct']])
    const opens = responder.done.some(({ type }) => type === 'dial' || type === 'punch')
    expect(opens).toBe(true)
  })

  it('never open by dialling at the same time', () => {
    fc.assert(
      fc.property(fc.constantFrom('dial', 'udp'), world, (way, how) => {
        const { initiator, responder } = talk(way as Way, how)
        if (countOf(responder, 'dial') + countOf(responder, 'punch') === 0) return
        const said = initiator.done.flatMap((action) => (action.type === 'say' ? [action.message] : []))
        expect(said[0]).toBe('swap')
      }),
    )
  })

  it('start half a round trip apart, and never wait long for what the other says', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(0xffff), (sent, later, waited) => {
        const learned = step(begin('initiator', 'tcp').state, { type: 'learned', own: here, at: sent })
        const message: Heard = { type: 'connect', way: 'tcp', waited, theirs: there }
        const { actions } = step(learned.state, { type: 'heard', message, at: sent + later })
        const [sync, punch] = actions
        const roundTrip = Math.min(Math.max(later - waited, 0), MAX_ROUND_TRIP_MS)
        expect(sync).toEqual({ type: 'say', message: 'sync', afterMs: 0 })
        expect(punch).toEqual({ type: 'punch', way: 'tcp', to: there.seen, afterMs: roundTrip / 2 })
      }),
    )
  })
})

const heardBy = (way: Way): fc.Arbitrary<Input> => {
  const theirs = fc.constantFrom(there, { seen: null, candidates: [] }, { ...there, candidates: [] })
  const connect = fc.record({
    type: fc.constant('connect' as const),
    way: fc.constantFrom(way, ...WAYS),
    waited: fc.nat(),
    theirs,
  })
  const other = fc.record({ type: fc.constantFrom('sync' as const, 'swap' as const, 'done' as const, 'no' as const) })
  return fc.oneof(
    fc.record({ type: fc.constant('heard' as const), message: fc.oneof(connect, other), at: fc.nat() }),
    fc.record({ type: fc.constant('learned' as const), own: fc.constantFrom(here, null), at: fc.nat() }),
    fc.constantFrom<Input>({ type: 'opened' }, { type: 'unopened' }, { type: 'closed' }),
  )
}

describe('one machine', () => {
  it.each(WAYS)('does no more than its share, whatever is said to it: %s', (way) => {
    fc.assert(
      fc.property(fc.constantFrom<Role>('initiator', 'responder'), fc.array(heardBy(way)), (role, inputs) => {
        let { state, actions } = begin(role, role === 'initiator' ? way : null)
        const done = [...actions]
        for (const input of [...inputs, { type: 'over', reason: 'late' } as const]) {
          ;({ state, actions } = step(state, input))
          done.push(...actions)
        }
        expect(state.phase).toBe('ended')
        const count = (type: Action['type']) => done.filter((action) => action.type === type).length
        expect(count('end')).toBe(1)
        expect(count('punch') + count('dial')).toBeLessThanOrEqual(1)
        expect(count('learn')).toBeLessThanOrEqual(2)
        expect(done.filter((action) => action.type === 'say' || action.type === 'connect').length).toBeLessThanOrEqual(
          MAX_MESSAGES,
        )
        // packets go only where somebody vouches for
        for (const action of done) if (action.type === 'punch') expect(action.to).toEqual(there.seen)
      }),
    )
  })
})
