import { describe, expect, test } from 'vitest'
import { clientOf } from '../../src/server/real-ip.ts'
import type { ProxyOptions } from '../../src/server/options.ts'

const PEER = { host: '10.0.0.1', port: 4000 }

function proxies(realIpHeader: ProxyOptions['realIpHeader'], trusted = /^10\./): ProxyOptions {
  return { isTrusted: (host) => trusted.test(host), hasRtmpHeader: false, hasHttpHeader: false, realIpHeader }
}

function client(header: ProxyOptions['realIpHeader'], value: string, peer = PEER): string {
  const { host, port } = clientOf(new Map([[header, value]]), peer, proxies(header))
  return `${host} ${port}`
}

describe('X-Forwarded-For', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9 0'],
    [' 203.0.113.9 ', '203.0.113.9 0'],
    ['203.0.113.9:4711', '203.0.113.9 4711'],
    ['2001:DB8::1', '2001:db8::1 0'],
    ['[2001:db8::1]', '2001:db8::1 0'],
    ['[2001:db8::1]:4711', '2001:db8::1 4711'],
    ['::ffff:203.0.113.9', '203.0.113.9 0'],
    // What stands left of the first proxy that is not ours anybody may have written.
    ['127.0.0.1, 203.0.113.9', '203.0.113.9 0'],
    ['10.0.0.7, 203.0.113.9', '203.0.113.9 0'],
    // Proxies behind proxies.
    ['198.51.100.1, 203.0.113.9, 10.0.0.3, 10.0.0.2', '203.0.113.9 0'],
    ['10.0.0.3, 10.0.0.2', '10.0.0.3 0'],
    // No address: the chain ends at who wrote that.
    ['', '10.0.0.1 4000'],
    ['unknown', '10.0.0.1 4000'],
    ['203.0.113.9, unknown', '10.0.0.1 4000'],
    ['203.0.113.9, evil, 10.0.0.2', '10.0.0.2 0'],
    ['203.0.113.9,', '10.0.0.1 4000'],
    ['1.2.3.4:99999999', '10.0.0.1 4000'],
    ['[::1', '10.0.0.1 4000'],
    [','.repeat(10_000), '10.0.0.1 4000'],
    [`${'10.0.0.1,'.repeat(1000)}10.0.0.1`, '10.0.0.1 0'],
  ])('%j', (value, expected) => {
    expect(client('x-forwarded-for', value)).toBe(expected)
  })

  test('of somebody who is no trusted proxy says nothing', () => {
    const stranger = { host: '203.0.113.66', port: 5000 }
    expect(client('x-forwarded-for', '127.0.0.1', stranger)).toBe('203.0.113.66 5000')
  })
})

test.each([
  ['for=203.0.113.9', '203.0.113.9 0'],
  ['For="203.0.113.9:4711";proto=http;by=10.0.0.1', '203.0.113.9 4711'],
  ['proto=http; for="[2001:db8::1]:4711"', '2001:db8::1 4711'],
  ['for=1.1.1.1, for=203.0.113.9;by=10.0.0.2, for=10.0.0.2', '203.0.113.9 0'],
  ['for=_hidden', '10.0.0.1 4000'],
  ['for=unknown', '10.0.0.1 4000'],
  ['by=203.0.113.9', '10.0.0.1 4000'],
  ['xfor=203.0.113.9', '10.0.0.1 4000'],
  // A quote that a client left open does not swallow what the proxy wrote.
  ['for="1.1.1.1, for=203.0.113.9', '203.0.113.9 0'],
])('Forwarded %j', (value, expected) => {
  expect(client('forwarded', value)).toBe(expected)
})

test('X-Real-IP', () => {
  expect(client('x-real-ip', '203.0.113.9')).toBe('203.0.113.9 0')
  expect(client('x-real-ip', 'nobody')).toBe('10.0.0.1 4000')
})

test('only the header of the configuration counts: the others may be the work of a client', () => {
  const headers = new Map([
    ['x-forwarded-for', '203.0.113.9'],
    ['x-real-ip', '127.0.0.1'],
    ['forwarded', 'for=127.0.0.1'],
  ])
  expect(clientOf(headers, PEER, proxies('x-forwarded-for')).host).toBe('203.0.113.9')
  headers.delete('x-forwarded-for')
  expect(clientOf(headers, PEER, proxies('x-forwarded-for'))).toBe(PEER)
})
