import { expect, test } from 'vitest'
import { LOCAL_HEADER, proxyHeader } from '../../../src/cluster/behind/proxy-header.ts'
import { missingBytes, parseProxyHeader } from '../../../src/server/proxy-protocol.ts'

const at = (host: string, port: number): { host: string; port: number } => ({ host, port })

test.each([
  ['IPv4', at('203.0.113.9', 4711), at('192.0.2.1', 1935), 28],
  ['IPv6', at('2001:db8::1', 4711), at('fe80::2', 1935), 52],
  ['IPv4 that connected to an IPv6 address', at('203.0.113.9', 4711), at('::1', 1935), 52],
])('a server behind reads who the client is: %s', (_what, client, local, bytes) => {
  const header = proxyHeader(client, local)
  expect(header).toHaveLength(bytes)
  expect(missingBytes(header)).toBe(0)
  expect(parseProxyHeader(header)).toEqual(client)
})

test('the proxy speaks for itself when it checks, and when it does not know who the client is', () => {
  expect(missingBytes(LOCAL_HEADER)).toBe(0)
  expect(parseProxyHeader(LOCAL_HEADER)).toBeNull()
  expect(proxyHeader(at('', 0), at('192.0.2.1', 1935))).toEqual(LOCAL_HEADER)
})
