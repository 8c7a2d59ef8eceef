/** Before any test: the command line that the tests start is made of the sources as they are. */
import { bundle } from '../../apps/cli/scripts/bundle.ts'
import { keepCompiled } from './branch.ts'

export async function setup(): Promise<void> {
  keepCompiled()
  await bundle()
}
