import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { TokenSettings } from '../../../src/control/security/policy.ts'
import { SignError, signedQuery } from '../../../src/control/security/sign.ts'
import { signGrant, tokenGate } from '../../../src/control/security/token.ts'
import { GateWorld, OPEN } from './support.ts'

const SECRET = 'a-secret-of-the-test'
const OLD_SECRET = 'another-one-of-before'
const world = new GateWorld()
const nowS = Math.floor(world.test.clock.wallMs() / 1000)
const SETTINGS: TokenSettings = { enabled: true, publish: true, play: true, secret: [SECRET], bindAddress: false }

function gateOf(changes: Partial<TokenSettings> = {}) {
  return tokenGate(() => ({ ...OPEN, token: { ...SETTINGS, ...changes } }))
}

/** What people without our code compute. */
function openssl(text: string): string {
  const output = execFileSync('openssl', ['dgst', '-sha256', '-hmac', SECRET, '-r'], { input: text, encoding: 'utf8' })
  return output.split(' ')[0] ?? ''
}

test.each([
  ['publish', '/live/cam', nowS + 60, null],
  ['play', 'example.com/app/sub/cam', 1, null],
  ['play', '/live/摄像头', nowS, '2001:db8::1'],
] as const)('a token is what openssl computes: %s %s', (role, path, expire, address) => {
  const text = [role, path, expire, ...(address === null ? [] : [address])].join('\n')
  expect(signGrant(SECRET, { role, path, expire, address })).toBe(openssl(text))
})

describe('the token gate', () => {
  const expire = nowS + 60
  const play = openssl(`play\n/live/cam\n${expire}`)
  const publish = openssl(`publish\n/live/cam\n${expire}`)

  test.each([
    ['in its order', `?expire=${expire}&token=${play}`],
    ['in the other order, behind others', `?vhost=x&token=${play}&expire=${expire}`],
    ['in capitals', `?expire=${expire}&token=${play.toUpperCase()}`],
    ['with the separators of SRS', `?a=b;expire=${expire},token=${play}`],
  ])('lets in with a token, %s', async (_how, param) => {
    expect(await world.refusal(gateOf(), 'play', { param })).toBeNull()
  })

  test.each([
    ['', 'The address has no token'],
    ['?expire=1', 'The address has no token'],
    [`?token=${play}`, "no valid 'expire'"],
    [`?token=${play}&expire=tomorrow`, "no valid 'expire'"],
    [`?token=${play}&expire=-1`, "no valid 'expire'"],
    [`?token=${play}&expire=${'9'.repeat(13)}`, "no valid 'expire'"],
    [`?expire=${expire + 1}&token=${play}`, 'does not match'],
    [`?expire=${expire}&token=${publish}`, 'does not match'],
    [`?expire=${expire}&token=${play.slice(1)}`, 'does not match'],
    [`?expire=${expire}&token=${play}00`, 'does not match'],
    [`?expire=${expire}&token=${'z'.repeat(64)}`, 'does not match'],
    [`?expire=${expire}&token=&token=${play}`, 'The address has no token'],
    [`?expire=${nowS}&token=${openssl(`play\n/live/cam\n${nowS}`)}`, 'has expired'],
    // Whether it was right once is not told of a token that is not.
    [`?expire=1&token=${play}`, 'does not match'],
  ])('refuses "%s"', async (param, why) => {
    const refusal = await world.refusal(gateOf(), 'play', { param })
    expect(refusal).toContain('refused_token 403: ')
    expect(refusal).toContain(why)
    expect(refusal).not.toContain(SECRET)
  })

  test('a token is for one stream, one role and one vhost', async () => {
    const param = `?expire=${expire}&token=${play}`
    expect(await world.refusal(gateOf(), 'play', { param })).toBeNull()
    expect(await world.refusal(gateOf(), 'publish', { param })).toContain('does not match')
    expect(await world.refusal(gateOf(), 'play', { param, stream: 'cam2' })).toContain('does not match')
    expect(await world.refusal(gateOf(), 'play', { param, app: 'live2' })).toContain('does not match')
    expect(await world.refusal(gateOf(), 'play', { param, vhost: 'example.com' })).toContain('does not match')
  })

  test('the vhost stands in front of the path when it is not the default one', async () => {
    const param = `?expire=${expire}&token=${openssl(`play\nexample.com/live/cam\n${expire}`)}`
    expect(await world.refusal(gateOf(), 'play', { param, vhost: 'example.com' })).toBeNull()
  })

  test('of two secrets both count', async () => {
    const param = `?expire=${expire}&token=${play}`
    expect(await world.refusal(gateOf({ secret: [OLD_SECRET, SECRET] }), 'play', { param })).toBeNull()
    expect(await world.refusal(gateOf({ secret: [SECRET, OLD_SECRET] }), 'play', { param })).toBeNull()
    expect(await world.refusal(gateOf({ secret: [OLD_SECRET] }), 'play', { param })).toContain('does not match')
  })

  test('a bound token counts for its address only', async () => {
    const gate = gateOf({ bindAddress: true })
    const param = `?expire=${expire}&token=${openssl(`play\n/live/cam\n${expire}\n192.0.2.7`)}`
    expect(await world.refusal(gate, 'play', { param })).toBeNull()
    expect(await world.refusal(gate, 'play', { param, host: '192.0.2.8' })).toContain('client address')
    expect(await world.refusal(gate, 'play', { param: `?expire=${expire}&token=${play}` })).toContain('client address')
    expect(await world.refusal(gateOf(), 'play', { param })).toContain('does not match')
  })

  test('asks only those whom the configuration names', async () => {
    expect(await world.refusal(gateOf(), 'connect', {})).toBeNull()
    expect(await world.refusal(gateOf({ play: false }), 'play', {})).toBeNull()
    expect(await world.refusal(gateOf({ play: false }), 'publish', {})).not.toBeNull()
    expect(await world.refusal(gateOf({ publish: false }), 'publish', {})).toBeNull()
    expect(await world.refusal(gateOf({ enabled: false }), 'publish', {})).toBeNull()
  })
})

describe('signing', () => {
  const vhosts = {
    resolveVhost: (name: string) => {
      if (name === 'closed.test') return null
      const isOwn = name === 'example.com'
      return {
        name: isOwn ? name : '__defaultVhost__',
        token: { ...SETTINGS, secret: name === 'none.test' ? [] : [SECRET, OLD_SECRET] },
      }
    },
  }
  const wallMs = world.test.clock.wallMs()
  const request = { role: 'play', stream: 'live/cam', expires: '1h', address: '' }

  test.each([
    ['live/cam', 'live', 'cam', '__defaultVhost__'],
    ['/live/cam.flv', 'live', 'cam', '__defaultVhost__'],
    ['live/sub/cam?vhost=example.com', 'live/sub', 'cam', 'example.com'],
    ['rtmp://example.com:1935/live/cam', 'live', 'cam', 'example.com'],
    ['http://example.org/live/cam.flv', 'live', 'cam', '__defaultVhost__'],
  ])('%s: the gate lets in with it', async (stream, app, name, vhost) => {
    const param = `?${signedQuery(vhosts, { ...request, stream }, wallMs)}`
    expect(await world.refusal(gateOf(), 'play', { param, app, stream: name, vhost })).toBeNull()
  })

  test.each([
    ['45s', 45],
    ['30m', 1800],
    ['12h', 43_200],
    ['7d', 604_800],
  ])('is valid for %s', (expires, seconds) => {
    expect(signedQuery(vhosts, { ...request, expires }, wallMs)).toMatch(
      new RegExp(`^expire=${nowS + seconds}&token=[0-9a-f]{64}$`),
    )
  })

  test('for an address', async () => {
    const bound = { resolveVhost: () => ({ name: '__defaultVhost__', token: { ...SETTINGS, bindAddress: true } }) }
    const param = `?${signedQuery(bound, { ...request, address: '2001:DB8:0::1' }, wallMs)}`
    expect(await world.refusal(gateOf({ bindAddress: true }), 'play', { param, host: '2001:db8::1' })).toBeNull()
    expect(() => signedQuery(bound, request, wallMs)).toThrow('--address')
  })

  test.each([
    [{ role: 'record' }, 'only publish or play'],
    [{ stream: '' }, 'is no stream'],
    [{ stream: 'live' }, 'is no stream'],
    [{ stream: 'live/../cam' }, 'is no stream'],
    [{ stream: 'live/cam?vhost=closed.test' }, 'is not served'],
    [{ stream: 'live/cam?vhost=none.test' }, 'has no token.secret'],
    [{ expires: '1' }, 'is no time'],
    [{ expires: 'soon' }, 'is no time'],
  ])('%j is refused', (changes, why) => {
    expect(() => signedQuery(vhosts, { ...request, ...changes }, wallMs)).toThrow(SignError)
    expect(() => signedQuery(vhosts, { ...request, ...changes }, wallMs)).toThrow(why)
  })
})
