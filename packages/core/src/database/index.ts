export { DatabaseDamagedError, DatabaseNewerError, FolderLockedError } from './errors.ts'
export { type FolderLock, lockFolder } from './lock.ts'
export { migrationsFolder } from './migrations.ts'
export { type Database, type DatabaseInit, openDatabase } from './open.ts'
