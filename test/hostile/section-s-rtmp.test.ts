import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { decodeAmf0, encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { decodeCommand, encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { amfBodies, codecSamples, recordings } from '../fuzz/corpus.ts'
import { key, u32 } from '../rtmp/amf0-helpers.ts'
import { RtmpProbe } from '../server/rtmp-probe.ts'
import { StillServer } from '../server/still-world.ts'
import { eventually, serve } from '../server/support.ts'

// Classes of bad input by which other servers fell: one test for each, named after its row in our list of them.

const KB = 1024
const MOST_TIME = 0xff_ff_ff_ff

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return 'fine'
}

/** What stays in memory outside the heap while `keep` is held. */
function heldBytes(keep: () => unknown): number {
  const before = process.memoryUsage().arrayBuffers
  const kept = keep()
  const after = process.memoryUsage().arrayBuffers
  expect(kept).not.toBeNull()
  return after - before
}

/** A header of type 0. */
function header(csid: number, bytes: number, typeId: number = MSG.VIDEO): Buffer {
  const out = Buffer.alloc(12)
  out.writeUInt8(csid, 0)
  out.writeUIntBE(bytes, 4, 3)
  out.writeUInt8(typeId, 7)
  return out
}

describe('AMF0 truncated, NULL command, wrong type for a string', () => {
  test('every prefix of 200 real commands', () => {
    const isShort = (body: Buffer): boolean => body.length < KB
    const real = amfBodies()
      .filter(isShort)
      .filter((body) => codeOf(() => decodeCommand(MSG.COMMAND_AMF0, body)) === 'fine')
    const commands = Array.from({ length: 200 }, (_, at) =>
      at < real.length ? (real[at] as Buffer) : encodeCommand('publish', at, null, `cam${at}?token=${'x'.repeat(at)}`),
    )
    for (const command of commands) {
      for (let length = 0; length < command.length; length++) {
        const code = codeOf(() => decodeCommand(MSG.COMMAND_AMF0, command.subarray(0, length)))
        expect(code).toMatch(/^(fine|amf0_truncated|command_malformed)$/)
      }
    }
  })

  test.each([
    ['a command without a name', [null, 1, null]],
    ['a name that is a number', [7, 1, null]],
    ['a stream name that is false', ['publish', 5, null, false]],
    ['a stream name that is null', ['play', 5, null, null]],
    ['a stream name that is an object', ['publish', 5, null, { a: 1 }]],
    ['no stream name', ['play', 5]],
    ['a transaction that is a text', ['createStream', 'x', null]],
    ['an id that is an array', ['deleteStream', 0, null, [1]]],
    ['connect with nothing', ['connect', 1, null]],
    ['connect whose tcUrl is a number', ['connect', 1, { app: 5, tcUrl: 7 }]],
  ])('%s: at most that connection ends', async (_what, values) => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    const probe = await RtmpProbe.connected(server)
    probe.send({ typeId: MSG.COMMAND_AMF0, streamId: 1, payload: encodeAmf0(...values) })
    probe.raw.end()
    await eventually('its end', () => server.server.connections === 1)
    await healthy.ping()
  })
})

test('AMF strict array, undefined, unsupported markers: golden decode of each', () => {
  const golden: readonly (readonly [string, unknown])[] = [
    ['0a00000002050100', [[null, false]]],
    ['06', [undefined]],
    ['0d', [undefined]],
    ['0f00000003783c2f', ['x</']],
    ['1000016100016205000009', [{ b: null }]],
    ['0300016105000009', [{ a: null }]],
    ['080000000000016105000009', [{ a: null }]],
    ['0b40f86a00000000000000', [new Date(100_000)]],
  ]
  for (const [hex, values] of golden) expect(decodeAmf0(Buffer.from(hex, 'hex'))).toEqual(values)
  // A movie clip, a record set, AMF3, and an object's end where a value should be.
  for (const marker of [0x04, 0x0e, 0x11, 0x09, 0xff]) {
    expect(codeOf(() => decodeAmf0(Buffer.of(marker)))).toBe('amf0_marker_invalid')
  }
})

test('AMF nesting without limit (stack overflow before auth): depth 64 passes, 65 is refused', () => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([
      ...Array.from({ length: depth }, () => Buffer.from('03000161', 'hex')),
      Buffer.of(5),
      ...Array.from({ length: depth }, () => Buffer.of(0, 0, 9)),
    ])
  expect(codeOf(() => decodeAmf0(nested(64)))).toBe('fine')
  expect(codeOf(() => decodeAmf0(nested(65)))).toBe('amf0_too_deep')
  expect(codeOf(() => decodeAmf0(nested(20_000)))).toBe('amf0_too_deep')
})

test('AMF declared counts allocate before data is there: 2^32-1 in 30 bytes makes less than 1 KB', () => {
  const most = u32(2 ** 32 - 1)
  const bodies = [
    Buffer.concat([Buffer.of(0x0a), most]),
    Buffer.concat([Buffer.of(0x08), most, key('a')]),
    Buffer.concat([Buffer.of(0x0c), most]),
    Buffer.concat([Buffer.of(0x0f), most]),
    Buffer.from('02ffff', 'hex'),
  ].map((body) => Buffer.concat([body, Buffer.alloc(30 - body.length, 5)]))
  const rounds = 200
  const codes = new Set<string>()
  const bytes = heldBytes(() => {
    for (let round = 0; round < rounds; round++) for (const body of bodies) codes.add(codeOf(() => decodeAmf0(body)))
    return codes
  })
  expect(bytes / (rounds * bodies.length)).toBeLessThan(KB)
  expect(codes).not.toContain('fine')
})

test('Message length allocated at header (24 bit x many chunk streams): memory is what has arrived', () => {
  const limits = { maxMessageBytes: 0xff_ff_ff, maxPartialBytes: 16 << 20, maxChunkStreams: 64 }
  const reader = new ChunkReader(limits)
  const bytes = heldBytes(() => {
    for (let csid = 3; csid < 63; csid++) {
      reader.push(Buffer.concat([header(csid, 0xff_ff_ff), Buffer.alloc(128)]))
      expect(reader.read()).toBeNull()
    }
    return reader
  })
  // 60 messages of 16 MB are announced.
  expect(bytes).toBeLessThan(2 << 20)
  const first = new ChunkReader({ ...limits, maxMessageBytes: 8 << 20 })
  first.push(header(3, (8 << 20) + 1))
  expect(codeOf(() => first.read())).toBe('chunk_message_too_large')
})

describe('Set Chunk Size 0, 1, 2^31-1, or empty body', () => {
  const sized = (payload: Buffer): ChunkReader => {
    const reader = new ChunkReader()
    reader.push(encodeMessage({ csid: 2, timestampMs: 0, typeId: MSG.SET_CHUNK_SIZE, streamId: 0, payload }, 128))
    return reader
  }

  test('0 and negative are refused, an empty body too, 2^31-1 is the longest message', () => {
    for (const size of [0, 2 ** 31, 2 ** 32 - 1]) {
      expect(codeOf(() => sized(u32(size)).read())).toBe('chunk_size_invalid')
    }
    expect(codeOf(() => sized(Buffer.of(0, 0, 1)).read())).toBe('message_short')
    // An empty message is skipped, whatever its type.
    const empty = new ChunkReader()
    empty.push(header(2, 0, MSG.SET_CHUNK_SIZE))
    expect(empty.read()).toBeNull()
    const large = sized(u32(2 ** 31 - 1))
    expect(large.read()?.typeId).toBe(MSG.SET_CHUNK_SIZE)
    large.push(Buffer.concat([header(6, 1 << 20), Buffer.alloc(1 << 20)]))
    expect(large.read()?.payload.length).toBe(1 << 20)
  })

  test('1-byte chunks stay under a budget of CPU and memory', () => {
    const size = 512 * KB
    const rest = Buffer.alloc(2 * (size - 1))
    for (let at = 0; at < rest.length; at += 2) rest[at] = 0xc6
    const reader = sized(u32(1))
    reader.read()
    const start = process.cpuUsage()
    const bytes = heldBytes(() => {
      reader.push(Buffer.concat([header(6, size), Buffer.of(0), rest]))
      return reader.read()?.payload.length === size ? reader : null
    })
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
    expect(bytes).toBeLessThan(6 * size)
  })
})

test('Bytes out of range: timestamp or length arithmetic', () => {
  const times = fc.constantFrom(0, 1, 0xff_ff_fe, 0xff_ff_ff, 0x1_00_00_00, 0x7f_ff_ff_ff, 0x80_00_00_00, MOST_TIME)
  const lengths = fc.constantFrom(1, 127, 128, 129)
  const chunk = (fmt: number, timeMs: number, bytes: number): Buffer => {
    const isExtended = timeMs >= 0xff_ff_ff
    const head = Buffer.alloc([12, 8, 4][fmt] ?? 12)
    head.writeUInt8((fmt << 6) | 6, 0)
    head.writeUIntBE(isExtended ? 0xff_ff_ff : timeMs, 1, 3)
    if (fmt < 2) head.writeUIntBE(bytes, 4, 3)
    if (fmt < 2) head.writeUInt8(MSG.VIDEO, 7)
    const extended = isExtended ? u32(timeMs) : Buffer.alloc(0)
    const body = Buffer.alloc(bytes)
    if (bytes <= 128) return Buffer.concat([head, extended, body])
    return Buffer.concat([head, extended, body.subarray(0, 128), Buffer.of(0xc6), extended, body.subarray(128)])
  }
  const messages = fc.array(fc.tuple(fc.constantFrom(0, 1, 2), times, lengths), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(messages, (list) => {
      const reader = new ChunkReader()
      let [expectedMs, bytes] = [0, 1]
      for (const [at, [fmt, timeMs, length]] of list.entries()) {
        const kind = at === 0 ? 0 : fmt
        bytes = kind < 2 ? length : bytes
        expectedMs = kind === 0 ? timeMs : (expectedMs + timeMs) % 2 ** 32
        reader.push(chunk(kind, timeMs, bytes))
        expect(reader.read()).toMatchObject({ timestampMs: expectedMs, payload: { length: bytes } })
      }
    }),
  )
})

/** A publisher's messages one by one, each behind those of all others; who is thrown out comes again. */
async function publishAll(payloads: readonly (readonly [number, Buffer])[]): Promise<{ ends: number; left: number }> {
  const server = new StillServer()
  let ends = 0
  let client = null
  for (const [typeId, payload] of payloads) {
    if (!client) {
      client = await server.rtmp()
      await client.connectToApp()
      await client.command(1, 'publish', null, 'cam', 'live')
    }
    await client.send(encodeMessage({ csid: 6, timestampMs: 40, typeId, streamId: 1, payload }, 128))
    if (!client.isClosed) continue
    ends++
    client = null
  }
  await client?.end()
  await server.clock.pass(2_000)
  return { ends, left: server.threads + server.hub.size + server.clock.pendingTimers }
}

test('Bad SPS/PPS, AVCC, AAC config, zero-length NALU: refused or passed, never a crash', async () => {
  const keyFrame = Buffer.concat([Buffer.of(0x17, 1, 0, 0, 0), u32(0), u32(3), Buffer.of(0x65, 1, 2)])
  const payloads: [number, Buffer][] = []
  for (const { codec, header: record } of [...codecSamples('video'), ...codecSamples('audio')]) {
    const prefix = { avc1: Buffer.of(0x17, 0, 0, 0, 0), mp4a: Buffer.of(0xaf, 0) }[codec]
    if (!prefix || payloads.length > 6_000) continue
    for (let bit = 0; bit < record.length * 8; bit++) {
      const copy = Buffer.from(record)
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
      payloads.push([codec === 'avc1' ? MSG.VIDEO : MSG.AUDIO, Buffer.concat([prefix, copy])], [MSG.VIDEO, keyFrame])
    }
  }
  expect(payloads.length).toBeGreaterThan(2_000)
  expect((await publishAll(payloads)).left).toBe(0)
})

test('Tags with no data; audio without header; video before header', async () => {
  const video = [
    '17',
    '1700',
    '1701',
    '170100',
    '17010000',
    '1701000000',
    '2701000000',
    '1702000000',
    '57',
    '5f',
    '90',
    '9061766331',
  ]
  const audio = ['af', 'af00', 'af01', 'af0121', '2f', '3f00', '90', '906d703461', '00']
  const payloads = [
    ...audio.map((hex) => [MSG.AUDIO, Buffer.from(hex, 'hex')] as const),
    ...video.map((hex) => [MSG.VIDEO, Buffer.from(hex, 'hex')] as const),
    [MSG.AGGREGATE, Buffer.alloc(11)] as const,
    [MSG.DATA_AMF0, Buffer.of(5)] as const,
  ]
  expect((await publishAll(payloads)).left).toBe(0)
  for (const one of payloads) expect((await publishAll([one])).left).toBe(0)
})

test('Unbounded queue, handshake without timeout, idle sockets: 5,000 that send one byte', async () => {
  const server = new StillServer()
  const all = await Promise.all(Array.from({ length: 5_000 }, () => server.rtmp()))
  for (const one of all) one.pipe.handler.onData(Buffer.of(3))
  await server.clock.settle()
  const { heapUsed } = process.memoryUsage()
  expect(server.threads).toBe(5_000)
  await server.clock.pass(31_000)
  expect(all.every((one) => one.isClosed)).toBe(true)
  expect([server.threads, server.clock.pendingTimers, server.hub.size]).toEqual([0, 0, 0])
  expect(process.memoryUsage().heapUsed - heapUsed).toBeLessThan(16 << 20)
})

test('recorded sessions of real clients are what these tests begin with', () => {
  expect(recordings().length).toBeGreaterThanOrEqual(7)
})
