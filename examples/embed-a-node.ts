/**
 * The SDK inside a program of your own: two branches in one process found a network, share a photo and fetch it.
 *
 *     node examples/embed-a-node.ts
 *
 * Nodes usually live on two machines; nothing else would change but the addresses. Everything lies in a temporary folder.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createNode, type MaloteNode } from '@malote/core'

const folder = await mkdtemp(join(tmpdir(), 'malote-embed-'))
const nodes: MaloteNode[] = []

/** Loopback and any free port, so that it runs anywhere; leave `listen` and `mdns` out to be found by other machines. */
async function startNode(name: string): Promise<MaloteNode> {
  const node = await createNode({
    dataDir: join(folder, name),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
  })
  nodes.push(node)
  return node
}

try {
  const saoPaulo = await startNode('sao-paulo')
  const rio = await startNode('rio')

  // The first branch founds the network. The recovery key is shown once and kept nowhere: print it, keep it on paper.
  const { status } = await saoPaulo.network.init({ name: 'Agência Horizonte', branch: 'São Paulo' })
  console.log(`founded ${status.network?.name}`)

  // An invite is one string, good for one machine; send it like a password.
  const { invite } = await saoPaulo.members.invite({ branch: 'Rio' })
  await rio.network.register({ invite })
  console.log(
    `members: ${rio.members
      .list()
      .map(({ branch }) => branch)
      .sort()
      .join(', ')}`,
  )

  // Events say what has happened, after it is durable. Listen before you act, and you miss nothing.
  const seenInRio = new Promise<string>((resolve) => {
    rio.events.on('file:published', ({ fileId, name }) => {
      console.log(`Rio sees ${name}`)
      resolve(fileId)
    })
  })

  const photo = join(folder, 'praia.jpg')
  await writeFile(photo, 'not really a photo, but really shared')
  const file = await saoPaulo.files.upload(photo, { campaign: 'Verão', tags: ['praia'] })
  console.log(`São Paulo shared ${file.name}, ${file.size} bytes`)

  // `export` writes it under a safe form of its name; `content` would stream it, as it arrives, to anywhere else.
  const inbox = join(folder, 'inbox')
  await mkdir(inbox)
  const copy = await rio.files.export(await seenInRio, inbox)
  console.log(
    `Rio fetched ${basename(copy)}: ${(await readFile(copy)).equals(await readFile(photo)) ? 'equal' : 'DIFFERENT'}`,
  )
} finally {
  // A node holds its data folder, sockets and timers until it is stopped.
  await Promise.all(nodes.map((node) => node.stop()))
  await rm(folder, { recursive: true, force: true })
}
console.log('stopped')
