import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createContext } from '../context.ts'
import { speak } from '../messages/index.ts'
import { completionCommand } from './completion.ts'
import { commands } from './index.ts'

await speak('en')

async function scriptOf(shell: string): Promise<string> {
  let script = ''
  const context = {
    ...createContext({ json: true }, new AbortController().signal),
    print(document: unknown) {
      script = (document as { script: string }).script
    },
  }
  await completionCommand(() => commands).run?.(context, [shell], {})
  return script
}

/** What bash offers for a line, the last word being the one under the cursor. */
async function offered(...words: string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _malote; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await promisify(execFile)('bash', ['-c', `${await scriptOf('bash')}\n${ask}`])
  return stdout.split('\n').filter((word) => word !== '')
}

describe('bash', () => {
  it('offers commands', async () => {
    const names = commands.map((spec) => spec.usage.split(' ')[0])
    expect(await offered('malote', '')).toEqual(names)
    expect(await offered('malote', 'tr')).toEqual(['transfers'])
  })
  it('offers subcommands', async () => {
    expect(await offered('malote', 'blacklist', '')).toEqual(['ls', 'add', 'rm', 'set'])
    expect(await offered('malote', '--json', 'handoff', 'a')).toEqual(['accept'])
  })
  it('offers the options of the command', async () => {
    expect(await offered('malote', 'upload', 'a.png', '--d')).toEqual(['--data', '--deny'])
    expect(await offered('malote', 'blacklist', 'add', '--r')).toEqual(['--reseal'])
    expect(await offered('malote', 'ls', '--r')).toEqual([])
  })
  it('leaves file names to the shell', async () => {
    expect(await offered('malote', 'upload', '')).toEqual([])
    expect(await scriptOf('bash')).toContain('complete -o default -F _malote malote')
  })
})

describe.each([
  ['zsh', "'\\''"],
  ['fish', "\\'"],
])('%s', (shell, quoted) => {
  it('knows every command, and quotes what it says of it', async () => {
    const script = await scriptOf(shell)
    for (const { usage } of commands) expect(script).toMatch(new RegExp(`\\b${usage.split(' ')[0]}\\b`))
    expect(script).toContain('reseal')
    // an odd number of quotes would swallow the rest of the script
    for (const line of script.replaceAll(quoted, '').split('\n')) expect(line.split("'").length % 2, line).toBe(1)
  })
})

it('knows no other shell', async () => {
  await expect(scriptOf('tcsh')).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('bash') })
  await expect(scriptOf('constructor')).rejects.toMatchObject({ code: 'usage' })
})
