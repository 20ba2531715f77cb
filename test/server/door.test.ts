import { describe, expect, test } from 'vitest'
import { Door } from '../../src/server/door.ts'
import type { ProxyOptions, ServerOptions } from '../../src/server/options.ts'
import { Refusals } from '../../src/server/refusals.ts'
import { Socket } from '../../src/st/socket.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld } from '../st/support/world.ts'
import { testOptions, testVhost, type TestServer } from '../support/server.ts'
import { HttpProbe } from './http-probe.ts'
import { prefix, v2Ipv4, v2Ipv6 } from './proxy-header.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, RawClient, serve, untilIdle } from './support.ts'

const HELLO = Buffer.concat([Buffer.of(3), Buffer.alloc(1536)])
/** Loopback is a proxy that begins with a header, on both ports. */
const BEHIND_PROXY: ProxyOptions = {
  isTrusted: (host) => host === '127.0.0.1',
  hasRtmpHeader: true,
  hasHttpHeader: true,
  realIpHeader: 'x-forwarded-for',
}

/** The addresses of the clients that the log calls connected. */
function peers(server: TestServer): unknown[] {
  return server.lines.filter(({ text }) => text === 'connected').map(({ fields }) => fields['peer'])
}

function fromHost(host: string): Socket {
  const pipe = new TestPipe()
  Object.assign(pipe.remote, { host })
  return new Socket(pipe)
}

describe('max_connections_per_address', () => {
  function door(changes: Partial<ServerOptions>): { door: Door; refusals: Refusals } {
    const refusals = new Refusals(makeTestWorld().world)
    return { door: new Door(testOptions(testVhost({}), changes), refusals), refusals }
  }

  test('closes who comes beyond it before a byte is read, on both ports; a place that is free again is given', async () => {
    const server = await serve({}, { maxConnectionsPerAddress: 2 })
    const one = await RtmpProbe.connected(server)
    const two = await HttpProbe.open(server)
    await eventually('both', () => server.server.connections === 2)
    for (const port of [server.rtmpPort, server.httpPort]) {
      const beyond = await RawClient.open(port)
      await beyond.untilOver()
      expect(beyond.bytes.length).toBe(0)
    }
    expect(server.server.refusals.totals).toEqual(new Map([['refused_address', 2]]))
    two.raw.end()
    await eventually('a place', () => server.server.connections === 1)
    const next = await RtmpProbe.connected(server)
    await next.ping()
    await one.ping()
  })

  test('1,000 refused connections leave nothing behind and a line or two in the log', async () => {
    const server = await serve({}, { maxConnectionsPerAddress: 1 })
    const one = await RtmpProbe.connected(server)
    const threads = server.world.threads.size
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.open(server.rtmpPort)))
      for (const client of clients) await client.untilOver()
    }
    expect(server.server.refusals.totals).toEqual(new Map([['refused_address', 1000]]))
    expect(server.server.connections).toBe(1)
    // The acceptors, the one connection, and for a second the thread that counts.
    expect(server.world.threads.size - threads).toBeLessThanOrEqual(1)
    const lines = server.lines.filter(({ text }) => text === 'clients were refused')
    expect(lines.length).toBeLessThan(100)
    await one.ping()
    one.raw.end()
    await untilIdle(server)
    const next = await RtmpProbe.connected(server)
    await next.ping()
  })

  test('counts each address by itself, and forgets it', () => {
    const { door: theDoor, refusals } = door({ maxConnectionsPerAddress: 1 })
    const places = Array.from({ length: 1000 }, (_, i) => theDoor.admit(fromHost(`10.0.${i >> 8}.${i & 255}`), 0))
    expect(places).not.toContain(null)
    expect(theDoor.admit(fromHost('10.0.0.5'), 0)).toBeNull()
    expect(theDoor.addresses).toBe(1000)
    for (const place of places) theDoor.leave(place as string)
    expect(theDoor.addresses).toBe(0)
    expect(refusals.totals.get('refused_address')).toBe(1)
  })

  test('takes 64 bits of IPv6 for one address', () => {
    const { door: theDoor } = door({ maxConnectionsPerAddress: 1 })
    expect(theDoor.admit(fromHost('2001:db8:0:1::1'), 0)).not.toBeNull()
    expect(theDoor.admit(fromHost('2001:db8:0:1:ffff::2'), 0)).toBeNull()
    expect(theDoor.admit(fromHost('2001:db8:0:2::1'), 0)).not.toBeNull()
    expect(theDoor.admit(fromHost('::ffff:10.0.0.1'), 0)).not.toBeNull()
  })

  test('does not count trusted proxies, nor anybody when there is no limit', () => {
    const proxied = door({ maxConnectionsPerAddress: 1, proxies: BEHIND_PROXY }).door
    const unlimited = door({}).door
    for (let i = 0; i < 3; i++) {
      expect(proxied.admit(fromHost('127.0.0.1'), 0)).toBe('')
      expect(unlimited.admit(fromHost('10.0.0.1'), 0)).toBe('')
    }
    expect(proxied.addresses + unlimited.addresses).toBe(0)
  })

  test('behind a proxy counts the clients', async () => {
    const server = await serve({}, { maxConnectionsPerAddress: 1, proxies: BEHIND_PROXY })
    const one = await RawClient.open(server.rtmpPort)
    one.write(Buffer.concat([v2Ipv4(), HELLO]))
    await eventually('the handshake', () => one.bytes.length >= 3073)
    const same = await RawClient.open(server.rtmpPort)
    same.write(Buffer.concat([prefix(), HELLO]))
    await same.untilOver()
    expect(same.bytes.length).toBe(0)
    const other = await RawClient.open(server.rtmpPort)
    other.write(Buffer.concat([v2Ipv6(), HELLO]))
    await eventually('the handshake', () => other.bytes.length >= 3073)
    one.end()
    await eventually('a place', () => server.server.connections === 1)
    const next = await RawClient.open(server.rtmpPort)
    next.write(Buffer.concat([v2Ipv4(), HELLO]))
    await eventually('the handshake', () => next.bytes.length >= 3073)
  })
})

describe('a trusted proxy', () => {
  const HEADERS = [
    ['v1', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 4711 1935\r\n'), '203.0.113.9:4711'],
    ['v2', v2Ipv4(Buffer.alloc(20)), '203.0.113.9:4711'],
    ['v2 with IPv6', v2Ipv6(), '[2001:db8::1]:4711'],
    ['the prefix of SRS', prefix(), '203.0.113.9:0'],
  ] as const

  test.each(HEADERS)('%s: the handshake follows in the same piece', async (_what, header, peer) => {
    const server = await serve({}, { proxies: BEHIND_PROXY })
    const client = await RawClient.open(server.rtmpPort)
    client.write(Buffer.concat([header, HELLO]))
    await eventually('the handshake', () => client.bytes.length >= 3073)
    expect(peers(server)).toEqual([peer])
  })

  test.each(HEADERS)('%s: in single bytes', async (_what, header, peer) => {
    const server = await serve({}, { proxies: BEHIND_PROXY })
    const client = await RawClient.open(server.rtmpPort)
    for (const byte of Buffer.concat([header, HELLO.subarray(0, 20)])) await client.writePiece(Buffer.of(byte))
    client.write(HELLO.subarray(20))
    await eventually('the handshake', () => client.bytes.length >= 3073)
    expect(peers(server)).toEqual([peer])
  })

  test('on the HTTP port: the request of the player follows', async () => {
    const server = await serve({ httpRemux: { waitPublisherMs: 0 } }, { proxies: BEHIND_PROXY })
    const client = await RawClient.open(server.httpPort)
    client.write(Buffer.concat([v2Ipv4(), Buffer.from('GET /live/cam.flv HTTP/1.1\r\nHost: x\r\n\r\n')]))
    await eventually('the answer', () => client.text.includes('No stream'))
    expect(peers(server)).toEqual(['203.0.113.9:4711'])
  })

  test.each([
    ['none', HELLO],
    ['a broken one', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n')],
    ['one that is too long', Buffer.concat([v2Ipv4().subarray(0, 14), Buffer.of(255, 255)])],
  ])('that sends %s is closed without an answer, and counted', async (_what, bytes) => {
    const server = await serve({}, { proxies: BEHIND_PROXY })
    const client = await RawClient.open(server.rtmpPort)
    client.write(bytes)
    await client.untilOver()
    expect(client.bytes.length).toBe(0)
    expect(server.server.refusals.totals).toEqual(new Map([['refused_proxy_header', 1]]))
  })

  test('that goes before it has said anything leaves nothing', async () => {
    const server = await serve({}, { proxies: BEHIND_PROXY })
    for (let i = 0; i < 50; i++) {
      const client = await RawClient.open(server.rtmpPort)
      client.write(v2Ipv4().subarray(0, i % 28))
      if (i % 2 === 0) client.end()
      else client.reset()
    }
    await untilIdle(server)
  })
})

test('who is no trusted proxy cannot say who it is', async () => {
  const server = await serve({}, { proxies: { ...BEHIND_PROXY, isTrusted: () => false } })
  const client = await RawClient.open(server.rtmpPort)
  client.write(Buffer.concat([v2Ipv4(), HELLO]))
  await client.untilOver()
  expect(client.bytes.length).toBe(0)
  expect(peers(server)).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)])
  expect(server.server.refusals.totals.size).toBe(0)
})

test('the HTTP header of a trusted proxy names the client of each request', async () => {
  const proxies = { ...BEHIND_PROXY, hasRtmpHeader: false, hasHttpHeader: false }
  const server = await serve({ httpRemux: { waitPublisherMs: 0 } }, { proxies })
  await HttpProbe.ask(server, '/live/cam.flv', 'GET', 'X-Forwarded-For: 1.1.1.1, 203.0.113.9')
  await HttpProbe.ask(server, '/live/cam.flv', 'GET', 'X-Real-IP: 203.0.113.9')
  expect(peers(server)).toEqual(['203.0.113.9:0', expect.stringMatching(/^127\.0\.0\.1:/)])
})
