import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { speak } from '../messages/index.ts'
import { destinationOf, writeTo } from './destination.ts'

await speak('en')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malote-out-'))
})
afterEach(() => rm(folder, { recursive: true }))

const signal = new AbortController().signal

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}
async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half')
  throw new Error('the connection broke')
}
const at = (...names: string[]) => join(folder, ...names)
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  )

it.skipIf(process.platform !== 'linux')(
  'a folder that is there, and in which there can be no such file, is told as that',
  async () => {
    const destination = await destinationOf('/proc/nowhere', 'other')
    expect(await failure(writeTo(destination, pieces('one'), { signal }))).toMatchObject({
      code: 'usage',
      message: '/proc/nowhere cannot be written (ENOENT)',
    })
  },
)

describe('the name of the file', () => {
  it.each([
    ['Natal.TXT', 'natal.txt'],
    ['s\u00e3o.txt', 'sa\u0303o.txt'],
    ['CON.txt', '_con.txt'],
  ])('%s is not written beside %s, which is the same elsewhere', async (name, there) => {
    await writeFile(at(there), 'before')
    expect(await failure(destinationOf(folder, name))).toMatchObject({ code: 'conflict', fields: { path: at(there) } })
    expect(await destinationOf(folder, 'other.txt')).toMatchObject({ kind: 'file', path: at('other.txt') })
  })
})

describe('a path', () => {
  it('gets the whole content', async () => {
    await writeTo(await destinationOf(at('a.bin'), 'other'), pieces('one', 'two'), { signal })
    expect(await readFile(at('a.bin'), 'utf8')).toBe('onetwo')
    expect(await readdir(folder)).toEqual(['a.bin'])
  })

  it('gets all that came in many pieces, in their order', async () => {
    const content = randomBytes(5 * 1024 * 1024 + 3)
    async function* many() {
      for (let from = 0; from < content.length; from += 50_000) {
        const piece = new Uint8Array(content.subarray(from, from + 50_000))
        taken.push(piece)
        yield piece
      }
    }
    const taken: Uint8Array[] = []
    await writeTo(await destinationOf(at('a'), 'a'), many(), { signal })
    expect((await readFile(at('a'))).equals(content)).toBe(true)
    expect(taken.filter(({ length }) => length > 0)).toHaveLength(0)
  })

  it('keeps what it had until the new content is whole', async () => {
    await writeFile(at('a'), 'before')
    await chmod(at('a'), 0o600)
    const destination = await destinationOf(at('a'), 'a')
    expect(await failure(writeTo(destination, broken(), { signal }))).toMatchObject({ message: 'the connection broke' })
    expect(await readFile(at('a'), 'utf8')).toBe('before')
    expect(await readdir(folder)).toEqual(['a'])

    await writeTo(destination, pieces('after'), { signal })
    expect(await readFile(at('a'), 'utf8')).toBe('after')
    expect((await stat(at('a'))).mode & 0o777).toBe(0o600)
  })

  it('is left alone by an interruption', async () => {
    const controller = new AbortController()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.from('x')
        controller.abort(new Error('Ctrl-C'))
      }
    }
    const destination = await destinationOf(at('a'), 'a')
    expect(await failure(writeTo(destination, endless(), controller))).toMatchObject({ message: 'Ctrl-C' })
    expect(await readdir(folder)).toEqual([])
  })

  it('that is a link leads to the file behind it', async () => {
    await writeFile(at('real'), 'before')
    await symlink('real', at('link'))
    await writeTo(await destinationOf(at('link'), 'a'), pieces('after'), { signal })
    expect(await readlink(at('link'))).toBe('real')
    expect(await readFile(at('real'), 'utf8')).toBe('after')
  })

  it('may be a device', async () => {
    await writeTo(await destinationOf('/dev/null', 'a'), pieces('x'), { signal })
    expect((await stat('/dev/null')).mode & constants.S_IFMT).toBe(constants.S_IFCHR)
  })

  it('in a folder that is not there is refused before anything is asked for', async () => {
    for (const path of [at('no', 'a'), at('new/')]) {
      expect(await failure(destinationOf(path, 'a'))).toMatchObject({ code: 'usage' })
    }
    await writeFile(at('plain'), '')
    expect(await failure(destinationOf(at('plain', 'a'), 'a'))).toMatchObject({ code: 'usage' })
  })
})

describe('a folder', () => {
  it('gets the file under a safe name', async () => {
    await mkdir(at('in'))
    await writeTo(await destinationOf(at('in'), '../../evil\u202e.png'), pieces('x'), { signal })
    expect(await readdir(folder)).toEqual(['in'])
    expect(await readdir(at('in'))).toEqual(['_._.._evil.png'])
  })

  it('loses no file that it has', async () => {
    await writeFile(at('a.png'), 'mine')
    const refused = await failure(destinationOf(folder, 'a.png'))
    expect(refused).toMatchObject({ code: 'conflict', advice: expect.stringContaining('-o') })
    await symlink('nowhere', at('dangling'))
    expect(await failure(destinationOf(folder, 'dangling'))).toMatchObject({ code: 'conflict' })
  })

  it('loses none that came meanwhile', async () => {
    const destination = await destinationOf(folder, 'a.png')
    await writeFile(at('a.png'), 'mine')
    expect(await failure(writeTo(destination, pieces('x'), { signal }))).toMatchObject({ code: 'conflict' })
    expect(await readFile(at('a.png'), 'utf8')).toBe('mine')
    expect(await readdir(folder)).toEqual(['a.png'])
  })
})

it('stdout is asked for by its own name', async () => {
  expect(await destinationOf('-', 'a')).toEqual({ kind: 'stdout' })
})
