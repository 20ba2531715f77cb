import { describe, expect, test } from 'vitest'
import { encodeMessage, messageSize, writeMessage } from '../../src/rtmp/chunk-writer.ts'
import { MSG, type RtmpMessage } from '../../src/rtmp/message.ts'
import { decodeFull, seededRandom, unhex } from './reference-chunks.ts'

function message(fields: Partial<RtmpMessage>): RtmpMessage {
  return { csid: 4, timestampMs: 0, typeId: MSG.AUDIO, streamId: 1, payload: Buffer.of(0xaa), ...fields }
}

describe('golden bytes, drawn by hand', () => {
  test('a short message is one type 0 chunk', () => {
    const bytes = encodeMessage(message({ csid: 6, timestampMs: 0x010203, typeId: 9, streamId: 0x04030201 }), 128)
    expect(bytes).toEqual(unhex('06 010203 000001 09 01020304 aa'))
  })

  test('a long message goes on in type 3 chunks', () => {
    const bytes = encodeMessage(message({ payload: Buffer.from('0102030405', 'hex') }), 2)
    expect(bytes).toEqual(unhex('04 000000 000005 08 01000000 0102 c40304 c405'))
  })

  test('a message that fills its chunk has no empty chunk behind it', () => {
    const bytes = encodeMessage(message({ payload: Buffer.from('01020304', 'hex') }), 2)
    expect(bytes.subarray(12)).toEqual(unhex('0102 c40304'))
  })

  test('the timestamp 0xFFFFFF is the first extended one, repeated in every chunk', () => {
    const payload = Buffer.from('010203', 'hex')
    const below = encodeMessage(message({ timestampMs: 0xfffffe, payload }), 2)
    expect(below).toEqual(unhex('04 fffffe 000003 08 01000000 0102 c403'))
    const extended = encodeMessage(message({ timestampMs: 0xffffff, payload }), 2)
    expect(extended).toEqual(unhex('04 ffffff 000003 08 01000000 00ffffff 0102 c400ffffff 03'))
  })

  test('all 32 bits of a timestamp are written, and more are taken mod 2^32', () => {
    expect(encodeMessage(message({ timestampMs: 0xfedcba98 }), 128).readUInt32BE(12)).toBe(0xfedcba98)
    expect(encodeMessage(message({ timestampMs: 2 ** 32 + 5 }), 128).readUIntBE(1, 3)).toBe(5)
  })

  test.each([
    [2, '02', 'c2'],
    [63, '3f', 'ff'],
    [64, '0000', 'c000'],
    [319, '00ff', 'c0ff'],
    [320, '010001', 'c10001'],
    [65599, '01ffff', 'c1ffff'],
  ])('basic header of chunk stream %i', (csid, first, next) => {
    const bytes = encodeMessage(message({ csid, payload: Buffer.of(1, 2) }), 1).toString('hex')
    expect(bytes).toBe(`${first}000000000002080100000001${next}02`)
  })

  test('an empty message is a header alone', () => {
    expect(encodeMessage(message({ payload: Buffer.alloc(0) }), 128)).toHaveLength(12)
  })
})

test('the size is exact, and a naive decoder reads everything back', () => {
  const random = seededRandom(1)
  for (let i = 0; i < 400; i++) {
    const chunkBytes = 1 + random(i % 2 ? 40 : 300)
    const payload = Buffer.from(Array.from({ length: 1 + random(600) }, () => random(256)))
    const timestampMs = [0, 0xfffffe, 0xffffff, 0x1000000, 2 ** 32 - 1, random(2 ** 32)][random(6)]!
    const csid = [2, 63, 64, 319, 320, 65599, 2 + random(65598)][random(7)]!
    const sent = { csid, timestampMs, typeId: random(256), streamId: random(2 ** 32), payload }
    const bytes = encodeMessage(sent, chunkBytes)
    expect(bytes).toHaveLength(messageSize(payload.length, timestampMs, chunkBytes, csid))
    expect(decodeFull(bytes, chunkBytes)).toEqual([sent])
  }
})

test('messages are written one behind the other, and nothing beyond them is touched', () => {
  const out = Buffer.alloc(64, 0xee)
  const first = writeMessage(out, 3, message({}), 128)
  const second = writeMessage(out, first, message({ csid: 6, typeId: 9 }), 128)
  expect(second).toBe(3 + 13 + 13)
  expect(decodeFull(out.subarray(3, second), 128)).toEqual([message({}), message({ csid: 6, typeId: 9 })])
  expect(out.subarray(0, 3).toString('hex') + out.subarray(second, second + 3).toString('hex')).toBe('eeeeeeeeeeee')
})

test.each([
  ['chunk stream 1', message({ csid: 1 }), 128],
  ['chunk stream 65600', message({ csid: 65600 }), 128],
  ['chunk size 0', message({}), 0],
  ['16 MB', message({ payload: Buffer.alloc(0x1000000) }), 128],
])('refuses %s', (_what, bad, chunkBytes) => {
  expect(() => encodeMessage(bad, chunkBytes)).toThrow(RangeError)
})

test('refuses a buffer without room instead of cutting the message', () => {
  expect(() => writeMessage(Buffer.alloc(20), 8, message({}), 128)).toThrow('needs 13 bytes, buffer has 12')
})
