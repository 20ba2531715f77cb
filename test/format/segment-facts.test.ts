import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { mp4SegmentFacts } from '../../src/format/mp4/segment-facts.ts'
import { TsMuxer } from '../../src/format/mpegts/muxer.ts'
import { tsSegmentFacts } from '../../src/format/mpegts/segment-facts.ts'
import { seeded } from './flv/read-all.ts'
import { loadFixture, mux as muxMp4, samplesOf } from './mp4/media.ts'
import { fixture, later, loadFlv, type Media, muxUnits, only, writeUnits } from './mpegts/media.ts'

const h264 = loadFlv(fixture('h264-aac'))

function segment({ picture, sound, frames }: Media, muxer = new TsMuxer(picture, sound)): Buffer {
  return writeUnits(muxer, muxUnits(muxer, frames))
}

function span({ frames }: Media): { startMs: number; endMs: number } {
  const kind = frames.some((frame) => frame.kind === 'video') ? 'video' : 'audio'
  const times = frames.filter((frame) => frame.kind === kind).map(({ dtsMs }) => dtsMs)
  const [first = 0, second = 0] = times
  return { startMs: first, endMs: (times.at(-1) ?? 0) + second - first }
}

describe('a segment of MPEG-TS', () => {
  test.each([
    ['picture and sound', h264],
    ['HEVC', loadFlv(fixture('hevc-aac'))],
    ['picture alone', only('video', h264)],
    ['sound alone', only('audio', h264)],
  ])('%s: says when it begins and ends', (_name, media) => {
    const { startMs, endMs, container } = tsSegmentFacts(segment(media))
    const expected = span(media)
    expect(container).toBe('ts')
    expect(startMs).toBeCloseTo(expected.startMs, 0)
    expect(Math.abs(endMs - expected.endMs)).toBeLessThan(25)
  })

  test('over the wrap of its clock it ends behind it', () => {
    const wrapMs = 2 ** 33 / 90
    const { startMs, endMs } = tsSegmentFacts(segment(later(Math.floor(wrapMs) - 500, h264)))
    expect(startMs).toBeLessThan(wrapMs)
    expect(endMs).toBeGreaterThan(wrapMs)
  })

  test('two of one muxer have counters that go on; another picture has other codecs', () => {
    const muxer = new TsMuxer(h264.picture, h264.sound)
    const [one, two] = [tsSegmentFacts(segment(h264, muxer)), tsSegmentFacts(segment(later(9_000, h264), muxer))]
    for (const [pid, first] of Object.entries(two.firstCounters)) {
      expect(first).toBe(((one.lastCounters[pid] ?? 0) + 1) % 16)
    }
    expect(Object.keys(two.firstCounters)).toHaveLength(2)
    expect(two.codecs).toBe(one.codecs)
    expect(one.codecs).toContain('256:27:67')
    expect(tsSegmentFacts(segment(loadFlv(fixture('hevc-aac')))).codecs).not.toBe(one.codecs)
  })

  test('cut short, or something else, it is refused', () => {
    const whole = segment(h264)
    for (const bytes of [Buffer.alloc(0), whole.subarray(0, 1_000), Buffer.alloc(1_880, 0x47), Buffer.alloc(188)]) {
      expect(() => tsSegmentFacts(bytes)).toThrow(CodecError)
    }
  })
})

describe('a segment of fragmented MP4', () => {
  const flv = loadFixture('h264-aac')
  const { init, fragments, tracks } = muxMp4(flv)

  test('says when it begins and ends: one ends where the next one begins', () => {
    const facts = fragments.map((bytes) => mp4SegmentFacts(bytes, init, 'hash'))
    expect(facts.length).toBeGreaterThan(1)
    for (const [index, { startMs, endMs, codecs }] of facts.entries()) {
      expect(codecs).toBe('hash')
      expect(endMs).toBeGreaterThan(startMs)
      if (index > 0) expect(startMs).toBeCloseTo(facts[index - 1]?.endMs ?? 0, 3)
    }
    const [track] = tracks
    const samples = track ? samplesOf(track, flv[0]?.frames ?? []) : []
    expect(facts[0]?.startMs).toBeCloseTo(((samples[0]?.dts ?? 0) * 1000) / (track?.timescale ?? 1), 3)
  })

  test('cut short, or without what it needs, it is refused', () => {
    const [first = Buffer.alloc(0)] = fragments
    expect(() => mp4SegmentFacts(first.subarray(0, -1), init, '')).toThrow(CodecError)
    expect(() => mp4SegmentFacts(init, init, '')).toThrow(CodecError)
    expect(() => mp4SegmentFacts(first, first, '')).toThrow(CodecError)
  })

  test('damaged, like one of MPEG-TS: facts that are numbers, or a CodecError', () => {
    const random = seeded(7)
    const ts = segment(h264)
    const [first = Buffer.alloc(0)] = fragments
    const reads = [
      (bytes: Buffer) => tsSegmentFacts(bytes),
      (bytes: Buffer) => mp4SegmentFacts(bytes, init, ''),
      (bytes: Buffer) => mp4SegmentFacts(first, bytes, ''),
    ]
    for (let round = 0; round < 3_000; round++) {
      const which = round % reads.length
      const copy = Buffer.from([ts.subarray(0, 40 * 188), first, init][which] ?? init)
      for (let hits = 1 + random(4); hits > 0; hits--) copy[random(Math.min(copy.length, 1_500))] = random(256)
      try {
        const { startMs, endMs } = reads[which]?.(copy) ?? { startMs: 0, endMs: 0 }
        expect(Number.isFinite(startMs) && Number.isFinite(endMs)).toBe(true)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
      }
    }
  })
})
