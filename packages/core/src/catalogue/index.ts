export {
  type AudienceList,
  type AudienceMode,
  audienceList,
  deniedAmong,
  EVERYONE_LIST,
  entitled,
  sameList,
  withAllowed,
  withDenied,
} from './audience-list.ts'
export type { Audiences, WritingKey } from './audiences.ts'
export {
  type Author,
  type BegunFile,
  FIRST_EPOCH,
  type ListChange,
  type SealedContent,
  type UpdateInit,
  type UploadInit,
} from './author.ts'
export type { ChangeOptions } from './author-checks.ts'
export { ACCEPT_MAX, type OwnershipAuthor } from './author-ownership.ts'
export { BOX_MAX, type FileMeta, PREVIEW_MAX, type Preview } from './boxes-format.ts'
export { foldControlInTurns } from './control-fold.ts'
export { drawOrder, drawRank } from './draw-rank.ts'
export * from './errors.ts'
export { boxesOf } from './file-refs.ts'
export type { FileFilter } from './file-table.ts'
export { OFFER_OPEN_MS } from './fold-ownership.ts'
export { CONFLICT_NUMBERS } from './fold-step.ts'
export type { Grants } from './grants.ts'
export { audienceKeyProves, type Keyring } from './keyring.ts'
export { kindInfo } from './kind-info.ts'
export * from './kinds.ts'
export { checkDetails, checkName, DEFAULT_TYPE, type FileDetails, NAME_MAX } from './names.ts'
export type { Notices } from './notices.ts'
export type { AppendEntry, Boxes, BoxSources, BoxSubject, SharedReads } from './reads.ts'
export type { SharedEntries } from './shared-fold.ts'
export type { SharedFilePage } from './shared-queries.ts'
export {
  createSharedState,
  type MemberChange,
  type SharedChange,
  type SharedState,
  type SharedStateInit,
} from './shared-state.ts'
export type { VerifyResult } from './shared-verify.ts'
export { createSharing, type Sharing, type SharingInit } from './sharing.ts'
export type * from './types.ts'
export type { ViewEvent, Views } from './views.ts'
export { PAGE_DEFAULT, PAGE_MAX, type ViewPage, type ViewQuery, type VisibleFile } from './views-table.ts'
