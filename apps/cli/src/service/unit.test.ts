import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MARK, type Manager, unitText } from './unit.ts'

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0

function unitOf(manager: Manager, dataDir = '/var/lib/malote'): string {
  const program = [process.execPath, '/opt/malote/bin/malote.js']
  return unitText({ manager, program, dataDir, config: null, user: manager === 'system' ? 'malote' : null })
}

describe('the unit', () => {
  // without systemd-analyze (package systemd) this is skipped, and the report says so
  it.skipIf(!hasAnalyze).each(['user', 'system'] as const)('of a %s is one that systemd understands', (manager) => {
    const folder = mkdtempSync(join(tmpdir(), 'malote-unit-'))
    try {
      const path = join(folder, 'malote.service')
      // the manager of a user asks for it
      const env = { ...process.env, XDG_RUNTIME_DIR: folder }
      writeFileSync(path, unitOf(manager, '/srv/A "100%" $HOME branch'))
      const checked = spawnSync('systemd-analyze', ['verify', '--man=no', `--${manager}`, path], {
        encoding: 'utf8',
        env,
      })
      // it speaks of other units of the machine, too
      expect(checked.stderr.split('\n').filter((line) => line.includes('malote'))).toEqual([])
      // and it is one that finds what is wrong
      writeFileSync(path, unitOf(manager).replace('Type=exec', 'Type=never'))
      const wrong = spawnSync('systemd-analyze', ['verify', '--man=no', `--${manager}`, path], {
        encoding: 'utf8',
        env,
      })
      expect(wrong.stderr).toContain('malote.service')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('bears the mark, names the data folder, and is closed as far as a node works in it', () => {
    const unit = unitOf('system')
    expect(unit.startsWith(MARK)).toBe(true)
    for (const line of ['User=malote', 'NoNewPrivileges=yes', 'ProtectSystem=strict', 'ReadWritePaths=/var/lib/malote'])
      expect(unit).toContain(`\n${line}\n`)
    // V8 could not compile
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m)
    // mounts of its own are not allowed to the manager of every user
    expect(unitOf('user')).not.toMatch(/^(?:Protect|Private|ReadWrite|User|Capability)/m)
  })

  it('quotes what systemd would read otherwise', () => {
    const dataDir = '/srv/A "100%" $HOME'
    expect(unitOf('user', dataDir)).toContain('--data "/srv/A \\"100%%\\" $$HOME"\n')
    // variables are those of commands only
    expect(unitOf('system', dataDir)).toContain('ReadWritePaths="/srv/A \\"100%%\\" $HOME"\n')
  })
})
