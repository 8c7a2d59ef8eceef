/** One machine of the lab: a namespace in which programs run, and which counts what passes between it and others. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Place } from '../support/branch.ts'
import { run } from '../support/namespaces.ts'

/** What has passed between a host and one address. */
export interface Traffic {
  readonly packets: number
  readonly bytes: number
}

export interface LabHost {
  /** under which its neighbours reach it */
  readonly address: string
  /** what others see of it */
  readonly publicAddress: string
  readonly place: Place
  /** Runs a program there. @returns the process, not waited for; it ends with the lab at the latest */
  start(command: readonly string[]): ChildProcess
  /** Runs a program there to its end. @returns what it printed @throws when it fails */
  run(command: readonly string[]): Promise<string>
  /** Both ways, since the lab was made, with each address. */
  traffic(): Map<string, Traffic>
}

export interface HostInit {
  readonly space: string
  readonly address: string
  readonly apiPort: number
}

export function hostOf(host: HostInit, publicAddress: () => string, control: string): LabHost {
  const { space, address, apiPort } = host
  const command = ['ip', 'netns', 'exec', space]
  const start = (args: readonly string[]) =>
    spawn('ip', [...command.slice(1), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  return {
    address,
    get publicAddress() {
      return publicAddress()
    },
    place: {
      command,
      api: address.includes(':') ? `[${address}]:${apiPort}` : `${address}:${apiPort}`,
      reach: `http://${control}:${apiPort}`,
    },
    start,
    run(args) {
      return new Promise((resolve, reject) => {
        const child = start(args)
        const said: string[] = []
        const complaints: string[] = []
        child.stdout?.on('data', (part) => said.push(String(part)))
        child.stderr?.on('data', (part) => complaints.push(String(part)))
        child.on('error', reject)
        child.on('close', (code) => {
          if (code === 0) resolve(said.join(''))
          else reject(new Error(`${args.join(' ')}: ${code}: ${complaints.join('')}`))
        })
      })
    },
    traffic: () => trafficOf(space),
  }
}

interface CountedSet {
  readonly elem?: readonly {
    readonly elem: { readonly val: string; readonly counter: { packets: number; bytes: number } }
  }[]
}

function trafficOf(space: string): Map<string, Traffic> {
  const text = run('ip', ['netns', 'exec', space, 'nft', '-j', 'list', 'table', 'inet', 'counts'])
  const { nftables } = JSON.parse(text) as { nftables: { set?: CountedSet }[] }
  const result = new Map<string, Traffic>()
  for (const { set } of nftables)
    for (const { elem } of set?.elem ?? []) {
      const { packets, bytes } = result.get(elem.val) ?? { packets: 0, bytes: 0 }
      result.set(elem.val, { packets: packets + elem.counter.packets, bytes: bytes + elem.counter.bytes })
    }
  return result
}

/** Rules of that namespace, in one go. */
export function nft(space: string, rules: string): void {
  run('ip', ['netns', 'exec', space, 'nft', '-f', '-'], rules)
}
