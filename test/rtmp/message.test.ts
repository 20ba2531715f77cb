import { describe, expect, test } from 'vitest'
import {
  acknowledgement,
  controlValue,
  MSG,
  PEER_LIMIT,
  parseChunkSize,
  parseUserControl,
  type RtmpMessage,
  setChunkSize,
  setPeerBandwidth,
  splitAggregate,
  USER_EVENT,
  userControl,
  windowAckSize,
} from '../../src/rtmp/message.ts'
import { unhex } from './reference-chunks.ts'

function control(typeId: number, hex: string): RtmpMessage {
  return { csid: 2, timestampMs: 0, typeId, streamId: 0, payload: Buffer.from(hex, 'hex') }
}

describe('control messages', () => {
  test.each([
    ['Set Chunk Size', setChunkSize(60000), control(1, '0000ea60')],
    ['Acknowledgement', acknowledgement(2 ** 32 + 7), control(3, '00000007')],
    ['Window Acknowledgement Size', windowAckSize(2_500_000), control(5, '002625a0')],
    ['Set Peer Bandwidth', setPeerBandwidth(2_500_000, PEER_LIMIT.DYNAMIC), control(6, '002625a002')],
    ['Stream Begin', userControl(USER_EVENT.STREAM_BEGIN, 1), control(4, '000000000001')],
    ['Ping Response', userControl(USER_EVENT.PING_RESPONSE, 0xfffffffe), control(4, '0007fffffffe')],
    ['Set Buffer Length', userControl(USER_EVENT.SET_BUFFER_LENGTH, 1, 3000), control(4, '00030000000100000bb8')],
  ])('%s goes on chunk stream 2, message stream 0', (_name, made, golden) => {
    expect(made).toEqual(golden)
  })

  test('a value of more than four bytes is padding', () => {
    expect(controlValue(control(MSG.WINDOW_ACK_SIZE, '002625a0ffff'))).toBe(2_500_000)
  })

  test.each(['', '00', '002625'])('a value of %s is short', (hex) => {
    expect(() => controlValue(control(MSG.ACK, hex))).toThrow(expect.objectContaining({ code: 'message_short' }))
  })

  test.each([
    ['00000001', 1],
    ['00ffffff', 0xffffff],
    ['01000000', 0xffffff],
    ['7fffffff', 0xffffff],
  ])('chunk size %s is %i', (hex, size) => {
    expect(parseChunkSize(control(MSG.SET_CHUNK_SIZE, hex))).toBe(size)
  })

  test.each(['00000000', '80000000', 'ffffffff'])('chunk size %s is invalid', (hex) => {
    const parse = (): number => parseChunkSize(control(MSG.SET_CHUNK_SIZE, hex))
    expect(parse).toThrow(expect.objectContaining({ code: 'chunk_size_invalid' }))
  })

  test.each([0, 0x1000000, Number.NaN])('we do not send chunk size %d', (size) => {
    expect(() => setChunkSize(size)).toThrow(RangeError)
  })

  test('user control events', () => {
    const parse = (hex: string): unknown => parseUserControl(control(MSG.USER_CONTROL, hex))
    expect(parse('000600001234')).toEqual({ event: USER_EVENT.PING_REQUEST, value: 0x1234, bufferMs: 0 })
    expect(parse('00030000000100000bb8')).toEqual({ event: USER_EVENT.SET_BUFFER_LENGTH, value: 1, bufferMs: 3000 })
  })

  test('unknown user control events are not an error, whatever their size', () => {
    const parse = (hex: string): unknown => parseUserControl(control(MSG.USER_CONTROL, hex))
    expect(parse('001a')).toEqual({ event: 26, value: 0, bufferMs: 0 })
    expect(parse('001f00000001')).toEqual({ event: 31, value: 1, bufferMs: 0 })
  })

  test.each(['', '00', '0006', '0006000012', '000300000001', '000300000001000000'])('event %s is short', (hex) => {
    const parse = (): unknown => parseUserControl(control(MSG.USER_CONTROL, hex))
    expect(parse).toThrow(expect.objectContaining({ code: 'message_short' }))
  })
})

describe('aggregate messages', () => {
  /** type, time, data -> tag; the back pointer is what FLV writes. */
  function tag(typeId: number, timeMs: number, data: string): string {
    const size = data.length / 2
    const time = timeMs.toString(16).padStart(8, '0')
    const head = typeId.toString(16).padStart(2, '0') + size.toString(16).padStart(6, '0')
    return `${head}${time.slice(2)}${time.slice(0, 2)}000000${data}${(size + 11).toString(16).padStart(8, '0')}`
  }
  function aggregate(timestampMs: number, ...tags: string[]): RtmpMessage {
    return { csid: 6, timestampMs, typeId: MSG.AGGREGATE, streamId: 1, payload: Buffer.from(tags.join(''), 'hex') }
  }
  function summary(message: RtmpMessage): unknown[] {
    return splitAggregate(message).map((part) => [part.typeId, part.timestampMs, part.payload.toString('hex')])
  }

  test('golden bytes: a tag gets the message time, chunk stream and stream id', () => {
    const payload = unhex('09 000002 000064 00 000009 1701 0000000d')
    const message = { csid: 6, timestampMs: 5000, typeId: MSG.AGGREGATE, streamId: 7, payload }
    expect(splitAggregate(message)).toEqual([
      { csid: 6, timestampMs: 5000, typeId: MSG.VIDEO, streamId: 7, payload: Buffer.from('1701', 'hex') },
    ])
  })

  test('times are relative to the first tag and added to the message time', () => {
    const tags = [tag(8, 1000, 'af01'), tag(9, 1020, '2701'), tag(18, 990, '02')]
    expect(summary(aggregate(50_000, ...tags))).toEqual([
      [8, 50_000, 'af01'],
      [9, 50_020, '2701'],
      [18, 49_990, '02'],
    ])
  })

  test('times wrap mod 2^32 and use the extended byte', () => {
    const tags = [tag(8, 0xfffffff0, '01'), tag(8, 0x00000010, '02')]
    expect(summary(aggregate(2 ** 32 - 16, ...tags))).toEqual([
      [8, 2 ** 32 - 16, '01'],
      [8, 16, '02'],
    ])
  })

  test('other types, nested aggregates and empty tags are dropped; the first tag still sets the time', () => {
    const tags = [tag(20, 100, 'ff'), tag(22, 100, 'ff'), tag(9, 110, ''), tag(8, 120, '01')]
    expect(summary(aggregate(1000, ...tags))).toEqual([[8, 1020, '01']])
  })

  test('an empty aggregate has no tags', () => {
    expect(summary(aggregate(0))).toEqual([])
  })

  test('every prefix that is not whole tags is an error', () => {
    const whole = aggregate(0, tag(8, 0, '0102'), tag(9, 10, '03'))
    for (let length = 1; length < whole.payload.length; length++) {
      const cut = { ...whole, payload: whole.payload.subarray(0, length) }
      if (length === 17) expect(splitAggregate(cut)).toHaveLength(1)
      else expect(() => splitAggregate(cut)).toThrow(expect.objectContaining({ code: 'aggregate_short' }))
    }
  })

  test('tiny tags cannot be turned into objects without limit', () => {
    const tags = Array.from({ length: 4097 }, () => tag(8, 0, '01'))
    expect(summary(aggregate(0, ...tags.slice(1)))).toHaveLength(4096)
    const error = expect.objectContaining({ code: 'aggregate_too_many' })
    expect(() => splitAggregate(aggregate(0, ...tags))).toThrow(error)
  })
})
