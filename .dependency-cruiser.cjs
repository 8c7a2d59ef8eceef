// Left never imports right. The order is the one of docs/ARCHITECTURE.md.
const rooms = [
  ['^packages/core/src/(ids|errors|clock|random|version)\\.ts$'],
  ['^packages/core/src/(codec|crypto)/'],
  ['^packages/core/src/(database|network)/'],
  ['^packages/core/src/membership/'],
  ['^packages/core/src/ledger/'],
  ['^packages/core/src/catalogue/'],
  ['^packages/core/src/content/'],
  ['^packages/core/src/previews/'],
  ['^packages/core/src/transfer/'],
  ['^packages/core/src/replication/'],
  ['^packages/core/src/(node/|index\\.ts$)'],
]
/** Packages of ours, by folder and by the name that they are imported by: names are not resolved, since what is built is left out. */
const ours = (names, rest = '') => `^packages/(${names})/|^@malote/(${names})${rest}`
const tests = '\\.test\\.ts$|/testing\\.ts$'
const leftNeverImportsRight = rooms.slice(0, -1).map((paths, level) => ({
  name: `left-to-right-${level}`,
  severity: 'error',
  comment: 'A room may import only rooms to its left; take a function instead, wired in node/components.ts.',
  from: { path: paths, pathNot: tests },
  to: { path: rooms.slice(level + 1).flat() },
}))

module.exports = {
  forbidden: [
    ...leftNeverImportsRight,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'only-network-imports-libp2p',
      severity: 'error',
      from: { path: '^packages/|^apps/', pathNot: `^packages/core/src/network/|^packages/punch/|${tests}` },
      to: { path: 'node_modules/(libp2p|@libp2p|@multiformats/multiaddr)' },
    },
    {
      name: 'only-database-opens-sqlite',
      severity: 'error',
      from: { path: '^packages/|^apps/', pathNot: `^packages/core/src/database/|${tests}` },
      to: { path: 'node_modules/better-sqlite3' },
    },
    {
      name: 'only-a-process-of-its-own-decodes',
      severity: 'error',
      comment: 'A fault in native code that reads what anybody may have made must not take the node along.',
      from: { path: '^packages/|^apps/', pathNot: `^packages/core/src/previews/preview-process\\.ts$|${tests}` },
      to: { path: 'node_modules/sharp' },
    },
    {
      name: 'through-the-door',
      severity: 'error',
      comment: "Other rooms import a room's index.ts only.",
      from: { path: '^packages/core/src/([a-z]+)/', pathNot: tests },
      to: {
        path: '^packages/core/src/([a-z]+)/',
        pathNot: ['^packages/core/src/$1/', '^packages/core/src/[a-z]+/index\\.ts$'],
      },
    },
    {
      name: 'only-network-punches',
      severity: 'error',
      from: { path: '^packages/|^apps/', pathNot: '^packages/core/src/network/|^packages/punch/' },
      to: { path: ours('punch') },
    },
    {
      name: 'punch-stands-alone',
      severity: 'error',
      from: { path: '^packages/punch/' },
      to: { path: '^packages/(core|api|client)/|^apps/|^test/|^examples/|^@malote/' },
    },
    {
      name: 'core-knows-nobody-outside',
      severity: 'error',
      from: { path: '^packages/core/' },
      to: { path: `${ours('api|client|cli')}|^apps/|^test/|^examples/` },
    },
    {
      name: 'client-and-cli-do-not-reach-in',
      severity: 'error',
      from: { path: '^packages/client/' },
      to: { path: `${ours('core|api|cli')}|^apps/` },
    },
    {
      name: 'only-up-builds-a-node',
      severity: 'error',
      comment:
        'Also by a dynamic import; what makes no node (`@malote/core/show-text`) may be used. An identity is moved while no node runs, so nobody can be asked to do it.',
      from: { path: '^apps/cli/src/', pathNot: `^apps/cli/src/commands/(up|identity)\\.ts$|${tests}` },
      to: { path: ours('core|api', '$') },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|dist' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    exclude: { path: '/dist/' },
  },
}
