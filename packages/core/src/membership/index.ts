export {
  type AppendControl,
  type Commands,
  type CommandsInit,
  createCommands,
  DEFAULT_INVITE_MS,
  type ExpelOptions,
  type FoundRequest,
  foundBody,
  type InviteRequest,
  MAX_INVITE_MS,
} from './commands.ts'
export type { Cuts } from './draft.ts'
export {
  BranchNameInvalidError,
  ExpiryInvalidError,
  InviteExpiredError,
  InviteInvalidError,
  InviteNotFoundError,
  InviteRevokedError,
  InviteUsedError,
  MachineIsMemberError,
  NoAdmitterError,
  NodeAmbiguousError,
  NodeKnownError,
  NodeNotFoundError,
  NotAdminError,
  NotAMemberError,
  QuarantinedError,
  RecoveryKeyForeignError,
  RecoveryKeyInvalidError,
  RefusedError,
  RegisterLimitError,
  RegisterProtocolError,
  SoftwareTooOldError,
  WrongNetworkError,
} from './errors.ts'
export { fileIdFor } from './file-id.ts'
export { formatInvite, type InviteTicket, parseInvite } from './invite.ts'
export {
  BRANCH_NAME_MAX,
  type ControlBody,
  type ControlKind,
  CUTS_MAX,
  controlBodies,
  isControlKind,
  NETWORK_NAME_MAX,
  RULES_VERSION,
} from './kinds.ts'
export { createMembers, type InviteInfo, type InviteState, inviteState, type Members } from './members.ts'
export { formatRecoveryKey, newRecoveryKey, parseRecoveryKey } from './recovery.ts'
export { type AdmitterInit, serveRegister } from './register-admit.ts'
export { type Admitted, createJoiner, type Joiner, type JoinerInit } from './register-join.ts'
export type { PeerAddresses, SignedEntry } from './register-messages.ts'
export { applyControl, createFold, emptyMembership, foldFrom, type MembershipFold, understandsRules } from './rules.ts'
export { rankOf } from './rules-authority.ts'
export type {
  Branch,
  ControlEntry,
  Departure,
  FeedEnd,
  Invite,
  Member,
  MemberState,
  MembershipState,
  NetworkFacts,
  OwnershipAct,
  OwnershipKind,
  Refusal,
  Role,
} from './types.ts'
