import { describe, expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { TsMuxer } from '../../../src/format/mpegts/muxer.ts'
import { tsVideoTrack } from '../../../src/format/mpegts/track.ts'
import { type ReadPes, readTs, splitAnnexB } from './demux.ts'
import {
  aacTrack,
  avcRecord,
  avcTrack,
  expectedTimes,
  fixture,
  later,
  loadFlv,
  type Media,
  type MediaFrame,
  mux,
  muxUnits,
  nalu,
  only,
  PPS,
  SPS,
  writeUnits,
} from './media.ts'

const AUD = Buffer.from([0x09, 0xf0])
const WRAP_MS = 2 ** 33 / 90

const h264 = loadFlv(fixture('h264-aac'))
const hevc = loadFlv(fixture('hevc-aac'))
const opus = loadFlv(fixture('av1-opus'))

const timesOf = (pes: ReadPes[]): { pts: number; dts: number }[] => pes.map(({ pts, dts }) => ({ pts, dts }))
const ofPid = (pid: number, ts: Buffer): ReadPes[] => readTs(ts).pes.filter((pes) => pes.pid === pid)

const text = (bytes: Buffer | undefined): string => bytes?.toString('hex') ?? ''

/** NAL units of a body with four-byte lengths. */
function nalusOf(body: Buffer): Buffer[] {
  const out: Buffer[] = []
  for (let at = 0; at < body.length; at += 4 + body.readUInt32BE(at)) {
    out.push(body.subarray(at + 4, at + 4 + body.readUInt32BE(at)))
  }
  return out
}

const picture = (dtsMs: number, options: Partial<MediaFrame> = {}): MediaFrame => ({
  kind: 'video',
  dtsMs,
  compositionMs: 0,
  isKey: false,
  body: nalu(0x41, 1, 2, 3),
  ...options,
})
const sound = (dtsMs: number, bytes = 50): MediaFrame => ({
  kind: 'audio',
  dtsMs,
  compositionMs: 0,
  isKey: true,
  body: Buffer.alloc(bytes, 7),
})

describe('what a strict demuxer reads', () => {
  const cases: [string, Media, number][] = [
    ['H.264 with B-frames and AAC', h264, 2],
    ['HEVC and AAC', hevc, 2],
    ['Opus', opus, 1],
    ['picture alone', only('video', h264), 1],
    ['sound alone', only('audio', h264), 1],
    ['across the wrap of 32-bit milliseconds', later(2 ** 32 - 3000, h264), 2],
    ['across the wrap of the 33-bit clock', later(Math.round(WRAP_MS) - 3000, h264), 2],
    ['an absolute time, ms since 1970', later(1_790_000_000_000, h264), 2],
  ]
  test.each(cases)('%s: each frame with its times, and one program', (_name, media, tracks) => {
    const { pes, tables } = readTs(mux(media))
    const [first] = tables
    expect(first?.streams).toHaveLength(tracks)
    expect(tables.every((each) => JSON.stringify(each) === JSON.stringify(first))).toBe(true)
    expect(first?.pcrPid).toBe((media.picture ?? media.sound)?.pid)
    for (const kind of ['video', 'audio'] as const) {
      const track = kind === 'video' ? media.picture : media.sound
      expect(timesOf(pes.filter(({ pid }) => pid === track?.pid))).toEqual(expectedTimes(kind, media))
    }
  })

  test('H.264: a delimiter, parameter sets before key frames, and then the NAL units as they were', () => {
    const frames = h264.frames.filter(({ kind }) => kind === 'video')
    const read = ofPid(0x100, mux(h264))
    const [sps, pps] = splitAnnexB(read[0]?.payload ?? Buffer.alloc(0)).slice(1)
    expect([(sps?.[0] ?? 0) & 31, (pps?.[0] ?? 0) & 31]).toEqual([7, 8])
    for (const [index, { payload, randomAccess }] of read.entries()) {
      const { isKey = false, body = AUD } = frames[index] ?? {}
      expect(randomAccess).toBe(isKey)
      const expected = [AUD, ...(isKey ? [sps, pps] : []), ...nalusOf(body)]
      expect(splitAnnexB(payload).map(text)).toEqual(expected.map(text))
    }
  })

  test('HEVC: VPS, SPS and PPS before key frames', () => {
    const types = splitAnnexB(ofPid(0x102, mux(hevc))[0]?.payload ?? AUD).map((unit) => ((unit[0] ?? 0) >> 1) & 0x3f)
    expect(types.slice(0, 4)).toEqual([35, 32, 33, 34])
    expect(types.filter((type) => type >= 32 && type <= 35)).toHaveLength(4)
  })

  test('AAC: each frame behind an ADTS header that says its length', () => {
    const frames = h264.frames.filter(({ kind }) => kind === 'audio')
    const read = ofPid(0x101, mux(h264))
    for (const [index, { payload }] of read.entries()) {
      expect((payload.readUIntBE(3, 3) >> 5) & 0x1fff).toBe(payload.length)
      expect(text(payload.subarray(7))).toBe(text(frames[index]?.body))
    }
  })

  test('Opus: each frame behind a control header that says its length', () => {
    const frames = opus.frames.filter(({ kind }) => kind === 'audio')
    for (const [index, { payload, streamId }] of ofPid(0x107, mux(opus)).entries()) {
      expect([streamId, payload.readUInt16BE(0)]).toEqual([0xbd, 0x7fe0])
      let at = 2
      let length = 0
      while (payload[at] === 255) length += payload[at++] ?? 0
      length += payload[at++] ?? 0
      expect(text(payload.subarray(at))).toBe(text(frames[index]?.body))
      expect(length).toBe(payload.length - at)
    }
  })

  test('frames of every length from 1 byte on fill their packets', () => {
    const frames = Array.from({ length: 600 }, (_, index) => [
      picture(40 * index, { isKey: index % 50 === 0, body: nalu(...Array.from({ length: index + 1 }, () => 0x41)) }),
      sound(40 * index, index + 1),
    ]).flat()
    const read = readTs(mux({ picture: avcTrack(), sound: aacTrack(), frames }))
    const lengths = read.pes.filter(({ pid }) => pid === 0x101).map(({ payload }) => payload.length - 7)
    expect(lengths).toEqual(Array.from({ length: 600 }, (_, index) => index + 1))
    const slices = read.pes.filter(({ pid }) => pid === 0x100).map(({ payload }) => splitAnnexB(payload).at(-1)?.length)
    expect(slices).toEqual(lengths)
  })
})

describe('golden bytes', () => {
  const hex = (bytes: Buffer): string => bytes.toString('hex').replaceAll(/(ff){8,}/g, ' ff.. ')

  test('tables of H.264 and AAC', () => {
    const muxer = new TsMuxer(avcTrack(), aacTrack())
    expect(hex(writeUnits(muxer, [muxer.tables()]))).toBe(
      '474000100000b00d0001c100000001f0012e701905 ff.. ' +
        '475001100002b0170001c10000e100f0001be100f0000fe101f0002f44b99b ff.. ',
    )
  })

  test('a key frame with its clock, and a frame of sound', () => {
    const muxer = new TsMuxer(avcTrack(), aacTrack())
    const frames = [picture(1000, { compositionMs: 80, isKey: true, body: nalu(0x65, 0x88) }), sound(1000, 3)]
    const ts = writeUnits(muxer, muxUnits(muxer, frames)).subarray(2 * 188)
    expect(hex(ts)).toBe(
      // Header, adaptation field with PCR 81,000, PES header with PTS 97,200 and DTS 90,000, AUD, SPS, PPS, picture.
      '47410030' +
        '8a5000009e347e00 ff.. ' +
        '000001e0000084c00a310005f761110005bf21' +
        '0000000109f0' +
        '000000016764001f' +
        '0000000168ee' +
        '000000016588' +
        '47410130' +
        '9f00 ff.. ' +
        '000001c00012848005210005bf21' +
        'fff15080015ffc' +
        '070707',
    )
  })
})

describe('the clock', () => {
  const gaps = (ts: Buffer): number[] => {
    const ticks = readTs(ts).pcrs.map((pcr) => pcr.ticks)
    return ticks.slice(1).map((tick, index) => (tick - (ticks[index] ?? 0)) / 90)
  }

  test.each([
    ['H.264 and AAC', h264],
    ['HEVC and AAC', hevc],
    ['sound alone', only('audio', h264)],
    ['Opus', opus],
  ])('%s: at least every 100 ms, never back, never ahead of a decode time', (_name, media) => {
    const { pcrs, pes } = readTs(mux(media))
    expect(new Set(pcrs.map(({ pid }) => pid))).toEqual(new Set([(media.picture ?? media.sound)?.pid]))
    for (const gap of gaps(mux(media))) expect(gap >= 0 && gap <= 100).toBe(true)
    for (const { pcr, dts } of pes) expect(pcr === null || pcr <= dts).toBe(true)
    expect(pes.filter(({ pcr }) => pcr !== null).length).toBe(
      expectedTimes(media.picture ? 'video' : 'audio', media).length,
    )
  })

  test('a picture of five frames a second has it between its frames, and so has one that stands still', () => {
    const frames: MediaFrame[] = []
    for (let ms = 0; ms < 6000; ms += 20) {
      if (ms % 200 === 0 && ms < 4000) frames.push(picture(ms, { isKey: ms === 0 }))
      frames.push(sound(ms))
    }
    const ts = mux({ picture: avcTrack(), sound: aacTrack(), frames })
    for (const gap of gaps(ts)) expect(gap >= 0 && gap <= 100).toBe(true)
    const last = readTs(ts).pcrs.at(-1)?.ticks ?? 0
    expect(last / 90).toBeGreaterThan(5700)
  })

  test('sound that comes early does not drive it ahead', () => {
    const frames: MediaFrame[] = []
    for (let ms = 0; ms < 4000; ms += 20) {
      if (ms >= 400 && ms % 40 === 0) frames.push(picture(ms - 400, { isKey: ms === 400 }))
      frames.push(sound(ms))
    }
    const { pcrs } = readTs(mux({ picture: avcTrack(), sound: aacTrack(), frames }))
    expect((pcrs.at(-1)?.ticks ?? 0) / 90).toBeLessThanOrEqual(3600)
  })
})

describe('composition times below 0', () => {
  const muxed = (compositions: number[]): { dts: number; pts: number }[] => {
    const frames = compositions.map((compositionMs, index) =>
      picture(1000 + 40 * index, { compositionMs, isKey: index === 0 }),
    )
    return ofPid(0x100, mux({ picture: avcTrack(), sound: null, frames })).map(({ dts, pts }) => ({
      dts: dts / 90,
      pts: pts / 90,
    }))
  }

  test('presentation stays as it is; decoding comes before it by the largest lead', () => {
    const times = muxed([0, 80, -40, -40, 80, -40, -40])
    expect(times.map(({ pts }) => pts)).toEqual([1000, 1120, 1040, 1080, 1240, 1160, 1200])
    expect(times.map(({ dts }) => dts)).toEqual([1000, 1040, 1040, 1080, 1120, 1160, 1200])
  })

  test('a damaged one moves nothing but its own frame', () => {
    const times = muxed([0, -8_000_000, 0, 0])
    expect(times).toEqual([1000, 1040, 1080, 1120].map((ms) => ({ dts: ms, pts: ms })))
  })
})

describe('tracks that change', () => {
  test('sound that comes later: a new version of the tables, counters that go on', () => {
    const muxer = new TsMuxer(avcTrack(), null)
    const units = muxUnits(muxer, [picture(0, { isKey: true }), picture(40)])
    expect(muxer.setTracks(avcTrack(), aacTrack())).toBe(true)
    units.push(muxer.tables(), ...muxUnits(muxer, [sound(60), picture(80)]))
    const { tables, pes } = readTs(writeUnits(muxer, units))
    expect(tables.map(({ version, streams }) => [version, streams.length])).toEqual([
      [0, 1],
      [1, 2],
      [1, 2],
    ])
    expect(pes).toHaveLength(4)
  })

  test('a header that is said again, or a new one of the same codec, leaves the tables as they are', () => {
    const muxer = new TsMuxer(avcTrack(), aacTrack())
    expect(muxer.setTracks(tsVideoTrack('avc1', avcRecord([...SPS, 1], PPS)), aacTrack())).toBe(false)
    const [read] = readTs(writeUnits(muxer, muxUnits(muxer, [picture(0, { isKey: true })]))).pes
    expect(splitAnnexB(read?.payload ?? AUD)[1]).toEqual(Buffer.from([...SPS, 1]))
  })

  test('a new codec gets a PID of its own', () => {
    const muxer = new TsMuxer(h264.picture, null)
    const units = muxUnits(muxer, only('video', h264).frames.slice(0, 3))
    muxer.setTracks(hevc.picture, null)
    units.push(...muxUnits(muxer, later(1000, only('video', hevc)).frames.slice(0, 3)))
    const { tables } = readTs(writeUnits(muxer, units))
    expect(tables.map(({ version, pcrPid }) => [version, pcrPid])).toEqual([
      [0, 0x100],
      [1, 0x102],
    ])
  })
})

describe('a segment that follows from its frames alone', () => {
  const segment = (muxer: TsMuxer, frames: readonly MediaFrame[]): Buffer =>
    writeUnits(muxer, [
      muxer.tables(true),
      ...frames.map((frame) =>
        frame.kind === 'video' ? muxer.picture(frame) : muxer.sound(frame.dtsMs, [frame.body]),
      ),
    ])
  const keyAt = h264.frames.findIndex(({ isKey, kind, dtsMs }) => kind === 'video' && isKey && dtsMs > 3000)

  test('two servers, one of which began earlier, write the same bytes', () => {
    const veteran = new TsMuxer(h264.picture, h264.sound)
    segment(veteran, h264.frames.slice(0, keyAt))
    const novice = new TsMuxer(h264.picture, h264.sound)
    const frames = h264.frames.slice(keyAt)
    expect(segment(veteran, frames).equals(segment(novice, frames))).toBe(true)
  })

  test('nor does it matter what the veteran has seen: late sound, composition times below 0', () => {
    const veteran = new TsMuxer(avcTrack(), null)
    segment(veteran, [picture(0, { isKey: true }), picture(40, { compositionMs: -80 })])
    veteran.setTracks(avcTrack(), aacTrack())
    const novice = new TsMuxer(avcTrack(), aacTrack())
    const frames = [
      picture(1000, { isKey: true }),
      picture(1040, { compositionMs: 80 }),
      sound(1040),
      picture(1080, { compositionMs: -40 }),
    ]
    expect(segment(veteran, frames).equals(segment(novice, frames))).toBe(true)
  })

  test('each track says that it begins anew, once, and counters begin at 0', () => {
    const ts = segment(new TsMuxer(h264.picture, h264.sound), h264.frames.slice(keyAt, keyAt + 20))
    const { pes } = readTs(ts)
    for (const pid of [0x100, 0x101]) {
      expect(pes.filter((each) => each.pid === pid).map(({ discontinuity }) => discontinuity)).toEqual(
        pes.filter((each) => each.pid === pid).map((_, index) => index === 0),
      )
    }
    expect([ts[3], ts[191], ts[379]].map((byte) => (byte ?? 0) & 0x0f)).toEqual([0, 0, 0])
  })

  test('segments one after the other, not restarted, are one stream', () => {
    const muxer = new TsMuxer(h264.picture, h264.sound)
    const parts = [h264.frames.slice(0, keyAt), h264.frames.slice(keyAt)]
    const whole = Buffer.concat(parts.map((frames) => writeUnits(muxer, muxUnits(muxer, frames))))
    expect(readTs(whole).pes).toHaveLength(h264.frames.length)
  })
})

describe('odd frames', () => {
  const payloadOf = (body: Buffer, isKey: boolean): string[] => {
    const ts = mux({ picture: avcTrack(), sound: null, frames: [picture(0, { isKey, body })] })
    return splitAnnexB(readTs(ts).pes[0]?.payload ?? AUD).map((unit) => unit.toString('hex'))
  }
  const [sps, pps] = [Buffer.from(SPS).toString('hex'), Buffer.from(PPS).toString('hex')]

  test.each([
    ['its own delimiter is not doubled', [nalu(0x09, 0x10), nalu(0x65, 1)], true, ['09f0', sps, pps, '6501']],
    ['its own parameter sets are not doubled', [nalu(0x67, 9), nalu(0x65, 1)], true, ['09f0', '6709', '6501']],
    ['empty NAL units are left out', [nalu(), nalu(0x41, 1), nalu()], false, ['09f0', '4101']],
  ])('%s', (_name, nalus, isKey, expected) => {
    expect(payloadOf(Buffer.concat(nalus), isKey)).toEqual(expected)
  })

  test.each([
    ['a length beyond the end', Buffer.of(0, 0, 0, 9, 0x41), 'nalu_truncated'],
    ['an absurd length', Buffer.of(0xff, 0xff, 0xff, 0xff, 0x41), 'nalu_truncated'],
    ['half a length', Buffer.of(0, 0), 'nalu_truncated'],
    ['nothing', Buffer.alloc(0), 'nalu_none'],
    ['nothing but a delimiter', nalu(0x09, 0xf0), 'nalu_none'],
  ])('%s is refused: %s', (_name, body, code) => {
    expect(codeOf(() => new TsMuxer(avcTrack(), null).picture(picture(0, { body })))).toBe(code)
  })

  test.each([
    ['an empty frame', [Buffer.alloc(0)], 'ts_sound_empty'],
    ['a frame that ADTS cannot hold', [Buffer.alloc(8185)], 'adts_frame_too_large'],
    ['more than a PES packet holds', Array.from({ length: 9 }, () => Buffer.alloc(8000)), 'ts_sound_too_large'],
  ])('sound: %s is refused', (_name, bodies, code) => {
    expect(codeOf(() => new TsMuxer(null, aacTrack()).sound(0, bodies))).toBe(code)
  })

  test('a refused frame leaves no trace', () => {
    const muxer = new TsMuxer(avcTrack(), aacTrack())
    const units = muxUnits(muxer, [picture(0, { isKey: true })])
    codeOf(() => muxer.picture(picture(40, { compositionMs: -500, body: Buffer.of(1) })))
    codeOf(() => muxer.sound(40, [Buffer.alloc(9000)]))
    units.push(...muxUnits(muxer, [picture(80)]))
    const { pes } = readTs(writeUnits(muxer, units))
    expect(timesOf(pes)).toEqual([
      { pts: 0, dts: 0 },
      { pts: 7200, dts: 7200 },
    ])
  })

  test('a picture of 2 MB, which no PES length can say', () => {
    const body = Buffer.alloc(2_000_005, 0x55)
    body.writeUInt32BE(2_000_001)
    const ts = mux({ picture: avcTrack(), sound: null, frames: [picture(0, { isKey: true, body })] })
    expect(splitAnnexB(readTs(ts).pes[0]?.payload ?? AUD).at(-1)).toHaveLength(2_000_001)
  })
})

describe('the caller', () => {
  test('several frames of sound go into one PES packet', () => {
    const muxer = new TsMuxer(null, aacTrack())
    const bodies = [Buffer.alloc(100, 1), Buffer.alloc(200, 2), Buffer.alloc(300, 3)]
    const { pes } = readTs(writeUnits(muxer, [muxer.tables(), muxer.sound(1000, bodies), muxer.sound(1070, bodies)]))
    expect(pes.map(({ dts, payload }) => [dts / 90, payload.length])).toEqual([
      [1000, 621],
      [1070, 621],
    ])
  })

  test('a frame of a track that is not there, or a buffer that is too small, is a mistake of the caller', () => {
    expect(() => new TsMuxer(null, aacTrack()).picture(picture(0))).toThrow(RangeError)
    expect(() => new TsMuxer(avcTrack(), null).sound(0, [Buffer.alloc(1)])).toThrow(RangeError)
    const muxer = new TsMuxer(avcTrack(), null)
    expect(() => muxer.write(Buffer.alloc(375), 0, muxer.tables())).toThrow(RangeError)
  })
})

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return 'none'
}
