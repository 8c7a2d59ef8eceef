/** Where the numbered SQL files are; they ship beside `dist`, so the path holds for source and build alike. */
import { join } from 'node:path'

export function migrationsFolder(which: 'shared' | 'local'): string {
  return join(import.meta.dirname, '..', '..', 'src', 'database', 'migrations', which)
}
