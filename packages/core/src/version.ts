import { readFileSync } from 'node:fs'

/** Version of this package: where source, build and bundle lie, its manifest is one folder up. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version
