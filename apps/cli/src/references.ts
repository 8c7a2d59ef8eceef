/** What several commands need to know about the files and nodes that they are given. */

import { type FileView, type MaloteClient, type NodeView, ProblemError, type Schemas } from '@malote/client'
import { say } from './messages/index.ts'

export type FileDetails = FileView & { seenBy: Schemas['SeenBy'] }

export function fileOf(client: MaloteClient, ref: string): Promise<FileDetails> {
  return client.ask(client.api.GET('/files/{id}', { params: { path: { id: ref } } }))
}

export function nodeOf(client: MaloteClient, ref: string): Promise<NodeView> {
  return client.ask(client.api.GET('/nodes/{id}', { params: { path: { id: ref } } }))
}

/** For its owner, who of those that may not read it could before: a line each. */
export function lostAccess({ hadAccess, knownSince }: FileDetails['seenBy']): string[] {
  if (hadAccess === null) return []
  const lines = hadAccess.map(({ branch, until }) => say().files.hadAccess({ branch, until }))
  return knownSince === null ? lines : [...lines, say().files.notKnownBefore({ since: knownSince })]
}

/** The file's id for a call that may reach files which cannot be shown; there the reference stands for itself. */
export async function fileIdOf(client: MaloteClient, ref: string): Promise<string> {
  try {
    return (await fileOf(client, ref)).id
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'not-found') return ref
    throw error
  }
}

/** Branch names by node id. */
export async function branchNames(client: MaloteClient): Promise<(node: string) => string> {
  const { items } = await client.ask(client.api.GET('/nodes'))
  const names = new Map(items.map((node) => [node.id, node.branch]))
  return (node) => names.get(node) ?? node
}
