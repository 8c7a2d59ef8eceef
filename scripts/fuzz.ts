/**
 * `npm run fuzz -- --seconds 30 [--only decoders|worlds|differential|<part of a test's name>] [--seed N --path P]`
 *
 * The properties of the tests, each tried for so many seconds with a new seed instead of a few times. What fails is
 * printed with the seed and the path that play it again.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** For each property; there are some two hundred, most of which are decoders. */
const DEFAULT_SECONDS = '2'
const FOLDERS = ['packages/core/src/decoders', 'packages/core/src/catalogue/worlds', 'test/vectors/differential']

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: DEFAULT_SECONDS },
    only: { type: 'string' },
    seed: { type: 'string' },
    path: { type: 'string' },
  },
})

const seconds = Number(values.seconds)
if (!(seconds > 0 && seconds <= 86_400)) throw new RangeError('--seconds must be from 1 to 86400')

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const folder = FOLDERS.find((each) => values.only !== undefined && each.endsWith(`/${values.only}`))
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 31))
console.log(`seed ${seed}, ${seconds} s for each property`)
const { status } = spawnSync(
  join(bin, 'vitest'),
  [
    'run',
    ...(folder === undefined ? FOLDERS : [folder]),
    ...(values.only === undefined || folder !== undefined ? [] : ['--testNamePattern', values.only]),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      MALOTE_FUZZ_SECONDS: String(seconds),
      MALOTE_FUZZ_SEED: seed,
      ...(values.path === undefined ? {} : { MALOTE_FUZZ_PATH: values.path }),
    },
  },
)
process.exitCode = status ?? 1
