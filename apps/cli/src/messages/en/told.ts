/** What commands tell: tables, answers, progress and notes. */

/** Titles of tables. */
export const columns = {
  id: 'ID',
  name: 'NAME',
  size: 'SIZE',
  v: 'V',
  owner: 'OWNER',
  campaign: 'CAMPAIGN',
  copies: 'COPIES',
  here: 'HERE',
  state: 'STATE',
  version: 'VERSION',
  by: 'BY',
  when: 'WHEN',
  n: 'N',
  time: 'TIME',
  kind: 'KIND',
  author: 'AUTHOR',
  subject: 'SUBJECT',
  entry: 'ENTRY',
  seq: 'SEQ',
  head: 'HEAD',
  file: 'FILE',
  done: 'DONE',
  speed: 'SPEED',
  left: 'LEFT',
  sources: 'SOURCES',
  offer: 'OFFER',
  from: 'FROM',
  to: 'TO',
  since: 'SINCE',
  denied: 'DENIED',
  fileId: 'FILE ID',
  node: 'NODE',
  branch: 'BRANCH',
  role: 'ROLE',
  path: 'PATH',
  rtt: 'RTT',
  rate: 'RATE',
  lastSeen: 'LAST SEEN',
  marks: 'MARKS',
  expires: 'EXPIRES',
  setting: 'SETTING',
  value: 'VALUE',
  settingFrom: 'FROM',
}

/** Words of the API as people read them in tables. A word that is not here stays. */
export const words: Readonly<Record<string, string>> = {}

export const files = {
  none: 'no files',
  more: ({ cursor }: { cursor: string }) => `There are more: --cursor ${cursor}`,
  present: ({ version }: { version: number }) => `${version} (present)`,
  conflict: 'conflict',
  yes: 'yes',
  part: 'part',
  no: 'no',
  offered: 'offered',
  /** titles of `show`, in front of each line */
  name: 'name',
  id: 'id',
  size: 'size',
  version: 'version',
  owner: 'owner',
  shared: 'shared',
  changed: 'changed',
  campaign: 'campaign',
  tags: 'tags',
  seenBy: 'seen by',
  copies: 'copies',
  state: 'state',
  disputed: 'disputed',
  offeredTo: 'offered',
  sizeText: ({ size, bytes, type }: { size: string; bytes: number; type: string }) =>
    `${size} (${bytes} bytes), ${type}`,
  copiesText: ({ held, target, here }: { held: number; target: number; here: string }) =>
    `${held} of ${target}; here: ${here}`,
  disputedText: ({ owner }: { owner: string }) =>
    `accepted by two branches, belongs to ${owner}; an admin may assign it to another`,
  offeredText: ({ to, since }: { to: string; since: string }) => `to ${to} since ${since}`,
  everyone: 'everyone',
  everyoneExcept: ({ names }: { names: string }) => `everyone except ${names}`,
  onlyThese: ({ names }: { names: string }) => `only ${names}`,
  hadAccess: ({ branch, until }: { branch: string; until: string }) =>
    `${branch} had access until ${until}, may have kept a copy`,
  notKnownBefore: ({ since }: { since: string }) => `who could before ${since} is not known here`,
  deleted: ({ file }: { file: string }) => `deleted ${file}`,
  purged: ({ file }: { file: string }) => `purged ${file}`,
  bringsBack: ({ id }: { id: string }) => `"malote restore ${id}" brings it back.`,
  restored: ({ name, version, state }: { name: string; version: number; state: string }) =>
    `${name} is at version ${version}, ${state}`,
}

export const blacklist = {
  none: 'nobody is denied anything',
  nobody: ({ name }: { name: string }) => `${name}: nobody is denied`,
  denied: ({ name, branches }: { name: string; branches: string }) => `${name}: denied to ${branches}`,
}

export const upload = {
  stdin: 'stdin',
  updated: ({ name, version, size }: { name: string; version: number; size: string }) =>
    `${name} is at version ${version} (${size})`,
  goesOn: 'Distribution to the other branches goes on in the background.',
  stored: ({ name }: { name: string }) =>
    `${name} is stored here; distribution to the other branches goes on in the background.`,
  reached: ({ name, level, held, target }: { name: string; level: string; held: number; target: number }) =>
    `${name} is ${level}: ${held} of ${target} copies.`,
}

export const fetch = {
  ownCopy: "from this node's own copy",
  from: ({ branches }: { branches: string }) => `from ${branches}`,
  previewOf: ({ name }: { name: string }) => `preview of ${name}`,
  goesOn: ({ id }: { id: string }) =>
    `The node goes on in the background; "malote transfers cancel ${id}" ends that too.`,
  sources: ({ count }: { count: number }) => (count === 1 ? '1 source' : `${count} sources`),
}

export const progress = {
  of: ({ done, total }: { done: string; total: string }) => `${done} of ${total}`,
  left: ({ time }: { time: string }) => `${time} left`,
}

export const members = {
  none: 'no members',
  thisOne: ({ branch }: { branch: string }) => `${branch} (this one)`,
  now: 'now',
  never: 'never',
  about: ({ branch, id, standing, role }: { branch: string; id: string; standing: string; role: string }) =>
    `${branch} (${id}): ${standing}, role ${role}`,
  notQuarantined: 'not quarantined',
  marked: ({ marks }: { marks: string }) => `, marked: ${marks}`,
  role: ({ branch, id, role }: { branch: string; id: string; role: string }) => `${branch} (${id}): role ${role}`,
  noInvites: 'no invites',
  namesake: ({ branch }: { branch: string }) =>
    `There is a member named ${branch} already. For a new machine in its place: --replaces "${branch}"`,
  revoked: ({ id }: { id: string }) => `revoked ${id}`,
  final: 'it is final',
  notFinal: ({ waitsFor }: { waitsFor: string }) => `not final yet, waits for: ${waitsFor}`,
}

export const network = {
  disconnected: 'disconnected',
  alone: 'open; no other branch reached yet',
  connected: ({ online, total }: { online: number; total: number }) =>
    `connected to ${online} of ${total} other branches`,
  recoveryKey: ({ key }: { key: string }) =>
    `Recovery key, shown this once. Write it on paper and lock it away:\n\n    ${key}\n`,
  founded: ({ network, branch }: { network: string; branch: string }) => `founded ${network} with the branch ${branch}`,
  joined: ({ network, branch, members }: { network: string; branch: string; members: number }) =>
    `joined ${network} as ${branch}; ${members} members`,
  rules: ({ active }: { active: number }) => `rules version ${active} is active, the newest that this software knows`,
  olderRules: ({ active, known }: { active: number; known: number }) =>
    `rules version ${active} is active, this software knows ${known}`,
  recovered: 'this node is an admin now',
  entries: 'entries',
  leaving: 'leaving',
  left: 'this branch has left the network',
  cancelled: 'leaving is cancelled; had it just gone too far for that, `malote status` warns of it',
  goesOn: 'the other branches know already: leaving goes on in the background',
}

export const ownership = {
  offered: ({ name, branch }: { name: string; branch: string }) => `${name} is offered to ${branch}`,
  waiting: ({ branch, id }: { branch: string; id: string }) =>
    `Waiting for ${branch}; "malote handoff cancel ${id}" takes the offer back.`,
  belongsNow: ({ name, branch }: { name: string; branch: string }) => `${name} belongs to ${branch} now`,
  belongs: ({ name, branch }: { name: string; branch: string }) => `${name} belongs to ${branch}`,
  untilAccepted: ({ belongs, branch }: { belongs: string; branch: string }) => `${belongs}, until ${branch} accepts`,
  toThis: 'to this branch',
  ofThis: 'of this branch',
  none: 'no open offers',
  declined: ({ file }: { file: string }) => `declined ${file}`,
}

export const transfers = {
  none: 'no transfers',
  state: ({ file, state }: { file: string; state: string }) => `${file}: ${state}`,
  goesFirst: ({ file, state }: { file: string; state: string }) => `${file}: ${state}, goes first`,
  nothingTo: { pause: 'nothing to pause', resume: 'nothing to resume', cancel: 'nothing to cancel' },
  unlimited: 'unlimited',
  limits: ({ up, down }: { up: string; down: string }) => `up ${up}, down ${down}`,
}

export const ledger = {
  refused: ({ code, reason }: { code: string; reason: string }) => `REFUSED (${code}): ${reason}`,
  none: 'no entries',
  next: ({ next }: { next: number }) => `For what may follow: --since ${next}`,
  noHeads: 'no heads',
  digest: ({ state, entries }: { state: string; entries: number }) => `state    ${state}\nentries  ${entries}`,
  inOrder: ({ entries, state }: { entries: number; state: string }) =>
    `all ${entries} entries are in order; state ${state}`,
  wrong: ({ entries, state, recomputed }: { entries: number; state: string; recomputed: string }) =>
    `the database is not what its ${entries} entries say\nstate       ${state}\nrecomputed  ${recomputed}`,
}

export const status = {
  node: 'node',
  presence: 'presence',
  members: 'members',
  paths: 'paths',
  files: 'files',
  ledger: 'ledger',
  reach: 'reach',
  disk: 'disk',
  listens: 'listens',
  atRisk: 'at risk',
  warning: 'warning',
  next: 'next',
  nodeText: ({ branch, id, standing }: { branch: string; id: string; standing: string }) =>
    `${branch} (${id}), ${standing}`,
  inNoNetwork: 'in no network',
  roleOf: ({ role, network }: { role: string; network: string }) => `${role} of ${network}`,
  connected: 'connected',
  disconnected: 'disconnected',
  membersText: ({ total, online }: { total: number; online: number }) => `${total}, ${online} online`,
  filesText: ({ total, size, atRisk }: { total: number; size: string; atRisk: number }) =>
    `${total}, ${size}, ${atRisk} at risk`,
  ledgerText: ({ entries, others }: { entries: number; others: number }) =>
    `${entries} entries, equal with ${others} other${others === 1 ? '' : 's'}`,
  heldBack: ({ held }: { held: number }) => `${held} held back`,
  stateText: ({ state }: { state: string }) => `state ${state}`,
  reachText: ({ tcp, udp, relay, nat }: { tcp: string; udp: string; relay: string; nat: string }) =>
    `TCP ${tcp}, UDP ${udp}, relay ${relay}, NAT ${nat}`,
  diskText: ({ used, free, offered }: { used: string; free: string; offered: string }) =>
    `${used} used, ${free} free, offers ${offered}`,
  whatIsFree: 'what is free',
  up: ({ version, time }: { version: string; time: string }) => `${version}, up ${time}`,
  riskText: ({ name, id, held, target }: { name: string; id: string; held: number; target: number }) =>
    `${name} (${id}): ${held} of ${target} copies`,
  riskMore: ({ count }: { count: number }) => `${count} more`,
  nextText: 'join a network with `malote register <invite>`; its first branch founds it with `malote init`',
}

export const system = {
  stopped: 'stopped',
  noNodeRuns: 'no node runs',
  afterRestart: ({ name, value, from }: { name: string; value: string; from: string }) =>
    `after the next start: ${name} ${value} (${from})`,
  open: ({ url, code, expires }: { url: string; code: string; expires: string }) =>
    `${url}\none-time code for POST /session there: ${code} (until ${expires})`,
  ready: ({ url, id, addresses }: { url: string; id: string; addresses: string }) =>
    `ready: API at ${url} (page: ${url}/docs), node ${id}, listening on ${addresses}`,
}

export const identity = {
  exported: ({ id, path }: { id: string; path: string }) => `exported ${id} to ${path}`,
  notSealed: 'Not sealed with a passphrase: whoever reads it is this branch. Keep it like a key.',
  neverTwo: 'Never run two machines under one identity: import it where it shall run from now on.',
  imported: ({ id, folder }: { id: string; folder: string }) => `imported ${id} into ${folder}`,
  stopTheOld:
    'Stop the old machine for good, then start this one with "malote up": it fetches the ledger from the other branches.',
  startIt: 'Start it with "malote up".',
}

export const service = {
  wrote: ({ path, next }: { path: string; next: string }) => `wrote ${path}\nnext: ${next}`,
  linger: 'To have it run while nobody is logged in: loginctl enable-linger',
  removed: ({ path, next }: { path: string; next: string }) => `removed ${path}; the data folder stays\nnext: ${next}`,
  notThere: ({ path }: { path: string }) => `${path} is not there`,
}
