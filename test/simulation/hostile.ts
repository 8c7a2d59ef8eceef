/** What hostile members do. Some of it would be refused by their own node; all of it is validly signed where it can be. */

import { EvilFeed } from './evil-feed.ts'
import * as files from './hostile-files.ts'
import * as forms from './hostile-forms.ts'
import * as members from './hostile-members.ts'
import { type Evil, Pen } from './pen.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

const evils = {
  changeOthers: files.changeOthers,
  conflictOwn: files.conflictOwn,
  uploadOwn: files.uploadOwn,
  uploadForeign: files.uploadForeign,
  grab: files.grab,
  offerTwice: files.offerTwice,
  cancelLate: files.cancelLate,
  fork: forms.fork,
  fallingClock: forms.fallingClock,
  future: forms.future,
  namesFuture: forms.namesFuture,
  namesNothing: forms.namesNothing,
  malformed: forms.malformed,
  misshapen: forms.misshapen,
  forged: forms.forged,
  replay: forms.replay,
  fakeRecovery: members.fakeRecovery,
  seizePower: members.seizePower,
  strike: members.strike,
  smuggle: members.smuggle,
  meddle: members.meddle,
  puppets: members.puppets,
} satisfies Record<string, Evil>

const WEIGHTS: Record<keyof typeof evils, number> = {
  changeOthers: 8,
  conflictOwn: 5,
  uploadOwn: 4,
  uploadForeign: 2,
  grab: 9,
  offerTwice: 3,
  cancelLate: 3,
  fork: 3,
  fallingClock: 4,
  future: 2,
  namesFuture: 2,
  namesNothing: 3,
  malformed: 3,
  misshapen: 6,
  forged: 6,
  replay: 2,
  fakeRecovery: 2,
  seizePower: 4,
  strike: 6,
  smuggle: 5,
  meddle: 6,
  puppets: 2,
}

const feeds = new WeakMap<SimNode, EvilFeed>()

/** The pen of a hostile member, which mostly goes on with one feed. */
export function penOf(world: World, node: SimNode): Pen {
  let feed = feeds.get(node)
  if (feed === undefined || world.random.chance(0.05)) {
    feed = new EvilFeed(node, world.networkId)
    feeds.set(node, feed)
  }
  return new Pen(world, node, feed)
}

export function actHostilely(world: World, node: SimNode): void {
  const pen = penOf(world, node)
  const name = world.random.weighted(WEIGHTS)
  world.trace(`${node.name} tries ${name}`)
  evils[name](pen)
}
