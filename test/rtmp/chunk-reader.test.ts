import { describe, expect, test } from 'vitest'
import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { MSG, type RtmpMessage } from '../../src/rtmp/message.ts'
import { waysToRead } from './reading.ts'
import { unhex } from './reference-chunks.ts'

/** Reads the bytes in every way; all must agree. Messages as [csid, timestamp, type, stream id, payload]. */
function read(...hex: string[]): { messages: unknown[]; error: string | null } {
  const outcomes = waysToRead(unhex(...hex), 1)
  for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0])
  const { messages, error } = outcomes[0]!
  return { messages: messages.map((m) => [m.csid, m.timestampMs, m.typeId, m.streamId, hexOf(m)]), error }
}

function hexOf(message: RtmpMessage): string {
  return message.payload.toString('hex')
}

function fill(bytes: number, value: number): string {
  return Buffer.alloc(bytes, value).toString('hex')
}

/** A type 0 chunk of one audio byte on chunk stream 4. */
function audio(timestamp: string, payload = 'aa'): string {
  return `04 ${timestamp} 000001 08 01000000 ${payload}`
}

describe('header formats', () => {
  test('four audio messages: RTMP 1.0 section 5.3.2.1', () => {
    const first = '03 0003e8 000020 08 39300000' + fill(32, 1)
    const second = '83 000014' + fill(32, 2)
    const others = 'c3' + fill(32, 3) + 'c3' + fill(32, 4)
    expect(read(first, second, others)).toEqual({
      messages: [
        [3, 1000, 8, 12345, fill(32, 1)],
        [3, 1020, 8, 12345, fill(32, 2)],
        [3, 1040, 8, 12345, fill(32, 3)],
        [3, 1060, 8, 12345, fill(32, 4)],
      ],
      error: null,
    })
  })

  test('a video message of 307 bytes in three chunks: RTMP 1.0 section 5.3.2.2', () => {
    const chunks = ['04 0003e8 000133 09 3a300000' + fill(128, 1), 'c4' + fill(128, 2), 'c4' + fill(51, 3)]
    const payload = fill(128, 1) + fill(128, 2) + fill(51, 3)
    expect(read(...chunks)).toEqual({ messages: [[4, 1000, 9, 12346, payload]], error: null })
  })

  test('a type 1 header keeps the stream id', () => {
    const { messages } = read(audio('000064'), '44 000005 000002 09 bbcc')
    expect(messages[1]).toEqual([4, 105, 9, 1, 'bbcc'])
  })

  test('a type 3 message after a type 0 one takes its timestamp as the delta: section 5.3.1.2.4', () => {
    expect(read(audio('000064'), 'c4bb').messages[1]).toEqual([4, 200, 8, 1, 'bb'])
  })

  test('timestamps wrap mod 2^32', () => {
    const { messages } = read(audio('ffffff', 'fffffff0 aa'), '84 000020 bb', 'c4cc')
    expect(messages.map((m) => (m as number[])[1])).toEqual([0xfffffff0, 0x10, 0x30])
  })

  test.each([
    ['3f', 63],
    ['0000', 64],
    ['00ff', 319],
    ['010000', 64],
    ['010001', 320],
    ['01ffff', 65599],
  ])('basic header %s is chunk stream %i', (basic, csid) => {
    const { messages } = read(`${basic} 000001 000001 08 01000000 aa`)
    expect(messages).toEqual([[csid, 1, 8, 1, 'aa']])
  })

  test('two forms of one chunk stream id are one chunk stream', () => {
    const { messages } = read('0000 000001 000001 08 01000000 aa', 'c10000 bb')
    expect(messages[1]).toEqual([64, 2, 8, 1, 'bb'])
  })

  test('a chunk stream may start with type 1, as the ping of librtmp does', () => {
    const { messages } = read('42 000000 000006 04 000700001234')
    expect(messages).toEqual([[2, 0, 4, 0, '000700001234']])
  })

  test.each(['84000000', 'c4'])('a chunk stream may not start with header %s', (header) => {
    expect(read(audio('000000').replace(/^04/, '05'), header)).toMatchObject({ error: 'chunk_first_fmt' })
  })
})

describe('extended timestamps', () => {
  const long = '04 ffffff 000082 09 01000000'
  const payload = fill(128, 7) + '0909'

  test('all 32 bits count, and the field is repeated in type 3 chunks', () => {
    const { messages } = read(long, 'fedcba98', fill(128, 7), 'c4fedcba980909')
    expect(messages).toEqual([[4, 0xfedcba98, 9, 1, payload]])
  })

  test('a client that does not repeat the field: the bytes are payload', () => {
    const { messages } = read(long, '01000000', fill(128, 7), 'c40909', audio('000001'))
    expect(messages).toEqual([
      [4, 0x01000000, 9, 1, payload],
      [4, 1, 8, 1, 'aa'],
    ])
  })

  test('a missing field does not wait for bytes behind the message', () => {
    expect(read(long, '01000000', fill(128, 7), 'c40909').messages).toHaveLength(1)
  })

  test('payload that starts like the field is told apart by its fourth byte', () => {
    const tail = '010000010909'
    const { messages } = read('04ffffff 000086 09 01000000', '01000000', fill(128, 7), `c4${tail}`)
    expect(messages).toEqual([[4, 0x01000000, 9, 1, fill(128, 7) + tail]])
  })

  test('the field is a delta in types 1 and 2, and type 3 chunks repeat the delta or the time', () => {
    const head = audio('000005') + '44 ffffff 000082 09 01000000' + fill(128, 7)
    const { messages } = read(head, 'c4010000000909', `84ffffff02000000${fill(128, 7)}c4030000050909`)
    expect(messages.slice(1)).toEqual([
      [4, 0x01000005, 9, 1, payload],
      [4, 0x03000005, 9, 1, payload],
    ])
  })

  test('a type 3 header that starts a message repeats the delta', () => {
    const { messages } = read(audio('ffffff', '01000000aa'), 'c401000000bb')
    expect(messages[1]).toEqual([4, 0x02000000, 8, 1, 'bb'])
  })

  test('a type 3 header that starts a message without the field has no delta, as librtmp means it', () => {
    const { messages } = read(audio('ffffff', '01000000aa'), 'c4bb', audio('000001'))
    expect(messages[1]).toEqual([4, 0x01000000, 8, 1, 'bb'])
  })

  test('the time of the message before is not taken for the field of the next', () => {
    const first = '04 000005 000004 08 01000000 aaaaaaaa'
    const { messages } = read(first, '84 ffffff 01000000 bbbbbbbb', 'c4 01000005', audio('000001'))
    expect(messages[2]).toEqual([4, 0x01000005, 8, 1, '01000005'])
  })

  test('a value below 0xFFFFFF may be extended too', () => {
    expect(read(audio('ffffff', '00000005aa')).messages).toEqual([[4, 5, 8, 1, 'aa']])
  })

  test('a later short header ends it', () => {
    const { messages } = read(audio('ffffff', '01000000aa'), '84000005bb', 'c4cc')
    expect(messages[2]).toEqual([4, 0x0100000a, 8, 1, 'cc'])
  })
})

describe('headers in the middle of a message', () => {
  const start = '04 000064 000082 09 01000000' + fill(128, 7)

  test.each([
    ['type 0', '04 000064 000082 09 01000000'],
    ['type 1 with another length', '44 000000 000083 09'],
    ['type 1 with another type', '44 000000 000082 08'],
  ])('%s is an error', (_what, header) => {
    expect(read(start, header, '0909')).toEqual({ messages: [], error: 'chunk_mid_message' })
  })

  test.each(['44 000028 000082 09', '84 000028'])('%s repeats what it started with', (header) => {
    const { messages, error } = read(start, header, '0909')
    expect({ messages, error }).toEqual({ messages: [[4, 100, 9, 1, fill(128, 7) + '0909']], error: null })
  })
})

describe('what the reader obeys', () => {
  test('Set Chunk Size counts for the next chunk, also of messages that are open, and is handed out', () => {
    const video = '04 000000 000104 09 01000000' + fill(128, 1)
    const resize = '02 000000 000004 01 00000000 00000082'
    const { messages } = read(video, resize, 'c4' + fill(130, 2), 'c4' + fill(2, 3))
    expect(messages).toEqual([
      [2, 0, 1, 0, '00000082'],
      [4, 0, 9, 1, fill(128, 1) + fill(130, 2) + fill(2, 3)],
    ])
  })

  test.each([
    ['00000000', 'chunk_size_invalid'],
    ['80000001', 'chunk_size_invalid'],
    ['000001', 'message_short'],
  ])('Set Chunk Size %s is an error', (value, code) => {
    const length = (value.length / 2).toString(16).padStart(6, '0')
    expect(read(`02000000${length}0100000000${value}`)).toEqual({ messages: [], error: code })
  })

  test('chunks of one byte', () => {
    const resize = '02 000000 000004 01 00000000 00000001'
    const { messages } = read(resize, '04 000000 000003 08 01000000 0a', 'c40b', 'c40c')
    expect(messages[1]).toEqual([4, 0, 8, 1, '0a0b0c'])
  })

  test('the greatest chunk size holds the greatest message in one chunk', () => {
    const resize = unhex('0200000000000401000000007fffffff')
    const head = unhex('040000000fffff0901000000')
    const reader = new ChunkReader()
    for (const piece of [resize, head, Buffer.alloc(0xfffff, 0xc4)]) reader.push(piece)
    expect(reader.read()?.typeId).toBe(MSG.SET_CHUNK_SIZE)
    expect(reader.read()?.payload.equals(Buffer.alloc(0xfffff, 0xc4))).toBe(true)
  })

  test('a message whose chunks another one interrupts is put together as well', () => {
    const open = `04 000000 000104 09 01000000${fill(128, 1)}`
    const { messages } = read(open, `c4${fill(128, 2)}`, '05 000000 000001 08 01000000 07', 'c4 03030303')
    expect(messages).toEqual([
      [5, 0, 8, 1, '07'],
      [4, 0, 9, 1, fill(128, 1) + fill(128, 2) + '03030303'],
    ])
  })

  test('Abort drops the open message of its chunk stream, and no other', () => {
    const open = (csid: string): string => `${csid} 000000 000082 09 01000000${fill(128, 1)}`
    const abort = '02 000000 000004 02 00000000 00000004'
    const { messages } = read(open('04'), open('05'), abort, 'c5 0202', audio('000007'))
    expect(messages).toEqual([
      [2, 0, 2, 0, '00000004'],
      [5, 0, 9, 1, fill(128, 1) + '0202'],
      [4, 7, 8, 1, 'aa'],
    ])
  })

  test('Abort of an unknown or idle chunk stream changes nothing', () => {
    const abort = '02 000000 000004 02 00000000'
    const { messages, error } = read(audio('000000'), `${abort}00000004`, `${abort}00000063`, audio('000001'))
    expect([messages.length, error]).toEqual([4, null])
  })

  test('empty messages are skipped, but move the time', () => {
    const empty = '04 00000a 000000 08 01000000'
    const { messages, error } = read(empty, '44 000005 000001 08 aa', '44000000 00000008', 'c4c4')
    expect({ messages, error }).toEqual({ messages: [[4, 15, 8, 1, 'aa']], error: null })
  })

  test('an empty Set Chunk Size has no effect', () => {
    expect(read('02 000000 000000 01 00000000', audio('000000'))).toMatchObject({ error: null })
  })
})

describe('limits', () => {
  function outcome(bytes: Buffer, limits: object): string {
    const outcomes = waysToRead(bytes, 2, limits)
    for (const one of outcomes) expect(one).toEqual(outcomes[0])
    return `${outcomes[0]!.messages.length} ${outcomes[0]!.error}`
  }
  function message(csid: number, bytes: number): Buffer {
    return encodeMessage({ csid, timestampMs: 0, typeId: 9, streamId: 1, payload: Buffer.alloc(bytes) }, 128)
  }

  test('a message as long as allowed passes, one byte more is refused by its header', () => {
    expect(outcome(message(4, 1000), { maxMessageBytes: 1000 })).toBe('1 null')
    expect(outcome(message(4, 1001).subarray(0, 12), { maxMessageBytes: 1000 })).toBe('0 chunk_message_too_large')
  })

  test('by default a message may have 8 MiB', () => {
    const header = (length: string): Buffer => unhex(`04000000${length}0901000000`)
    expect(outcome(header('800000'), {})).toBe('0 null')
    expect(outcome(header('800001'), {})).toBe('0 chunk_message_too_large')
  })

  test('unfinished messages share one limit, by what has arrived', () => {
    const open = [4, 5, 6, 7].map((csid) => message(csid, 1000).subarray(0, 12 + 128))
    expect(outcome(Buffer.concat(open), { maxPartialBytes: 512 })).toBe('0 null')
    expect(outcome(Buffer.concat(open), { maxPartialBytes: 511 })).toBe('0 chunk_partial_too_large')
  })

  test('finished and aborted messages give their share back', () => {
    const abort = unhex('02000000000004020000000000000004')
    const parts = [message(5, 400), message(4, 1000).subarray(0, 140), abort, message(5, 512), message(6, 500)]
    expect(outcome(Buffer.concat(parts), { maxPartialBytes: 512 })).toBe('4 null')
  })

  test('chunk streams: 64 are enough, the next is refused', () => {
    const parts = Array.from({ length: 65 }, (_, i) => message(i + 3, 1))
    expect(outcome(Buffer.concat(parts.slice(0, 64)), {})).toBe('64 null')
    expect(outcome(Buffer.concat(parts), {})).toBe('64 chunk_too_many_streams')
  })

  test('headers of 8 MiB messages allocate a small block each (Red5#456, mediamtx#2252)', () => {
    const reader = new ChunkReader()
    reader.push(unhex('02000000000004010000000000000001'))
    expect(reader.read()?.typeId).toBe(MSG.SET_CHUNK_SIZE)
    const usedBytes = process.memoryUsage().arrayBuffers
    for (let csid = 3; csid < 64; csid++) {
      reader.push(unhex(`${csid.toString(16).padStart(2, '0')}0000008000000901000000aa`))
      expect(reader.read()).toBeNull()
    }
    expect(process.memoryUsage().arrayBuffers - usedBytes).toBeLessThan(4 << 20)
  })
})

describe('memory', () => {
  test('a payload is a Buffer of its own', () => {
    const bytes = unhex(audio('000000') + audio('000001', 'bb'))
    const reader = new ChunkReader()
    reader.push(bytes)
    const first = reader.read()
    const second = reader.read()
    bytes.fill(0)
    expect([first, second].map((m) => m && hexOf(m))).toEqual(['aa', 'bb'])
  })

  test('a big payload is not in the shared pool, and exactly as long as the message', () => {
    const payload = Buffer.alloc(100_000, 5)
    const bytes = encodeMessage({ csid: 4, timestampMs: 0, typeId: 9, streamId: 1, payload }, 128)
    const reader = new ChunkReader()
    for (let at = 0; at < bytes.length; at += 1448) reader.push(bytes.subarray(at, at + 1448))
    const message = reader.read()
    expect(message?.payload.equals(payload)).toBe(true)
    expect(message?.payload.buffer.byteLength).toBe(100_000)
  })
})
