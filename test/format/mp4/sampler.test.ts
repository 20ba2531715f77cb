import { describe, expect, test } from 'vitest'
import type { Sample } from '../../../src/format/mp4/sample.ts'
import { type Frame, type SamplerOptions, TrackSampler } from '../../../src/format/mp4/sampler.ts'
import type { Mp4Track } from '../../../src/format/mp4/track.ts'
import { plainTrack } from './media.ts'

const video = plainTrack('video')
const audio = plainTrack('audio', 44_100)
const frame = (dtsMs: number, compositionMs = 0): Frame => ({ dtsMs, compositionMs, isKey: false, bytes: Buffer.of(1) })

function sampled(track: Mp4Track, timesMs: readonly (number | Frame)[], options?: SamplerOptions): Sample[] {
  const sampler = new TrackSampler(track, options)
  const samples = timesMs.map((time) => sampler.push(typeof time === 'number' ? frame(time) : time))
  expect(samples[0]).toBeNull()
  return [...samples, sampler.flush()].filter((sample) => sample !== null)
}
const times = (samples: readonly Sample[]): number[] => samples.map(({ dts }) => dts)
const durations = (samples: readonly Sample[]): number[] => samples.map(({ duration }) => duration)

describe('a picture', () => {
  test('lasts until the next one; the last one as long as the one before', () => {
    const samples = sampled(video, [0, 33, 67])
    expect(times(samples)).toEqual([0, 2970, 6030])
    expect(durations(samples)).toEqual([2970, 3060, 3060])
  })

  test('that is the only one lasts 40 ms', () => {
    expect(durations(sampled(video, [1000]))).toEqual([3600])
  })

  test('keeps its time to the millisecond however long the stream is', () => {
    const yearMs = 365 * 24 * 3_600_000
    expect(times(sampled(video, [yearMs, yearMs + 1]))).toEqual([yearMs * 90, yearMs * 90 + 90])
  })

  test('at the time of the one before comes a tick later and is shown when it was to be', () => {
    const samples = sampled(video, [frame(40, 40), frame(40, 0), frame(40, 80), frame(80)])
    expect(times(samples)).toEqual([3600, 3601, 3602, 7200])
    expect(samples.map(({ dts, compositionTicks }) => dts + compositionTicks)).toEqual([7200, 3600, 10_800, 7200])
  })

  test('before a hole lasts as long as usual, and a new fragment must begin', () => {
    const samples = sampled(video, [0, 40, 80, 600_000, 600_040])
    expect(durations(samples)).toEqual([3600, 3600, 3600, 3600, 3600])
    expect(times(samples)[3]).toBe(600_000 * 90)
  })

  test('of a slow slide show lasts until the next one', () => {
    expect(durations(sampled(video, [0, 30_000]))).toEqual([2_700_000, 2_700_000])
    expect(durations(sampled(video, [0, 30_000], { maxGapMs: 29_999 }))).toEqual([3600, 3600])
  })

  test('AV1: a temporal delimiter is not part of a sample', () => {
    const entry = Buffer.from('0000000861763031', 'hex')
    const av1 = new TrackSampler({ ...video, entry })
    av1.push({ ...frame(0), bytes: Buffer.of(0x12, 0, 0x32, 0) })
    expect(av1.push({ ...frame(40), bytes: Buffer.of(0x32, 1, 9) })?.bytes).toEqual(Buffer.of(0x32, 0))
    expect(av1.push({ ...frame(80), bytes: Buffer.of(0x12, 0) })?.bytes).toEqual(Buffer.of(0x32, 1, 9))
    expect(av1.flush()?.bytes).toEqual(Buffer.of(0x12, 0))
  })

  test('nothing was pushed: nothing is left', () => {
    const sampler = new TrackSampler(video)
    expect(sampler.flush()).toBeNull()
    sampler.push(frame(0))
    expect(sampler.flush()).not.toBeNull()
    expect(sampler.flush()).toBeNull()
  })
})

describe('sound', () => {
  /** Times of AAC at 44,100 Hz as FLV has them. */
  const timesMs = (frames: number, startMs = 0): number[] =>
    Array.from({ length: frames }, (_, index) => startMs + Math.floor((index * 1_024_000) / 44_100))

  test('counts its samples: a frame of AAC lasts 1024, and after a day nothing has drifted', () => {
    const samples = sampled(audio, timesMs(100_000))
    expect(new Set(durations(samples))).toEqual(new Set([1024]))
    expect(samples.at(-1)?.dts).toBe(99_999 * 1024)
  })

  test('whose times jitter or come in pairs too', () => {
    const paired = timesMs(1000).map((_time, index, all) => all[index - (index % 2)] ?? 0)
    expect(new Set(durations(sampled(audio, paired)))).toEqual(new Set([1024]))
  })

  test('after a gap stands at its own time', () => {
    const gap = [...timesMs(10), ...timesMs(10, 1000)]
    const samples = sampled(audio, gap)
    expect(samples[10]?.dts).toBe(44_100)
    expect(samples[9]?.duration).toBe(44_100 - 9 * 1024)
  })

  test('of an encoder whose clock is wrong stays within 50 ms of its times', () => {
    const slow = timesMs(20_000).map((ms) => Math.round(ms * 1.001))
    const samples = sampled(audio, slow)
    const worst = Math.max(...samples.map(({ dts }, index) => Math.abs((dts * 1000) / 44_100 - (slow[index] ?? 0))))
    expect(worst).toBeLessThanOrEqual(50.1)
    expect(samples.every(({ duration }) => duration > 0)).toBe(true)
  })

  test('at the beginning of a segment takes its own time: what came before does not matter', () => {
    const all = timesMs(300)
    const from = (start: number): Sample[] => {
      const sampler = new TrackSampler(audio)
      const samples = all.slice(start).map((ms, index) => sampler.push(frame(ms), (start + index) % 100 === 0))
      return samples.filter((sample) => sample !== null)
    }
    const [early, late] = [from(0), from(37)]
    expect(late.slice(63)).toEqual(early.slice(100))
    expect(early[100]?.dts).toBe(Math.round(((all[100] ?? 0) * 44_100) / 1000))
    expect(early[99]?.duration).toBe((early[100]?.dts ?? 0) - (early[99]?.dts ?? 0))
  })

  test('has no composition time and is always a key frame', () => {
    const [sample] = sampled(audio, [frame(0, 40)])
    expect(sample).toMatchObject({ compositionTicks: 0, isKey: true })
  })
})
