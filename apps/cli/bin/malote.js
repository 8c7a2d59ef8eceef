#!/usr/bin/env node
// Plain JavaScript that every Node can read: an old one must be told so, not shown a syntax error.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(
    `malote: Node.js 22.12 or newer is needed; this is ${process.versions.node}. See https://nodejs.org\n`,
  )
  process.exit(1)
}
const { main } = await import('../dist/main.js')
await main(process.argv)
