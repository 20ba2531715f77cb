import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import type { AmfValue } from '../../src/rtmp/amf0.ts'
import { type Command, decodeCommand, decodeData, encodeCommand, encodeData } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { bytes, double, END, key, seededRandom, u32 } from './amf0-helpers.ts'

const tid1 = bytes(0x00, double(1))
const name = (text: string): Buffer => bytes(0x02, key(text))
const string = (property: string, value: string): Buffer => bytes(key(property), 0x02, key(value))
const number = (property: string, value: number): Buffer => bytes(key(property), 0x00, double(value))

/** Commands in the shape in which each client writes them, by hand so that our encoder has no part in it. */
const realCommands: [string, Buffer][] = [
  [
    'ffmpeg publish: connect',
    bytes(
      name('connect'),
      tid1,
      0x03,
      string('app', 'live'),
      string('type', 'nonprivate'),
      string('flashVer', 'FMLE/3.0 (compatible; Lavf61.7.100)'),
      string('tcUrl', 'rtmp://127.0.0.1:1935/live'),
      END,
    ),
  ],
  [
    'ffmpeg play: connect',
    bytes(
      name('connect'),
      tid1,
      0x03,
      string('app', 'live'),
      string('flashVer', 'LNX 9,0,124,2'),
      string('tcUrl', 'rtmp://127.0.0.1:1935/live'),
      key('fpad'),
      0x01,
      0,
      number('capabilities', 15),
      number('audioCodecs', 4071),
      number('videoCodecs', 252),
      number('videoFunction', 1),
      key('fourCcList'),
      0x0a,
      u32(2),
      name('hvc1'),
      name('av01'),
      END,
    ),
  ],
  [
    'OBS: connect',
    bytes(
      name('connect'),
      tid1,
      0x03,
      string('app', 'live'),
      string('type', 'nonprivate'),
      string('flashVer', 'FMLE/3.0 (compatible; FMSc/1.0)'),
      string('swfUrl', 'rtmp://host/live'),
      string('tcUrl', 'rtmp://host/live'),
      END,
    ),
  ],
  [
    'Flash: connect with an ECMA array and an extra argument',
    bytes(
      name('connect'),
      tid1,
      0x08,
      u32(0),
      string('app', 'live'),
      key('pageUrl'),
      0x06,
      key('objectEncoding'),
      0x00,
      double(3),
      END,
      name('user'),
    ),
  ],
  ['OBS: releaseStream', bytes(name('releaseStream'), 0x00, double(2), 0x05, name('stream'))],
  ['OBS: FCPublish', bytes(name('FCPublish'), 0x00, double(3), 0x05, name('stream'))],
  ['createStream', bytes(name('createStream'), 0x00, double(4), 0x05)],
  ['publish', bytes(name('publish'), 0x00, double(5), 0x05, name('stream?token=a'), name('live'))],
  ['play', bytes(name('play'), 0x00, double(4), 0x05, name('stream'), 0x00, double(-2000))],
  [
    'rtmpdump: play with start, duration and reset',
    bytes(name('play'), 0x00, double(0), 0x05, name('mp4:a'), 0x00, double(0), 0x00, double(1e4), 0x01, 1),
  ],
  ['pause', bytes(name('pause'), 0x00, double(0), 0x05, 0x01, 1, 0x00, double(1500))],
  ['VLC: getStreamLength', bytes(name('getStreamLength'), 0x00, double(3), 0x05, name('stream'))],
  ['deleteStream', bytes(name('deleteStream'), 0x00, double(6), 0x05, 0x00, double(1))],
  ['_checkbw', bytes(name('_checkbw'), 0x00, double(0), 0x05)],
]

function outcome(run: () => Command): Command | string {
  try {
    return run()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
}

describe('commands of real clients', () => {
  test('connect of ffmpeg', () => {
    const [, payload] = realCommands[1] as [string, Buffer]
    expect(decodeCommand(MSG.COMMAND_AMF0, payload)).toStrictEqual({
      name: 'connect',
      transactionId: 1,
      args: [
        {
          app: 'live',
          flashVer: 'LNX 9,0,124,2',
          tcUrl: 'rtmp://127.0.0.1:1935/live',
          fpad: false,
          capabilities: 15,
          audioCodecs: 4071,
          videoCodecs: 252,
          videoFunction: 1,
          fourCcList: ['hvc1', 'av01'],
        },
      ],
    })
  })

  test.each(realCommands)('%s: types 20 and 17, with and without the envelope byte, agree', (_name, payload) => {
    const command = decodeCommand(MSG.COMMAND_AMF0, payload)
    expect(decodeCommand(MSG.COMMAND_AMF3, bytes(0, payload))).toEqual(command)
    expect(decodeCommand(MSG.COMMAND_AMF3, payload)).toEqual(command)
    expect(
      decodeCommand(MSG.COMMAND_AMF0, encodeCommand(command.name, command.transactionId, ...command.args)),
    ).toEqual(command)
  })

  test.each(realCommands)(
    '%s: every prefix is a CodecError or the same command with fewer arguments',
    (_name, payload) => {
      const whole = decodeCommand(MSG.COMMAND_AMF0, payload)
      for (let length = 0; length < payload.length; length += 1) {
        const result = outcome(() => decodeCommand(MSG.COMMAND_AMF0, payload.subarray(0, length)))
        if (typeof result === 'string') continue
        expect(result.name).toBe(whole.name)
        expect(result.args.length).toBeLessThanOrEqual(whole.args.length)
      }
    },
  )

  test('a connect cut inside its object is truncated, wherever it is cut', () => {
    const [, payload] = realCommands[0] as [string, Buffer]
    const objectAt = name('connect').length + tid1.length
    for (let length = objectAt + 1; length < payload.length; length += 1) {
      expect(outcome(() => decodeCommand(MSG.COMMAND_AMF0, payload.subarray(0, length)))).toBe('amf0_truncated')
    }
  })

  test.each(realCommands)('%s: every damaged byte is a CodecError or a command', (_name, payload) => {
    const random = seededRandom(payload.length)
    for (let at = 0; at < payload.length; at += 1) {
      const damaged = Buffer.from(payload)
      damaged[at] = Math.floor(random() * 256)
      const result = outcome(() => decodeCommand(MSG.COMMAND_AMF0, damaged))
      if (typeof result === 'string') continue
      expect(typeof result.name).toBe('string')
      expect(typeof result.transactionId).toBe('number')
    }
  })
})

describe('malformed commands', () => {
  test.each<[string, AmfValue[], string]>([
    ['empty', [], 'command_malformed'],
    ['name is null (NMS#668)', [null, 1], 'command_malformed'],
    ['name is a number', [1, 'connect'], 'command_malformed'],
    ['name is an object', [{ name: 'connect' }, 1], 'command_malformed'],
    ['transaction id is a string', ['connect', '1', null], 'command_malformed'],
    ['transaction id is null', ['connect', null], 'command_malformed'],
    ['transaction id is an object', ['connect', { app: 'live' }], 'command_malformed'],
  ])('%s', (_name, values, code) => {
    expect(outcome(() => decodeCommand(MSG.COMMAND_AMF0, encodeData(...values)))).toBe(code)
  })

  test.each<[string, AmfValue[]]>([
    ['absent', ['onBWDone']],
    ['NaN', ['onBWDone', Number.NaN]],
  ])('transaction id %s counts as 0', (_name, values) => {
    expect(decodeCommand(MSG.COMMAND_AMF0, encodeData(...values))).toEqual({
      name: 'onBWDone',
      transactionId: 0,
      args: [],
    })
  })

  test('an AMF3 value behind the envelope is refused', () => {
    const payload = bytes(0, name('connect'), tid1, 0x11, 0x0a, 0x0b, 0x01)
    expect(outcome(() => decodeCommand(MSG.COMMAND_AMF3, payload))).toBe('amf0_marker_invalid')
  })
})

describe('data messages', () => {
  const metadata = bytes(name('@setDataFrame'), name('onMetaData'), 0x08, u32(1), number('width', 640), END)

  test('onMetaData in types 18 and 15, with and without the envelope byte', () => {
    const values = ['@setDataFrame', 'onMetaData', { width: 640 }]
    expect(decodeData(MSG.DATA_AMF0, metadata)).toEqual(values)
    expect(decodeData(MSG.DATA_AMF3, metadata)).toEqual(values)
    expect(decodeData(MSG.DATA_AMF3, bytes(0, metadata))).toEqual(values)
  })

  test('a time code of ffmpeg has no values (ossrs/srs#3803)', () => {
    expect(decodeData(MSG.DATA_AMF0, bytes(0, 1, 2, 3))).toEqual([])
    expect(decodeData(MSG.DATA_AMF3, bytes(0, 1, 2, 3))).toEqual([])
  })

  test('|RtmpSampleAccess', () => {
    expect(encodeData('|RtmpSampleAccess', true, true)).toEqual(bytes(name('|RtmpSampleAccess'), 0x01, 1, 0x01, 1))
  })
})
