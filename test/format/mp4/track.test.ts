import { describe, expect, test } from 'vitest'
import { audioTrack, videoTrack } from '../../../src/format/mp4/track.ts'
import { audioSamples, videoSamples } from '../../codec/samples.ts'
import { FIXTURES, loadFixture } from './media.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const refused = (code: string): unknown => expect.objectContaining({ name: 'CodecError', code })

/** The content of the box of a type that lies somewhere in an entry. */
function content(entry: Buffer, type: string): string {
  const start = entry.indexOf(type) - 4
  return entry.subarray(start + 8, start + entry.readUInt32BE(start)).toString('hex')
}

function sampleOf(codec: string): { header: Buffer; keyFrame: Buffer | null } {
  const sample = videoSamples.find((one) => one.codec === codec)
  if (!sample) throw new Error(`no sample of ${codec}`)
  return { header: hex(sample.header), keyFrame: sample.keyFrame === undefined ? null : hex(sample.keyFrame) }
}

describe('a picture', () => {
  test('has 90,000 ticks a second, its size, and its entry around the record as it came', () => {
    const { header } = sampleOf('avc1')
    const track = videoTrack(7, 'avc1', header, null)
    expect(track).toMatchObject({ id: 7, kind: 'video', timescale: 90_000, width: 128, height: 96, frameTicks: null })
    expect(track.entry.readUInt32BE(0)).toBe(track.entry.length)
    expect(track.entry.toString('latin1', 4, 8)).toBe('avc1')
    expect([track.entry.readUInt16BE(32), track.entry.readUInt16BE(34)]).toEqual([128, 96])
    expect(content(track.entry, 'avcC')).toBe(header.toString('hex'))
  })

  test('hvc1 says that its parameter sets are complete, whatever the encoder said', () => {
    const [video] = loadFixture('hevc-aac')
    const config = video?.config ?? Buffer.alloc(0)
    const denied = Buffer.from(config)
    const arrays = denied.readUInt8(22)
    const offsets: number[] = []
    for (let offset = 23; offsets.length < arrays; offset += 5 + denied.readUInt16BE(offset + 3)) {
      offsets.push(offset)
      denied.writeUInt8(denied.readUInt8(offset) & 0x3f, offset)
    }
    const written = hex(content(videoTrack(1, 'hvc1', denied, null).entry, 'hvcC'))
    expect(written.length).toBe(config.length)
    const isParameterSet = (header: number): boolean => [32, 33, 34].includes(header & 0x3f)
    const headers = offsets.map((offset) => written.readUInt8(offset))
    expect(headers.filter(isParameterSet).length).toBeGreaterThanOrEqual(3)
    for (const header of headers) expect(header >= 0x80).toBe(isParameterSet(header))
  })

  test.each([
    ['with the version of its box', '01000000000a820101010000'],
    ['without', '000a820101010000'],
  ])('a VP9 record %s', (_how, record) => {
    const { keyFrame } = sampleOf('vp09')
    const { entry, width } = videoTrack(1, 'vp09', hex(record), keyFrame)
    expect(content(entry, 'vpcC')).toBe('01000000000a820101010000')
    expect(width).toBeGreaterThan(0)
  })

  test('AV1 without a sequence header in its record has the size of its key frame', () => {
    const { header, keyFrame } = sampleOf('av01')
    const short = header.subarray(0, 4)
    expect(videoTrack(1, 'av01', short, keyFrame).width).toBe(videoTrack(1, 'av01', header, null).width)
    expect(() => videoTrack(1, 'av01', short, null)).toThrow(refused('mp4_size_unknown'))
  })

  test.each(FIXTURES)('%s has a track', (name) => {
    const [video] = loadFixture(name)
    expect(
      videoTrack(1, video?.codec ?? '', video?.config ?? null, video?.frames[0]?.bytes ?? null).height,
    ).toBeGreaterThan(0)
  })

  test.each([
    ['a codec without a mapping', 'vp6', '00', 'mp4_codec_unsupported'],
    ['a record without parameter sets', 'avc1', '0142c01effe0', 'mp4_size_unknown'],
    ['a record that ends early', 'avc1', '0142', 'avc_short_config'],
    [
      'an AV1 record of another version',
      'av01',
      `02${sampleOf('av01').header.toString('hex').slice(2)}`,
      'mp4_bad_config',
    ],
    ['a record of 64 KiB and more', 'avc1', '00'.repeat(65_537), 'mp4_config_too_big'],
  ])('%s is refused', (_what, codec, config, code) => {
    expect(() => videoTrack(1, codec, hex(config), null)).toThrow(refused(code))
  })

  test('no record is refused; so is an id that is none', () => {
    expect(() => videoTrack(1, 'avc1', null, null)).toThrow(refused('mp4_config_missing'))
    expect(() => videoTrack(0, 'avc1', sampleOf('avc1').header, null)).toThrow(RangeError)
  })

  test('an HEVC record whose arrays end outside is refused', () => {
    const { header } = sampleOf('hvc1')
    expect(() => videoTrack(1, 'hvc1', header.subarray(0, -1), null)).toThrow(refused('mp4_bad_config'))
  })
})

/** dac3 and dec3 are those that ffmpeg 5.1 writes for the same frames; so is esds, less bit rates and an ES_ID. */
const SOUNDS = [
  [
    'AAC',
    'mp4a',
    '1210',
    '',
    'mp4a',
    44_100,
    'esds',
    '00000000038080802200000004808080144015000000000000000000000005808080021210068080800102',
  ],
  [
    'MP3',
    '.mp3',
    '',
    'fffb90c4',
    'mp4a',
    44_100,
    'esds',
    '00000000038080801b000000048080800d6b150000000000000000000000068080800102',
  ],
  [
    'MP3 of MPEG-2',
    '.mp3',
    '',
    'fff380c4',
    'mp4a',
    22_050,
    'esds',
    '00000000038080801b000000048080800d69150000000000000000000000068080800102',
  ],
  ['AC-3 2.0', 'ac-3', '', '0b77d676144043e106f46370c0c0c218', 'ac-3', 48_000, 'dac3', '101140'],
  ['AC-3 5.1', 'ac-3', '', '0b7792d61440ebf8403efe007f0f0f08', 'ac-3', 48_000, 'dac3', '103d40'],
  ['E-AC-3 2.0', 'ec-3', '', '0b77017f3487c0002084210837208c06', 'ec-3', 48_000, 'dec3', '0600200400'],
  ['E-AC-3 5.1', 'ec-3', '', '0b77017f3f87c00020e8200002004000', 'ec-3', 48_000, 'dec3', '0600200f00'],
  ['Opus', 'Opus', '4f707573486561640102380180bb0000fe0000', '', 'Opus', 48_000, 'dOps', '000201380000bb8000fe00'],
  [
    'Opus 5.1',
    'Opus',
    '4f707573486561640106380180bb00000000010402000401020305',
    '',
    'Opus',
    48_000,
    'dOps',
    '000601380000bb800000010402000401020305',
  ],
] as const

describe('sound', () => {
  test.each(SOUNDS)('%s', (_name, codec, config, frame, type, sampleRate, box, golden) => {
    const track = audioTrack(2, codec, config === '' ? null : hex(config), frame === '' ? null : hex(frame))
    expect(track).toMatchObject({ id: 2, kind: 'audio', timescale: sampleRate, width: 0, height: 0 })
    expect(track.entry.toString('latin1', 4, 8)).toBe(type)
    expect(track.entry.readUInt32BE(32)).toBe(sampleRate * 65_536)
    expect(content(track.entry, box)).toBe(golden)
  })

  const streamInfo = `100010000000000000000bb801f000000000${'00'.repeat(16)}`

  test.each([
    ['STREAMINFO alone', streamInfo],
    ['with marker and block header', `664c614380000022${streamInfo}`],
  ])('FLAC: %s', (_how, header) => {
    const track = audioTrack(1, 'fLaC', hex(header), null)
    expect(content(track.entry, 'dfLa')).toBe(`0000000080000022${streamInfo}`)
    expect(track.timescale).toBe(48_000)
    expect(track.entry.readUInt16BE(26)).toBe(32)
  })

  test.each([
    [96_000, 48_000],
    [88_200, 44_100],
    [192_000, 48_000],
    [66_001, 0],
  ])('%d Hz, which the entry cannot hold, is %d there', (sampleRate, entryRate) => {
    const info = hex(streamInfo)
    info.writeUIntBE(sampleRate * 16, 10, 3)
    const track = audioTrack(1, 'fLaC', info, null)
    expect(track.timescale).toBe(sampleRate)
    expect(track.entry.readUInt32BE(32)).toBe(entryRate * 65_536)
  })

  test('whatever encoders wrote makes a track of the rate that ffprobe says', () => {
    const known = audioSamples.filter(({ codec }) => ['mp4a', 'Opus', 'fLaC', '.mp3', 'ac-3', 'ec-3'].includes(codec))
    for (const { codec, header, expected } of known) {
      expect(audioTrack(1, codec, hex(header), hex(header)).timescale).toBe(expected.sampleRate)
    }
    expect(known.length).toBeGreaterThan(5)
  })

  test.each([
    ['a codec without a mapping', 'speex', '00', 'mp4_codec_unsupported'],
    ['an AAC configuration that ends early', 'mp4a', '12', 'bits_exhausted'],
    ['a rate of 3 Hz', 'mp4a', '1780000190', 'mp4_sample_rate_invalid'],
    ['an Opus mapping that ends early', 'Opus', '4f707573486561640106380180bb000000000104020004', 'mp4_bad_config'],
  ])('%s is refused', (_what, codec, config, code) => {
    expect(() => audioTrack(1, codec, hex(config), null)).toThrow(refused(code))
  })

  test('neither header nor frame is refused; so is E-AC-3 under the name of AC-3', () => {
    expect(() => audioTrack(1, 'mp4a', null, hex('00'))).toThrow(refused('mp4_config_missing'))
    expect(() => audioTrack(1, 'ac-3', hex('00'), null)).toThrow(refused('mp4_config_missing'))
    const eac3 = hex('0b77017f3487c0002084210837208c06')
    expect(() => audioTrack(1, 'ac-3', null, eac3)).toThrow(refused('mp4_bad_config'))
  })
})

describe('how long a frame of sound is by its bytes, in samples', () => {
  test.each([
    ['AAC', 'mp4a', '1210', '21', 1024],
    ['AAC of 960', 'mp4a', '1214', '21', 960],
    ['HE-AAC', 'mp4a', '2b920800', '21', 2048],
    ['MP3', '.mp3', '', 'fffb90c4', 1152],
    ['MP3 of MPEG-2', '.mp3', '', 'fff380c4', 576],
    ['MP2', '.mp3', '', 'fffd90c4', 1152],
    ['MP1', '.mp3', '', 'ffff90c4', 384],
    ['AC-3', 'ac-3', '', '0b77d676144043e106f46370c0c0c218', 1536],
    ['E-AC-3', 'ec-3', '', '0b77017f3487c0002084210837208c06', 1536],
    ['E-AC-3 of one block', 'ec-3', '', '0b77017f0487c0002084210837208c06', 256],
    ['Opus, SILK 60 ms', 'Opus', '4f707573486561640102380180bb0000000000', '18', 2880],
    ['Opus, hybrid 20 ms twice', 'Opus', '4f707573486561640102380180bb0000000000', '69', 1920],
    ['Opus, CELT 2.5 ms', 'Opus', '4f707573486561640102380180bb0000000000', '80', 120],
    ['Opus, CELT 20 ms three times', 'Opus', '4f707573486561640102380180bb0000000000', 'fb03', 2880],
    ['Opus, more than it may have', 'Opus', '4f707573486561640102380180bb0000000000', 'fb3f', 5760],
  ])('%s', (_name, codec, config, frame, samples) => {
    const track = audioTrack(1, codec, config === '' ? null : hex(config), hex(frame))
    expect(track.frameTicks?.(hex(frame))).toBe(samples)
  })

  test('a frame without bytes tells nothing', () => {
    const opus = audioTrack(1, 'Opus', hex('4f707573486561640102380180bb0000000000'), null)
    const eac3 = audioTrack(1, 'ec-3', null, hex('0b77017f3487c0002084210837208c06'))
    const mp3 = audioTrack(1, '.mp3', null, hex('fffb90c4'))
    for (const { frameTicks } of [opus, eac3, mp3]) expect(frameTicks?.(Buffer.alloc(0))).toBe(0)
  })
})
