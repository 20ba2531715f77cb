import { array, assert, constantFrom, integer, oneof, property, tuple, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { missingBytes, parseProxyHeader, readProxyHeader } from '../../src/server/proxy-protocol.ts'
import { StError } from '../../src/st/errors.ts'
import { Socket } from '../../src/st/socket.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld } from '../st/support/world.ts'
import { LOCAL, prefix, PROXY_TCP4, PROXY_TCP6, v2, v2Ipv4, v2Ipv6 } from './proxy-header.ts'

/** The longest header that there is. */
const MAX_BYTES = 16 + 2048
const AFTER = Buffer.from([3, 1, 2, 3, 4, 5, 6, 7, 8, 9])

const HEADERS: readonly (readonly [string, Buffer, string | null])[] = [
  ['v1, IPv4', text('PROXY TCP4 203.0.113.9 192.0.2.1 4711 1935\r\n'), '203.0.113.9 4711'],
  ['v1, IPv6', text('PROXY TCP6 2001:DB8:0::1 fe80::1 4711 1935\r\n'), '2001:db8::1 4711'],
  [
    'v1, the longest',
    text(`PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`),
    `${'ffff:'.repeat(7)}ffff 65535`,
  ],
  ['v1, the shortest', text('PROXY UNKNOWN\r\n'), null],
  [
    'v1, unknown with addresses',
    text(`PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`),
    null,
  ],
  ['v1, IPv4 in IPv6', text('PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n'), '203.0.113.9 1'],
  ['v2, IPv4', v2Ipv4(), '203.0.113.9 4711'],
  ['v2, IPv4 with TLVs', v2Ipv4(Buffer.alloc(300, 0xee)), '203.0.113.9 4711'],
  ['v2, IPv6', v2Ipv6(), '2001:db8::1 4711'],
  ['v2, IPv4 in IPv6', v2Ipv6('00000000000000000000ffffcb007109'), '203.0.113.9 4711'],
  ['v2, the longest', v2Ipv4(Buffer.alloc(2048 - 12)), '203.0.113.9 4711'],
  ['v2, local', v2(LOCAL, Buffer.alloc(0)), null],
  ['v2, local with addresses', v2(LOCAL | 0x11, Buffer.alloc(12, 1)), null],
  ['v2, unspecified', v2(0x2100, Buffer.alloc(7)), null],
  ['v2, UDP', v2(0x2112, Buffer.alloc(12, 1)), null],
  ['v2, a Unix socket', v2(0x2131, Buffer.alloc(216, 0x61)), null],
  ['prefix of SRS', prefix(), '203.0.113.9 0'],
  ['prefix of SRS with more', prefix(Buffer.alloc(1020)), '203.0.113.9 0'],
  ['prefix of SRS without address', Buffer.of(0xf3, 0, 0), null],
]

const HOSTILE: readonly (readonly [string, Buffer, string])[] = [
  ['no header: RTMP', Buffer.of(3, 0, 0, 0, 0), 'proxy_header_missing'],
  ['no header: HTTP', text('GET / HTTP/1.1\r\n\r\n'), 'proxy_header_missing'],
  ['no header, with the same first letter', text('POST / HTTP/1.1\r\n\r\n'), 'proxy_header_invalid'],
  ['v1 without addresses', text('PROXY TCP4\r\n\r\n\r\n\r\n'), 'proxy_header_invalid'],
  ['v1 with an IPv6 address for TCP4', text('PROXY TCP4 ::1 ::1 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 with an IPv4 address for TCP6', text('PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 with a wrong destination', text('PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 with a leading zero', text('PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 with a leading zero in a port', text('PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n'), 'proxy_header_invalid'],
  ['v1 with port 65536', text('PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n'), 'proxy_header_invalid'],
  ['v1 with a wrong second port', text('PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n'), 'proxy_header_invalid'],
  ['v1 with two spaces', text('PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 that ends with LF alone', text('PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n'), 'proxy_header_invalid'],
  ['v1 with a zone', text('PROXY TCP6 fe80::1%lo ::1 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 of another family', text('PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n'), 'proxy_header_invalid'],
  ['v1 in small letters', text('proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n'), 'proxy_header_missing'],
  ['v1 without end', text(`PROXY UNKNOWN ${'x'.repeat(200)}`), 'proxy_header_invalid'],
  ['v2 with a broken signature', Buffer.from('0d0a0d0a000d0a515549540b', 'hex'), 'proxy_header_invalid'],
  ['v2 of version 1', v2(0x1111, Buffer.alloc(12)), 'proxy_header_invalid'],
  ['v2 with an unknown command', v2(0x2211, Buffer.alloc(12)), 'proxy_header_invalid'],
  ['v2 with an unknown family', v2(0x2141, Buffer.alloc(12)), 'proxy_header_invalid'],
  ['v2 with an unknown transport', v2(0x2113, Buffer.alloc(12)), 'proxy_header_invalid'],
  ['v2, IPv4, too short', v2(PROXY_TCP4, Buffer.alloc(11)), 'proxy_header_invalid'],
  ['v2, IPv6, too short', v2(PROXY_TCP6, Buffer.alloc(12)), 'proxy_header_invalid'],
  ['v2, announced too long', v2(PROXY_TCP4, Buffer.alloc(12), 2049), 'proxy_header_invalid'],
  ['v2, announced far too long', v2(LOCAL, Buffer.alloc(12), 65_535), 'proxy_header_invalid'],
  ['prefix of SRS, announced too long', Buffer.of(0xf3, 4, 1), 'proxy_header_invalid'],
]

function text(line: string): Buffer {
  return Buffer.from(line, 'latin1')
}

/** Reads as the server does. @returns what was said, how many bytes were taken, or the code of the error */
function read(bytes: Buffer): { peer: string | null; taken: number } | string {
  let taken = 0
  try {
    for (
      let missing = missingBytes(bytes.subarray(0, 0));
      missing > 0;
      missing = missingBytes(bytes.subarray(0, taken))
    ) {
      if (taken + missing > bytes.length) return 'needs more'
      taken += missing
    }
    const peer = parseProxyHeader(bytes.subarray(0, taken))
    return { peer: peer && `${peer.host} ${peer.port}`, taken }
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
}

describe('a header', () => {
  test.each(HEADERS)('%s, and not a byte behind it', (_what, header, peer) => {
    expect(read(Buffer.concat([header, AFTER]))).toEqual({ peer, taken: header.length })
  })

  test.each(HEADERS)('%s: each part of it needs more', (_what, header) => {
    for (let length = 0; length < header.length; length++) expect(read(header.subarray(0, length))).toBe('needs more')
  })

  test.each(HOSTILE)('%s', (_what, bytes, code) => {
    expect(read(Buffer.concat([bytes, Buffer.alloc(MAX_BYTES, 0x20)]))).toBe(code)
  })
})

test('whatever comes, it ends, in bounds, with one of its errors', () => {
  const start = constantFrom(
    text('PROXY '),
    text('PROXY TCP4 1.2.3.4 '),
    v2Ipv4().subarray(0, 12),
    v2Ipv6(),
    Buffer.of(0xf3),
    Buffer.alloc(0),
  )
  const noise = oneof(
    uint8Array({ maxLength: 64 }),
    array(constantFrom(...Array.from(' \r\n.:04TCPUf')), { maxLength: 120 }).map((all) => text(all.join(''))),
  )
  const cut = tuple(start, noise, integer({ min: 0, max: 60 }), integer({ min: 0, max: 255 }))
  assert(
    property(cut, ([head, tail, at, byte]) => {
      const bytes = Buffer.concat([head, tail, Buffer.alloc(MAX_BYTES, 0x41)])
      bytes[at] = byte
      const outcome = read(bytes)
      if (typeof outcome !== 'string') expect(outcome.taken).toBeLessThanOrEqual(MAX_BYTES)
      else expect(['proxy_header_missing', 'proxy_header_invalid']).toContain(outcome)
    }),
    { numRuns: 3000 },
  )
})

/** A thread that reads the header from a socket in a world in which time stands. */
async function startReading() {
  const { world, clock } = makeTestWorld()
  const pipe = new TestPipe()
  const socket = new Socket(pipe)
  const outcome = { said: 'reads' }
  world.spawn('reader', async (thread) => {
    try {
      await readProxyHeader(thread, socket)
      outcome.said = 'done'
    } catch (error) {
      outcome.said = error instanceof CodecError || error instanceof StError ? error.code : String(error)
    }
  })
  await clock.settle()
  return { clock, pipe, socket, outcome }
}

describe('reading it', () => {
  test.each(HEADERS)('%s, in single bytes: what follows is left to be read', async (_what, header, peer) => {
    const { clock, pipe, socket, outcome } = await startReading()
    for (const byte of header) {
      expect(outcome.said).toBe('reads')
      pipe.handler.onData(Buffer.of(byte))
      await clock.settle()
    }
    pipe.handler.onData(AFTER)
    await clock.settle()
    expect(outcome.said).toBe('done')
    expect(`${socket.peer.host} ${socket.peer.port}`).toBe(peer ?? '192.0.2.7 40000')
    expect(socket.remote.host).toBe('192.0.2.7')
    expect(socket.take(AFTER.length)).toEqual(AFTER)
    // The client does not know of the header: acknowledgements must not count it.
    expect(socket.receivedBytes).toBe(AFTER.length)
    expect(clock.pendingTimers).toBe(0)
  })

  test.each(HEADERS)('%s, together with the first bytes of the client', async (_what, header) => {
    const { clock, pipe, socket, outcome } = await startReading()
    pipe.handler.onData(Buffer.concat([header, AFTER]))
    await clock.settle()
    expect(outcome.said).toBe('done')
    expect(socket.take(AFTER.length)).toEqual(AFTER)
  })

  test('has 5 seconds altogether: a byte each second does not renew them', async () => {
    const { clock, pipe, outcome } = await startReading()
    for (let second = 0; second < 5; second++) {
      expect(outcome.said).toBe('reads')
      pipe.handler.onData(v2Ipv4().subarray(second, second + 1))
      await clock.settle()
      await clock.pass(1_000)
    }
    expect(outcome.said).toBe('st_timeout')
    expect(clock.pendingTimers).toBe(0)
  })

  test('ends with the connection', async () => {
    const { clock, pipe, outcome } = await startReading()
    pipe.handler.onData(text('PROXY TCP4 '))
    pipe.handler.onEnd()
    await clock.settle()
    expect(outcome.said).toBe('st_closed')
  })
})
