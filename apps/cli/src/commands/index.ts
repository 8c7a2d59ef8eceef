import type { CommandSpec } from '../command.ts'
import { completionCommand } from './completion.ts'
import { fetchCommand } from './fetch.ts'
import { fileCommands } from './files.ts'
import { identityCommand } from './identity.ts'
import { ledgerCommand } from './ledger.ts'
import { memberCommands } from './members.ts'
import { networkCommands } from './network.ts'
import { ownershipCommands } from './ownership.ts'
import { serviceCommand } from './service.ts'
import { systemCommands } from './system.ts'
import { transferCommands } from './transfers.ts'
import { up } from './up.ts'
import { updateCommand, uploadCommand } from './upload.ts'

/** In the order in which the help lists them. */
export const commands: readonly CommandSpec[] = [
  up,
  ...networkCommands,
  ...memberCommands,
  uploadCommand,
  ...fileCommands,
  fetchCommand,
  updateCommand,
  ...ownershipCommands,
  ...transferCommands,
  ledgerCommand,
  ...systemCommands,
  identityCommand,
  serviceCommand,
  completionCommand(() => commands),
]
