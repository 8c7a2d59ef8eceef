import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ForbiddenError } from '../errors.ts'
import { createFailures } from './failures.ts'
import { checkOrigin, type HostPolicy, isAllowedHost, type RequestOrigin } from './origin.ts'
import { proofOf } from './secrets.ts'
import { createSessions } from './sessions.ts'

const policy: HostPolicy = { port: 7373, names: ['malote.office', 'proxy:8080'], anyIp: false }

describe('hosts', () => {
  it.each([
    ['127.0.0.1:7373', true],
    ['localhost:7373', true],
    ['LOCALHOST:7373', true],
    ['[::1]:7373', true],
    ['malote.office:7373', true],
    ['proxy:8080', true],
    ['127.0.0.1', false],
    ['127.0.0.1:7374', false],
    ['evil.example:7373', false],
    ['localhost.evil.example:7373', false],
    ['localhost:7373@evil', false],
    ['proxy:7374', false],
    ['10.0.0.5:7373', false],
    ['', false],
    [undefined, false],
  ])('%s: %s', (host, allowed) => expect(isAllowedHost(policy, host)).toBe(allowed))

  it('takes any address, but no name, when remote access is allowed', () => {
    const remote = { ...policy, anyIp: true }
    expect(isAllowedHost(remote, '10.0.0.5:80')).toBe(true)
    expect(isAllowedHost(remote, '[fe80::1]:7373')).toBe(true)
    expect(isAllowedHost(remote, 'evil.example:7373')).toBe(false)
  })
})

describe('origins', () => {
  const good: RequestOrigin = {
    host: '127.0.0.1:7373',
    origin: undefined,
    fetchSite: undefined,
    fetchMode: undefined,
    navigable: false,
  }
  const check = (patch: Partial<RequestOrigin>, hostPolicy = policy) => {
    try {
      checkOrigin(hostPolicy, { ...good, ...patch })
      return 'ok'
    } catch (error) {
      if (error instanceof ForbiddenError) return 'forbidden'
      throw error
    }
  }
  it.each([
    ['no origin', {}, 'ok'],
    ['its own', { origin: 'http://127.0.0.1:7373' }, 'ok'],
    ['its other name', { origin: 'http://localhost:7373' }, 'ok'],
    ['another site', { origin: 'https://evil.example' }, 'forbidden'],
    ['another port of the same host', { origin: 'http://127.0.0.1:3000' }, 'forbidden'],
    ['a sandboxed page', { origin: 'null' }, 'forbidden'],
    ['a picture on another site', { fetchSite: 'cross-site', fetchMode: 'no-cors' }, 'forbidden'],
    ['a page of another port', { fetchSite: 'same-site', fetchMode: 'cors' }, 'forbidden'],
    ['a link to a page of ours', { fetchSite: 'cross-site', fetchMode: 'navigate', navigable: true }, 'ok'],
    ['a link to a route', { fetchSite: 'cross-site', fetchMode: 'navigate' }, 'forbidden'],
    ['our own page', { fetchSite: 'same-origin', fetchMode: 'cors' }, 'ok'],
  ])('%s: %s', (_name, patch, expected) => expect(check(patch)).toBe(expected))

  it('takes "any address" for Host alone', () => {
    const remote = { ...policy, anyIp: true }
    expect(check({ host: '10.0.0.5:7373', origin: 'http://10.0.0.5:7373' }, remote)).toBe('ok')
    expect(check({ host: '10.0.0.5:7373', origin: 'http://6.6.6.6' }, remote)).toBe('forbidden')
  })
})

describe('sessions', () => {
  const start = () => {
    let time = 1_000_000
    const sessions = createSessions({ cookieName: 'malote_session_1', now: () => time })
    return { sessions, pass: (ms: number) => (time += ms) }
  }
  const cookieOf = (header: string | null) => (header ?? '').split(';')[0]

  it('swaps a code once', () => {
    const { sessions } = start()
    const { code } = sessions.mintCode()
    const header = sessions.redeem(code)
    expect(header).toMatch(/^malote_session_1=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
    expect(sessions.redeem(code)).toBeNull()
    expect(sessions.check(`a=b; ${cookieOf(header)}`)).toBe(true)
    expect(sessions.check('malote_session_1=wrong')).toBe(false)
    expect(sessions.check('other=1')).toBeNull()
  })

  it('forgets codes after a minute and sessions after twelve hours', () => {
    const { sessions, pass } = start()
    const { code } = sessions.mintCode()
    pass(60_000)
    expect(sessions.redeem(code)).toBeNull()
    const cookie = cookieOf(sessions.redeem(sessions.mintCode().code))
    pass(12 * 3_600_000 - 1)
    expect(sessions.check(cookie)).toBe(true)
    pass(1)
    expect(sessions.check(cookie)).toBe(false)
  })

  it('ends a session', () => {
    const { sessions } = start()
    const cookie = cookieOf(sessions.redeem(sessions.mintCode().code))
    expect(sessions.end(cookie)).toContain('Max-Age=0')
    expect(sessions.check(cookie)).toBe(false)
  })

  it('keeps a bounded number of codes, the newest', () => {
    const { sessions } = start()
    const codes = Array.from({ length: 20 }, () => sessions.mintCode().code)
    expect(codes.filter((code) => sessions.redeem(code) !== null)).toEqual(codes.slice(4))
  })
})

describe('failures', () => {
  it('slows an address down after ten, and forgets after a minute', () => {
    let time = 0
    const failures = createFailures({ now: () => time })
    for (let index = 0; index < 10; index += 1) expect(failures.add('a')).toBe(0)
    expect(failures.add('a')).toBe(60)
    time = 59_500
    expect(failures.add('a')).toBe(1)
    expect(failures.add('b')).toBe(0)
    time = 60_000
    expect(failures.add('a')).toBe(0)
  })

  it('remembers a bounded number of addresses', () => {
    const failures = createFailures({ now: () => 0, limit: 1 })
    failures.add('first')
    for (let index = 0; index < 1024; index += 1) failures.add(`address ${index}`)
    expect(failures.add('first')).toBe(0)
    expect(failures.add('address 1023')).toBeGreaterThan(0)
  })
})

it('proves knowledge of the token as the spec says', () => {
  const nonce = `${'00'.repeat(31)}ff`
  const expected = createHmac('sha256', 'token')
    .update(Buffer.concat([Buffer.from('malote-api-proof'), Buffer.from(nonce, 'hex')]))
    .digest('hex')
  expect(proofOf('token', nonce)).toBe(expected)
})
