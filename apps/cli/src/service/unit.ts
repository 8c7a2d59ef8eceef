/** The systemd unit of a node. Pure: what stands in it follows from what is given. Why each line: docs/decisions/0050-operation.md */

export type Manager = 'user' | 'system'

export interface UnitInit {
  readonly manager: Manager
  /** program and first argument, absolute */
  readonly program: readonly string[]
  /** absolute */
  readonly dataDir: string
  /** `--config`, absolute; null: the data folder's */
  readonly config: string | null
  /** who runs it; of a system unit only */
  readonly user: string | null
}

/** First line: what bears it was written by us, and may be replaced and removed. */
export const MARK = '# Written by "malote service install"'

export function unitText({ manager, program, dataDir, config, user }: UnitInit): string {
  const command = [...program, 'up', '--data', dataDir, ...(config === null ? [] : ['--config', config])]
  const isSystem = manager === 'system'
  const lines = [
    `${MARK}; a change is better made in a drop-in: systemctl${isSystem ? '' : ' --user'} edit`,
    '[Unit]',
    'Description=Malote: media shared between the branches',
    ...(isSystem ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${command.map((word) => quoted(word.replaceAll('$', '$$$$'))).join(' ')}`,
    ...(isSystem && user !== null ? [`User=${user}`] : []),
    'Restart=on-failure',
    'RestartSec=5',
    '# wrong settings do not mend themselves; 130 is an interrupted start',
    'RestartPreventExitStatus=2',
    'SuccessExitStatus=130',
    'TimeoutStopSec=90',
    'LimitNOFILE=65536',
    'UMask=0077',
    'CacheDirectory=malote',
    'Environment=NODE_COMPILE_CACHE=%C/malote/compiled',
    '',
    '# no MemoryDenyWriteExecute: V8 compiles to machine code',
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RestrictNamespaces=yes',
    '# netlink: which addresses this machine has',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallErrorNumber=EPERM',
    ...(isSystem ? sandbox(dataDir) : []),
    '',
    '[Install]',
    `WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`,
  ]
  return `${lines.join('\n')}\n`
}

/** Needs mounts of its own, which the manager of a user is not allowed everywhere. */
function sandbox(dataDir: string): string[] {
  return [
    "# not ProcSubset=pid: the kernel's boot id is read; /dev/shm stays writable: it remembers an orderly stop",
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    `ReadWritePaths=${quoted(dataDir)}`,
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectControlGroups=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectProc=invisible',
    'CapabilityBoundingSet=',
    'AmbientCapabilities=',
  ]
}

/** As systemd reads it: in quotes where needed, without specifiers. */
function quoted(text: string): string {
  const plain = text.replaceAll('%', '%%')
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`
}
