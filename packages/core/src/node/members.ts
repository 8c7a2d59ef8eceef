/** `node.members`: who belongs, and what admins do about it. */
import type { Session } from './session.ts'
import type { MemberVerbs, NodeRef, NodeView } from './types.ts'
import { inviteView, nodeView } from './views.ts'

export function createMemberVerbs(session: () => Session): MemberVerbs {
  const get = (ref: NodeRef): NodeView => {
    const current = session()
    return nodeView(current, current.members.resolveNode(ref))
  }

  return {
    get,
    list() {
      const current = session()
      const views = [...current.state.membership().members.values()].map((member) => nodeView(current, member))
      return views.sort((a, b) => a.branch.localeCompare(b.branch) || (a.id < b.id ? -1 : 1))
    },
    async setRole(ref, role) {
      const { commands, members } = session()
      const { node } = members.resolveNode(ref)
      commands.setRole(node, role)
      return get(node)
    },
    async quarantine(ref) {
      const { commands, members } = session()
      const { node } = members.resolveNode(ref)
      commands.quarantine(node)
      return get(node)
    },
    async release(ref) {
      const { commands, members } = session()
      const { node } = members.resolveNode(ref)
      commands.release(node)
      return get(node)
    },
    async expel(ref, { recoveryKey, since } = {}) {
      const { commands, members } = session()
      const { node } = members.resolveNode(ref)
      const { waitsFor } = commands.expel(node, {
        ...(recoveryKey === undefined ? {} : { recoveryKey }),
        ...(since === undefined ? {} : { since }),
      })
      return { node: get(node), waitsFor }
    },
    async invite(request) {
      const { commands, members, clock } = session()
      const { replaces, branch, role, expiresInMs, recoveryKey } = request
      const made = await commands.invite({
        branch,
        ...(role === undefined ? {} : { role }),
        ...(expiresInMs === undefined ? {} : { expiresInMs }),
        ...(recoveryKey === undefined ? {} : { recoveryKey }),
        ...(replaces === undefined ? {} : { replaces: members.resolveNode(replaces).node }),
      })
      const info = members.invites(clock.now()).find((each) => each.id === made.invite.id)
      if (info === undefined) throw new TypeError('an invite that was just written is not in the state')
      return { invite: made.text, view: inviteView(info) }
    },
    invites() {
      const { members, clock } = session()
      return members.invites(clock.now()).map(inviteView)
    },
    async revokeInvite(id) {
      session().commands.revoke(id)
    },
  }
}
