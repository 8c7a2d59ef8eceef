/** What can be checked of the container files where no engine runs: that they are well formed, and that the words in them exist. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { commands } from './commands/index.ts'
import { buildProgram } from './program.ts'
import { settingList, variableOf } from './settings/table.ts'

const folder = join(import.meta.dirname, '..', '..', '..', 'deploy')
const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8')
const variables = ['MALOTE_DATA', ...settingList.map(([, setting]) => variableOf(setting))]

interface Service {
  command?: string[]
  environment: Record<string, string>
  volumes: string[]
  cap_drop: string[]
}

/** Refused by commander when there is no such command or flag. */
async function parsed(words: readonly string[]): Promise<void> {
  const quiet = commands.map(({ run: _run, ...spec }) => ({ ...spec, run: async () => {} }))
  await buildProgram(quiet, new AbortController().signal).parseAsync(['node', 'malote', ...words])
}

describe('the container', () => {
  it('runs as no root, keeps its data in a volume, and tells its health by a command that there is', async () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
    expect(last).toMatch(/^USER node$[\s\S]*^VOLUME \/data$[\s\S]*^ENTRYPOINT \["malote"\]$/m)
    const [, health = '[]'] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(last) ?? []
    const [program, ...words] = JSON.parse(health) as string[]
    expect(program).toBe('malote')
    await parsed(words)
    await parsed(JSON.parse(/^CMD (\[.*\])$/m.exec(last)?.[1] ?? '[]'))
    await expect(parsed(['up', '--no-such-flag'])).rejects.toThrow()
  })

  it.each(['branch', 'relay'])('of a %s is described by a file that says what there is', async (name) => {
    const { services, volumes } = parse(readFileSync(join(folder, `compose.${name}.yaml`), 'utf8'))
    const service = services[name] as Service
    expect(Object.keys(volumes)).toEqual(['data'])
    expect(service).toMatchObject({ volumes: ['data:/data'], cap_drop: ['ALL'], read_only: true })
    for (const variable of Object.keys(service.environment)) expect(variables).toContain(variable)
    await parsed(service.command ?? ['up'])
  })
})
