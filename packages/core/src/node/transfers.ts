/** `node.transfers`: what is on its way, and the caps. */
import type { TransferStatus } from '../transfer/index.ts'
import type { Session } from './session.ts'
import type { TransferVerbs } from './types.ts'
import { transferView } from './views.ts'

export function createTransferVerbs(session: () => Session): TransferVerbs {
  const change = async (act: (current: Session) => Promise<TransferStatus>) => {
    const current = session()
    return transferView(current, await act(current))
  }
  return {
    list() {
      const current = session()
      return current.transfers.list().map((status) => transferView(current, status))
    },
    get(id) {
      const current = session()
      return transferView(current, current.transfers.get(id))
    },
    pause: (id) => change(({ transfers }) => transfers.pause(id)),
    resume: (id) => change(({ transfers }) => transfers.resume(id)),
    first: (id) => change(async ({ transfers }) => transfers.first(id)),
    cancel: (id) => change(({ transfers }) => transfers.cancel(id)),
    limits: () => ({ ...session().transfers.limits() }),
    setLimits: async (limits) => ({ ...session().transfers.setLimits(limits) }),
  }
}
