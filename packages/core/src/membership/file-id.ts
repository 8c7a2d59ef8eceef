import { domain, sha256 } from '../crypto/index.ts'
import { type FileId, idFrom, type NetworkId } from '../ids.ts'

const FILE_ID_BYTES = 16

/**
 * The id that binds a file to its first author: nobody else can claim to have been its first owner.
 * @param author 32-byte public key of the first author
 * @param salt 16 random bytes
 */
export function fileIdFor(network: NetworkId, author: Uint8Array, salt: Uint8Array): FileId {
  return idFrom<FileId>(sha256(domain('file-id', network), author, salt).subarray(0, FILE_ID_BYTES))
}
