/** Finds the node of a data folder, and has it prove itself before it is sent the token (docs/specs/http-api.md). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { API_PREFIX } from './api.ts'
import { MaloteClient, type MaloteClientInit } from './client.ts'
import { NotRunningError, ProblemError } from './errors.ts'
import { send, succeed, textOf } from './transport.ts'

/** A server on the same machine answers in a millisecond. */
const PROOF_DEADLINE_MS = 5000
const PROOF_PURPOSE = 'malote-api-proof'

/**
 * A client of the node that runs on a data folder. The node proves that it knows the token before it is sent.
 * @param dataDir the node's data folder, with `api.json` and `api-token`
 * @param options.signal ends this, and later every call of the client's `api`
 * @throws {NotRunningError} no node runs on it, or what answers is not that node
 */
export async function connectTo(dataDir: string, options: { signal?: AbortSignal } = {}): Promise<MaloteClient> {
  const [place, token] = await Promise.all([readPlace(dataDir), read(dataDir, 'api-token')])
  const init = { url: place, token: token.trim(), ...options }
  await proveServer(init)
  return new MaloteClient(init)
}

/**
 * Has what answers at `url` prove that it knows the token, without telling it the token. At most 5 s.
 * @throws {NotRunningError} nothing answers, or it does not know the token
 */
export async function proveServer(init: MaloteClientInit): Promise<void> {
  const { url, token, ...options } = init
  const nonce = randomBytes(32)
  const deadline = AbortSignal.timeout(PROOF_DEADLINE_MS)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  let proof: unknown
  try {
    const target = new URL(`${url}${API_PREFIX}/prove?nonce=${nonce.toString('hex')}`)
    const response = await succeed(await send({ url: target, method: 'GET', signal }))
    proof = (JSON.parse(await textOf(response, 4096)) as { proof?: unknown } | null)?.proof
  } catch (error) {
    options.signal?.throwIfAborted()
    if (error instanceof NotRunningError) throw error
    const why = error instanceof ProblemError ? `: ${error.detail}` : ''
    throw new NotRunningError(
      `what answers at ${url} is not this node${why}`,
      { reason: 'another-answers', url },
      error,
    )
  }
  const expected = createHmac('sha256', token).update(PROOF_PURPOSE).update(nonce).digest()
  const given = Buffer.from(typeof proof === 'string' ? proof : '', 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new NotRunningError(`what answers at ${url} is not this node: it does not know the token`, {
      reason: 'another-answers',
      url,
    })
  }
}

async function readPlace(dataDir: string): Promise<string> {
  const path = join(dataDir, 'api.json')
  const text = await read(dataDir, 'api.json')
  try {
    const { url } = JSON.parse(text) as { url?: unknown }
    if (typeof url === 'string' && new URL(url).protocol === 'http:') return url.replace(/\/+$/, '')
  } catch (error) {
    throw new NotRunningError(`${path} is damaged`, { reason: 'address-unreadable', path }, error)
  }
  throw new NotRunningError(`${path} names no address`, { reason: 'address-unreadable', path })
}

async function read(dataDir: string, name: string): Promise<string> {
  try {
    return await readFile(join(dataDir, name), 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    if (code === 'ENOENT') {
      throw new NotRunningError(`no node runs on ${dataDir}`, { reason: 'not-running', folder: dataDir }, error)
    }
    const path = join(dataDir, name)
    throw new NotRunningError(`cannot read ${path} (${code})`, { reason: 'address-unreadable', path }, error)
  }
}
