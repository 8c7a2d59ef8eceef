/** What `status` says of files with fewer copies than they should have, and of why; and of sources that are at fault. */
import { targetCopies } from '../replication/index.ts'
import type { Session } from './session.ts'
import type { StatusView } from './types.ts'

/** Files that are named; of the others the number. */
const NAMED_MAX = 100
/** Sources that are named. */
const SOURCES_MAX = 10

/** Those that this branch may know of, and have fewest copies, first. */
export function filesShort({ replicator, sharing }: Session): StatusView['files']['short'] {
  const found: StatusView['files']['short'] = []
  const all = [...replicator.short()].sort(([, a], [, b]) => a.held - b.held)
  for (const [id, { held, target }] of all) {
    if (found.length >= NAMED_MAX) break
    const name = sharing.views.get(id)?.name
    if (name !== undefined) found.push({ id, name, copies: { held, target } })
  }
  return found
}

export function copyWarnings({ replicator, members, state }: Session): StatusView['warnings'] {
  const found: StatusView['warnings'] = []
  const short = [...replicator.short().values()]
  const stuck = short.filter(({ lacking }) => lacking > 0).length
  if (short.length > 0) {
    const message = `${short.length} file(s) have fewer copies than they should`
    const advice =
      stuck === 0 ? 'Copies are made as branches come online.' : 'The others are made as branches come online.'
    found.push({ code: 'files-at-risk', message, advice: stuck === short.length ? null : advice })
  }
  if (stuck > 0) {
    found.push({
      code: 'no-room-for-copies',
      message: `for ${stuck} of them there are not enough branches: the others are full, offer no room, may not hold them, or are gone`,
      advice: 'Offer more with `malote up --capacity`, make room on their disks, or bring branches back.',
    })
  }
  const count = members.currentMembers().filter((member) => member.state === 'member').length
  const policy = state.membership().network
  const allowed = targetCopies(count, policy)
  const usual = targetCopies(count, null)
  if (allowed < usual) {
    const message = `the network allows ${allowed} of ${usual} copies: files can be read while up to ${allowed - 1} of ${count} branches are off`
    found.push({ code: 'few-copies-allowed', message, advice: null })
  }
  return found
}

export function faultyWarnings({ faultySources, members, state, sharing }: Session): StatusView['warnings'] {
  const found = faultySources.list().slice(-SOURCES_MAX)
  return found.map(({ peer, root }) => {
    const branch = members.get(peer)?.branch
    const file = state.versionOfRoot(root)?.file
    const name = file === undefined ? undefined : sharing.views.get(file)?.name
    const of = name === undefined ? `version ${root.slice(0, 12)}` : JSON.stringify(name)
    return {
      code: 'wrong-bytes',
      message: `${branch === undefined ? peer : members.branchLabel(branch)} sent wrong bytes of ${of}; nothing of them was kept`,
      advice: 'Have it run `malote doctor --chunks`: its disk may be damaged, or its software changed.',
    }
  })
}
