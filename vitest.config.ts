import { configDefaults, defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const processes = { testTimeout: 60_000, hookTimeout: 60_000 }
/** measures memory */
const ALONE = ['test/integration/large-file.test.ts']

/** Take longest; begun last, one of them would keep one core busy while the others have nothing left to do. */
const LONG = ['simulation', 'strangers', 'crash', 'cli-files', 'feeds', 'cli-verbs', 'authority', 'liar'].map(
  (name) => `/${name}.test.ts`,
)

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(name))
      return at === -1 ? LONG.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

// one group after the other: what starts processes of its own does not run beside the unit tests
export default defineConfig({
  test: {
    // what programs say to people does not depend on who runs the tests
    env: { LC_ALL: 'C.UTF-8' },
    globalSetup: ['test/support/fresh-bundle.ts', 'test/support/debian.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          testTimeout: 20_000,
          // one more than cores on a small machine: some wait for deadlines
          maxWorkers: 3,
          // loading the modules anew for each file took more time than the tests; none replaces a module or a global
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE, 'test/reach/**'],
          // more than cores on a small machine: these wait for deadlines and for the disk; the simulation takes what they leave
          maxWorkers: 5,
          sequence: { groupOrder: 2 },
          ...processes,
        },
      },
      {
        test: {
          name: 'reach',
          include: ['test/reach/**/*.test.ts'],
          // beside the integration tests, in the same workers: these wait even more
          maxWorkers: 5,
          sequence: { groupOrder: 2 },
          ...processes,
        },
      },
      {
        test: {
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          ...processes,
        },
      },
    ],
  },
})
