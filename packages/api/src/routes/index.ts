import type { Route } from '../route.ts'
import { blacklistRoutes } from './blacklist.ts'
import { contentRoutes } from './content.ts'
import { fileRoutes } from './files.ts'
import { ledgerRoutes } from './ledger.ts'
import { networkRoutes } from './network.ts'
import { inviteRoutes, nodeRoutes } from './nodes.ts'
import { ownershipRoutes } from './ownership.ts'
import { systemRoutes } from './system.ts'
import { transferRoutes } from './transfers.ts'

/** Every route of the API, in the order of the page. */
export const routes: readonly Route[] = [
  ...networkRoutes,
  ...nodeRoutes,
  ...inviteRoutes,
  ...fileRoutes,
  ...contentRoutes,
  ...blacklistRoutes,
  ...ownershipRoutes,
  ...transferRoutes,
  ...ledgerRoutes,
  ...systemRoutes,
]
