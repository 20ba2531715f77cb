import { describe, expect, test } from 'vitest'
import type { HlsSegment } from '../../../src/server/hls/segment.ts'
import { HlsStage, synthetic, type Synthetic } from './support.ts'

const FRAGMENT = { hlsFragmentMs: 4_000, hlsCtx: false, hlsWindowMs: 3_600_000 }

function lengths(stage: HlsStage): number[] {
  return stage.live().stream.segments.map(({ durationMs }) => Math.round(durationMs))
}

async function play(untilMs: number, media: Synthetic, hls: object = {}): Promise<HlsStage> {
  const stage = new HlsStage({ ...FRAGMENT, ...hls })
  await stage.publish().send(synthetic(untilMs, media))
  return stage
}

describe('a segment ends', () => {
  test('at the first key frame after hls_fragment', async () => {
    expect(lengths(await play(20_000, { gopMs: 2_000 }))).toEqual([4_000, 4_000, 4_000, 4_000])
    expect(lengths(await play(20_000, { gopMs: 3_000 }))).toEqual([6_000, 6_000, 6_000])
    expect(lengths(await play(20_000, { gopMs: 5_000 }))).toEqual([5_000, 5_000, 5_000])
  })

  test('after hls_fragment times hls_td_ratio', async () => {
    expect(lengths(await play(21_000, { gopMs: 1_000 }, { hlsTdRatio: 1.5 }))).toEqual([6_000, 6_000, 6_000])
  })

  test('at any picture without hls_wait_keyframe', async () => {
    const stage = await play(21_000, { gopMs: 60_000 }, { hlsWaitKeyframe: false })
    expect(lengths(stage)).toEqual([3_960, 3_960, 3_960, 3_960, 3_960])
  })

  test('at any sound where there is no picture, as near as it can to hls_fragment', async () => {
    const found = lengths(await play(21_000, { fps: 0 }))
    expect(found).toHaveLength(5)
    for (const ms of found) expect(Math.abs(ms - 4_000)).toBeLessThan(24)
  })

  test('where times are 1 ms short of it, as rounding makes them', async () => {
    expect(lengths(await play(13_000, { fps: 30, keysMs: [0, 4_000, 7_967, 12_000] }))).toEqual([4_000, 3_967, 4_033])
  })
})

describe('what was announced holds:', () => {
  function target(stage: HlsStage): number {
    return stage.live().stream.targetSeconds ?? 0
  }

  test('a publisher that sends no key frame for a minute is cut before the target duration', async () => {
    const keysMs = [0, 2_000, 4_000, 6_000, 8_000, 68_000, 70_000, 72_000, 74_000, 76_000]
    const stage = await play(77_000, { keysMs })
    expect(target(stage)).toBe(4)
    const found = lengths(stage)
    for (const ms of found) expect(Math.round(ms / 1000)).toBeLessThanOrEqual(4)
    expect(found.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(72_000)
    expect(await stage.playlist()).not.toContain('INDEPENDENT-SEGMENTS')
    // No segment is missing and none is a discontinuity.
    expect(await stage.playlist()).not.toContain('DISCONTINUITY\n')
  })

  test('a first segment without a key frame ends after hls_fragment times hls_aof_ratio', async () => {
    const stage = await play(30_000, { keysMs: [0] })
    expect(lengths(stage)[0]).toBe(8_400)
    expect(target(stage)).toBe(8)
  })

  test('a group of pictures that would be too long begins a segment', async () => {
    // Regular at first; then key frames at odd places.
    const keysMs = [0, 3_000, 6_000, 9_000, 12_000, 13_000, 16_000, 19_520, 22_520, 25_520, 28_520]
    const stage = await play(30_000, { keysMs })
    expect(target(stage)).toBe(6)
    for (const ms of lengths(stage)) expect(Math.round(ms / 1000)).toBeLessThanOrEqual(6)
    expect(await stage.playlist()).toContain('INDEPENDENT-SEGMENTS')
  })

  test('a picture that pauses does not hold the sound back', async () => {
    const stage = new HlsStage(FRAGMENT)
    const publisher = stage.publish()
    const sound = [...synthetic(60_000, { fps: 0 })]
    const video = [...synthetic(10_000, { audio: false })]
    await publisher.send([...sound, ...video].toSorted((one, other) => one.timestampMs - other.timestampMs))
    const found = lengths(stage)
    for (const ms of found) expect(Math.round(ms / 1000)).toBeLessThanOrEqual(4)
    expect(found.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(50_000)
    // Once: where the picture is no part of the stream any more.
    expect((await stage.playlist()).match(/#EXT-X-DISCONTINUITY\n/g)).toHaveLength(1)
    expect(stage.live().stream.tracks.video).toBeNull()
  })
})

describe('a gap in time', () => {
  test.each([
    ['of ten minutes', 600_000, 1],
    ['shorter than half a target duration', 2_000, 0],
  ])('%s: %i ms is %i discontinuity', async (_what, gapMs, count) => {
    const stage = new HlsStage(FRAGMENT)
    const publisher = stage.publish()
    await publisher.send(synthetic(12_000))
    await publisher.send(synthetic(12_000, { fromMs: 12_000 + gapMs }), 0)
    const text = await stage.playlist()
    expect(text.match(/#EXT-X-DISCONTINUITY\n/g) ?? []).toHaveLength(count)
    for (const ms of lengths(stage)) expect(Math.round(ms / 1000)).toBeLessThanOrEqual(4)
    // The wall clock is told truly behind it.
    const last = stage.live().stream.segments.at(-1) as HlsSegment
    expect(Math.abs((last.programDateTimeMs ?? 0) + last.durationMs - stage.clock.wallMs())).toBeLessThan(4_100)
  })
})

test('the wall clock of segments does not jump when an encoder was slow at first: it follows within a hundredth', async () => {
  const stage = new HlsStage({ ...FRAGMENT, hlsFragmentMs: 1_000 })
  const publisher = stage.publish()
  await stage.clock.pass(1_500)
  await publisher.burst(synthetic(1_500))
  await publisher.send(synthetic(58_500, { fromMs: 1_500, gopMs: 1_000 }), 0)
  const { segments } = stage.live().stream
  expect(segments.length).toBeGreaterThan(50)
  for (const [index, { programDateTimeMs, durationMs }] of segments.entries()) {
    const next = segments[index + 1]
    const offMs = (next?.programDateTimeMs ?? 0) - (programDateTimeMs ?? 0) - durationMs
    if (next) expect(Math.abs(offMs)).toBeLessThanOrEqual(durationMs / 100 + 1)
  }
  const [first, last] = [segments[0] as HlsSegment, segments.at(-1) as HlsSegment]
  const lengthMs = segments.reduce((sum, { durationMs }) => sum + durationMs, 0)
  const saidMs = (last.programDateTimeMs ?? 0) + last.durationMs - (first.programDateTimeMs ?? 0)
  expect(lengthMs - saidMs).toBeGreaterThan(500)
})
