/**
 * One way, as a conversation: what is said and done next, as a pure function of what has happened. The order is that of
 * DCUtR (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md): addresses both ways, sync, start half a round
 * trip later. Who is the initiator of the handshake follows from who opened the stream, not from who connected.
 *
 *   initiator   learning -> waiting -> opening -> ended                        (dial, udp: -> waiting (swapped) -> ...)
 *   responder   idle -> learning -> waiting -> opening | waiting -> ended
 */
import { type Endpoint, eligible, isSameIp, type Whereabouts } from './endpoints.ts'
import { LAN_FIRST_MS, MAX_MESSAGES, MAX_ROUND_TRIP_MS } from './limits.ts'
import type { Way } from './messages.ts'

export type Role = 'initiator' | 'responder'
/** Both sides send at the same time. */
export type PunchedWay = Exclude<Way, 'dial'>
type Phase = 'idle' | 'learning' | 'waiting' | 'opening' | 'ended'

/** What is to be known of ourselves before our `connect`; `client`, `hole`: the two ends of a punch by UDP. */
export type Lesson = 'seen' | 'tcp' | 'client' | 'hole'

export type Heard =
  | { readonly type: 'connect'; readonly way: Way; readonly waited: number; readonly theirs: Whereabouts }
  | { readonly type: 'sync' | 'swap' | 'done' | 'no' }

export type Input =
  /** the other side has said something; whoever vouches for its addresses has been checked */
  | { readonly type: 'heard'; readonly message: Heard; readonly at: number }
  /** what was to be learned; null: there is no way to know it */
  | { readonly type: 'learned'; readonly own: Whereabouts | null; readonly at: number }
  | { readonly type: 'opened' }
  | { readonly type: 'unopened' }
  /** the stream has ended */
  | { readonly type: 'closed' }
  /** a deadline */
  | { readonly type: 'over'; readonly reason: string }

export type Action =
  | { readonly type: 'learn'; readonly lesson: Lesson; readonly towards: Endpoint | null }
  /** `connect` says what was learned last */
  | { readonly type: 'say'; readonly message: 'sync' | 'swap' | 'done' | 'no'; readonly afterMs: number }
  | { readonly type: 'connect'; readonly way: Way; readonly own: Whereabouts; readonly waited: number }
  /** dial what is eligible */
  | { readonly type: 'dial'; readonly theirs: Whereabouts; readonly own: Whereabouts }
  | { readonly type: 'punch'; readonly way: PunchedWay; readonly to: Endpoint; readonly afterMs: number }
  | { readonly type: 'end'; readonly outcome: 'direct' | 'failed'; readonly reason: string }

export interface State {
  readonly role: Role
  readonly phase: Phase
  readonly way: Way | null
  /** the other one opens now */
  readonly isSwapped: boolean
  readonly own: Whereabouts | null
  readonly theirs: Whereabouts | null
  /** when our `connect` went out (initiator), or theirs came (responder) */
  readonly since: number
  readonly heard: number
  /** the other side has said that it stands */
  readonly isDone: boolean
}

export interface Step {
  readonly state: State
  readonly actions: readonly Action[]
}

/** @param way what the initiator tries; the responder is told */
export function begin(role: Role, way: Way | null): Step {
  const state: State = {
    role,
    way,
    phase: 'idle',
    isSwapped: false,
    own: null,
    theirs: null,
    since: 0,
    heard: 0,
    isDone: false,
  }
  if (role === 'responder' || way === null) return { state, actions: [] }
  const lesson: Lesson = way === 'udp' ? 'client' : isTcp(way) ? 'tcp' : 'seen'
  return { state: { ...state, phase: 'learning' }, actions: [{ type: 'learn', lesson, towards: null }] }
}

/** What follows from `input`. Whatever is out of order ends it. */
export function step(state: State, input: Input): Step {
  if (state.phase === 'ended') return { state, actions: [] }
  switch (input.type) {
    case 'over':
      return end(state, 'failed', input.reason)
    case 'closed':
      return state.isDone ? { state, actions: [] } : end(state, 'failed', 'the other side has ended it')
    case 'heard':
      return heard({ ...state, heard: state.heard + 1 }, input.message, input.at)
    case 'learned':
      return learned(state, input.own, input.at)
    case 'opened':
      return opened(state)
    case 'unopened':
      return unopened(state)
  }
}

function heard(state: State, message: Heard, at: number): Step {
  if (state.heard > MAX_MESSAGES) return end(state, 'failed', 'too many messages')
  if (message.type === 'no') return end(state, 'failed', 'the other side gave up')
  if (message.type === 'connect') return connect(state, message, at)
  if (message.type === 'done') return done(state)
  if (message.type === 'swap') return swap(state)
  // sync
  const { way, role, phase, theirs } = state
  if (!isTcp(way) || role !== 'responder' || phase !== 'waiting' || theirs?.seen == null) return disorder(state)
  return { state: { ...state, phase: 'opening' }, actions: [{ type: 'punch', way, to: theirs.seen, afterMs: 0 }] }
}

function connect(state: State, { way, waited, theirs }: Heard & { type: 'connect' }, at: number): Step {
  const { role, phase, own, isSwapped } = state
  if (way !== 'dial' && theirs.seen === null) {
    return refuse(state, 'nobody vouches for a public address of theirs')
  }
  if (role === 'responder' && phase === 'idle') {
    const next: State = { ...state, way, theirs, since: at, phase: 'learning' }
    if (way === 'udp') return { state: next, actions: [{ type: 'learn', lesson: 'hole', towards: theirs.seen }] }
    return { state: next, actions: [{ type: 'learn', lesson: isTcp(way) ? 'tcp' : 'seen', towards: null }] }
  }
  if (phase !== 'waiting' || way !== state.way || own === null) return disorder(state)
  const next: State = { ...state, theirs }
  if (way === 'udp') {
    if (theirs.seen === null) return disorder(state)
    // the one who opens has got the hole; the one who does not makes it, when told of the other's dialling socket
    const opens = (role === 'initiator') !== isSwapped
    if (opens) {
      return { state: { ...next, phase: 'opening' }, actions: [{ type: 'punch', way, to: theirs.seen, afterMs: 0 }] }
    }
    if (role !== 'initiator') return disorder(state)
    return { state: { ...next, phase: 'learning' }, actions: [{ type: 'learn', lesson: 'hole', towards: theirs.seen }] }
  }
  if (role !== 'initiator' || state.theirs !== null) return disorder(state)
  if (way === 'dial') return dial(next, own, theirs)
  const to = theirs.seen
  if (to === null) return disorder(state)
  if (own.seen?.family !== to.family) return refuse(state, 'addresses of two families')
  const roundTrip = Math.min(Math.max(at - state.since - waited, 0), MAX_ROUND_TRIP_MS)
  const head = isSameIp(own.seen, to) ? LAN_FIRST_MS : 0
  return {
    state: { ...next, phase: 'opening' },
    actions: [
      { type: 'say', message: 'sync', afterMs: head },
      { type: 'punch', way, to, afterMs: head + roundTrip / 2 },
    ],
  }
}

/** The initiator dials first, the responder when it is asked to. */
function dial(state: State, own: Whereabouts, theirs: Whereabouts): Step {
  if (eligible(own, theirs).length === 0) return unopened({ ...state, phase: 'opening' })
  return { state: { ...state, phase: 'opening' }, actions: [{ type: 'dial', own, theirs }] }
}

function swap(state: State): Step {
  const { role, phase, way, isSwapped, own, theirs } = state
  if (role !== 'responder' || phase !== 'waiting' || isSwapped || own === null || theirs === null)
    return disorder(state)
  const swapped: State = { ...state, isSwapped: true }
  if (way === 'dial') return dial(swapped, own, theirs)
  if (way !== 'udp') return disorder(state)
  return { state: { ...swapped, phase: 'learning' }, actions: [{ type: 'learn', lesson: 'client', towards: null }] }
}

/** The one who does not open is told that it stands. */
function done(state: State): Step {
  const { way, role, phase, isSwapped } = state
  // both open by TCP: each knows by itself, one a moment later than the other
  if (isTcp(way)) {
    const isLater = phase === 'opening' && !state.isDone
    return isLater ? { state: { ...state, isDone: true }, actions: [] } : disorder(state)
  }
  const opens = (role === 'initiator') !== isSwapped
  return phase === 'waiting' && !opens ? end(state, 'direct', 'the other side has opened it') : disorder(state)
}

function learned(state: State, own: Whereabouts | null, at: number): Step {
  const { role, phase, way, since } = state
  if (phase !== 'learning' || way === null) return { state, actions: [] }
  if (own === null) return refuse(state, 'nobody has seen an address of ours')
  const waited = role === 'responder' ? at - since : 0
  const next: State = { ...state, own, phase: 'waiting', since: role === 'initiator' ? at : since }
  return { state: next, actions: [{ type: 'connect', way, own, waited }] }
}

function opened(state: State): Step {
  if (state.phase !== 'opening') return { state, actions: [] }
  const ended = end(state, 'direct', 'opened')
  return { state: ended.state, actions: [{ type: 'say', message: 'done', afterMs: 0 }, ...ended.actions] }
}

function unopened(state: State): Step {
  const { phase, role, way, isSwapped } = state
  if (phase !== 'opening') return { state, actions: [] }
  if (role === 'initiator' && !isTcp(way) && !isSwapped) {
    return {
      state: { ...state, phase: 'waiting', isSwapped: true },
      actions: [{ type: 'say', message: 'swap', afterMs: 0 }],
    }
  }
  return refuse(state, 'it could not be opened')
}

/** Both open, at a time that one of them gives. */
function isTcp(way: Way | null): way is 'tcp' | 'socket' {
  return way === 'tcp' || way === 'socket'
}

function disorder(state: State): Step {
  return refuse(state, 'a message out of order')
}

function refuse(state: State, reason: string): Step {
  const ended = end(state, 'failed', reason)
  return { state: ended.state, actions: [{ type: 'say', message: 'no', afterMs: 0 }, ...ended.actions] }
}

function end(state: State, outcome: 'direct' | 'failed', reason: string): Step {
  return { state: { ...state, phase: 'ended' }, actions: [{ type: 'end', outcome, reason }] }
}
