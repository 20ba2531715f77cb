import { describe, expect, test } from 'vitest'
import { isHostIn, pageHost, refererGate } from '../../../src/control/security/referer.ts'
import { GateWorld, OPEN } from './support.ts'

test.each([
  ['http://example.com/page', 'example.com'],
  ['https://Example.COM:8443/page?x=1#y', 'example.com'],
  ['example.com', 'example.com'],
  ['example.com:80/x', 'example.com'],
  ['http://example.com.', 'example.com'],
  ['http://example.com@evil.test/', 'evil.test'],
  ['http://evil.test?.example.com', 'evil.test'],
  ['http://evil.test#.example.com', 'evil.test'],
  ['http://evil.test\\.example.com/', 'evil.test'],
  ['http://evil.test:80@a:b@example.com', 'example.com'],
  ['http://[2001:db8::1]:8080/x', '[2001:db8::1]'],
  ['javascript:alert(1)//example.com', 'javascript:alert(1)'],
  ['', ''],
  ['://', ''],
  ['http:///example.com', ''],
])('the host of %s', (url, host) => {
  expect(pageHost(url)).toBe(host)
})

test.each([
  ['example.com', 'example.com', true],
  ['www.example.com', 'example.com', true],
  ['a.b.example.com', 'Example.Com', true],
  // SRS compares the ends of the texts.
  ['evilexample.com', 'example.com', false],
  ['example.com.evil.test', 'example.com', false],
  ['ample.com', 'example.com', false],
  ['com', 'example.com', false],
  ['www.example.com', '.example.com', true],
  ['example.com', '.example.com', false],
  ['www.example.com', '*.example.com', true],
  ['example.com', 'http://example.com/', true],
  ['localhost', 'localhost', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['', 'example.com', false],
  ['example.com', '', false],
  ['example.com', '.', false],
])('%s in the list "%s"', (host, listed, isIn) => {
  expect(isHostIn(host, listed)).toBe(isIn)
})

describe('the referer gate', () => {
  const world = new GateWorld()
  const refer = { enabled: true, all: ['a.test', 'b.test'], publish: ['a.test'], play: [] }

  test.each<['connect' | 'publish' | 'play', string, boolean]>([
    ['connect', 'http://b.test/', true],
    ['connect', 'http://c.test/', false],
    ['play', 'http://b.test/', true],
    ['play', 'http://c.test/', false],
    ['publish', 'http://a.test/', true],
    ['publish', 'http://b.test/', false],
    ['play', '', false],
  ])('%s from "%s"', async (event, pageUrl, isIn) => {
    const gate = refererGate(() => ({ ...OPEN, refer }))
    const refusal = await world.refusal(gate, event, { pageUrl })
    expect(refusal?.startsWith('refused_referer 403: ') ?? null).toBe(isIn ? null : true)
  })

  test('lets everybody in when it is off or has no list', async () => {
    const off = refererGate(() => ({ ...OPEN, refer: { ...refer, enabled: false } }))
    expect(await world.refusal(off, 'play', { pageUrl: 'http://c.test/' })).toBeNull()
    const empty = refererGate(() => ({ ...OPEN, refer: { enabled: true, all: [], publish: [], play: [] } }))
    expect(await world.refusal(empty, 'play', {})).toBeNull()
  })
})
