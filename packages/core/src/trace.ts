import { appendFileSync } from 'node:fs'
export function trace(...what: unknown[]): void {
  appendFileSync('/tmp/first/trace.log', `${process.pid} ${Date.now() % 1000000} ${what.join(' ')}\n`)
}
