#!/usr/bin/env node
// Plain JavaScript that every Node can read: an old one must be told so, not shown a syntax error.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(
    `malote: Node.js 22.12 or newer is needed; this is ${process.versions.node}. See https://nodejs.org\n`,
  )
  process.exit(1)
}
await keepCompiled()
const { main } = await import('../dist/main.js')
await main(process.argv)

/** What one start has compiled serves the next. In a folder of this user's own: what lies there is run. */
async function keepCompiled() {
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  const caches = {
    win32: LOCALAPPDATA,
    darwin: HOME && `${HOME}/Library/Caches`,
    linux: XDG_CACHE_HOME || (HOME && `${HOME}/.cache`),
  }[process.platform]
  if (!caches) return
  const { enableCompileCache } = await import('node:module')
  // where it cannot be written, everything is compiled at each start; NODE_COMPILE_CACHE says another place
  enableCompileCache(`${caches}/malote/compiled`)
}
