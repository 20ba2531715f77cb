import { expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { TsMuxer, type TsUnit } from '../../../src/format/mpegts/muxer.ts'
import { tsAudioTrack, type TsTrack, tsVideoTrack } from '../../../src/format/mpegts/track.ts'
import { audioSamples, videoSamples } from '../../codec/samples.ts'
import { seeded } from '../flv/read-all.ts'
import { readTs } from './demux.ts'
import { fixture, loadFlv, writeUnits } from './media.ts'

/** A value or a CodecError; any other exception fails the test. */
function valueOrRefusal<T>(run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof CodecError && /^[a-z0-9_]+$/.test(error.code)) return null
    throw error
  }
}

const random = seeded(21)

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes.subarray(0, random(4) === 0 ? random(bytes.length + 1) : bytes.length))
  for (let hits = random(4); hits > 0 && copy.length > 0; hits--) {
    copy[random(Math.min(copy.length, random(2) === 0 ? 24 : copy.length))] = [0, 0xff, random(256)][random(3)] ?? 0
  }
  return copy
}

const tracks = [
  ...videoSamples.map((sample) => ({ ...sample, make: tsVideoTrack })),
  ...audioSamples.map((sample) => ({ ...sample, make: tsAudioTrack })),
]

test('damaged headers and frames: a stream that can be read, or a CodecError', () => {
  const bodies = ['h264-aac', 'hevc-aac', 'av1-opus'].flatMap((name) => loadFlv(fixture(name)).frames.slice(0, 40))
  let written = 0
  for (let round = 0; round < 4000; round++) {
    const { codec, header, make } = tracks[random(tracks.length)] ??
      tracks[0] ?? { codec: '', header: '', make: tsVideoTrack }
    const track: TsTrack | null = valueOrRefusal(() => make(codec, damaged(Buffer.from(header, 'hex'))))
    if (!track) continue
    const isVideo = make === tsVideoTrack
    const muxer = new TsMuxer(isVideo ? track : null, isVideo ? null : track)
    const units: TsUnit[] = [muxer.tables()]
    for (let frame = 0; frame < 4; frame++) {
      const body = damaged(bodies[random(bodies.length)]?.body ?? Buffer.alloc(0))
      const compositionMs = random(2) === 0 ? random(200) - 100 : random(2 ** 24) - 2 ** 23
      const picture = { dtsMs: 40 * frame, compositionMs, isKey: random(2) === 0, body }
      const unit = valueOrRefusal(() => (isVideo ? muxer.picture(picture) : muxer.sound(40 * frame, [body])))
      if (!unit) continue
      // A NAL unit of one byte behind a length of one byte becomes five; parameter sets are at most 8 KB.
      expect(unit.bytes).toBeLessThan(3 * body.length + 10_000)
      units.push(unit)
    }
    const { pes } = readTs(writeUnits(muxer, units))
    expect(pes).toHaveLength(units.length - 1)
    for (const { pts, dts } of pes) expect((pts - dts + 2 ** 33) % 2 ** 33).toBeLessThan(2 ** 30)
    written += pes.length
  }
  expect(written).toBeGreaterThan(1000)
})

test('a header full of parameter sets is refused: each would be repeated before every key frame', () => {
  const sps = Buffer.concat([Buffer.of(0x01, 0x00), Buffer.alloc(256, 0x67)])
  const record = Buffer.concat([
    Buffer.of(1, 100, 0, 31, 0xff, 0xff),
    ...Array.from({ length: 31 }, () => sps),
    Buffer.of(255),
  ])
  const whole = Buffer.concat([record, ...Array.from({ length: 255 }, () => sps)])
  expect(() => tsVideoTrack('avc1', whole)).toThrow(expect.objectContaining({ code: 'parameter_sets_too_large' }))
})

test('codecs that MPEG-TS does not carry', () => {
  for (const codec of ['av01', 'vp09', 'mp4a', '']) {
    expect(() => tsVideoTrack(codec, Buffer.alloc(0))).toThrow(
      expect.objectContaining({ code: 'ts_codec_unsupported' }),
    )
  }
  for (const codec of ['fLaC', 'speex', 'avc1']) {
    expect(() => tsAudioTrack(codec, Buffer.alloc(0))).toThrow(
      expect.objectContaining({ code: 'ts_codec_unsupported' }),
    )
  }
})
