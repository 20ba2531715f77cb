import { describe, expect, test } from 'vitest'
import type { FlvTag } from '../../../src/format/flv/reader.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { fixtureTags, isKey, isPicture, isSound, sendTags, tagType } from '../fixture.ts'
import { readFlv } from '../http-probe.ts'
import { eventually } from '../support.ts'
import { fromZero, RecordingServer, tagsOf } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')
const MEDIA = AVC_AAC.filter((tag) => isSound(tag) || isPicture(tag))
const frames = (tags: readonly FlvTag[]): FlvTag[] => tags.filter((tag) => tagType(tag) === 'frame')

function metadataOf(file: Buffer): Record<string, unknown> {
  return readFlv(file)?.scripts[0]?.[0] as Record<string, unknown>
}

describe('a session', () => {
  test('is one file with every frame as it came, its length, and an index of its key frames', async () => {
    const recorder = await RecordingServer.start('[app]/[stream].flv')
    const probe = await recorder.publisher('cam')
    await sendTags(probe, AVC_AAC)
    probe.raw.end()
    await recorder.untilFinished(1)
    expect(recorder.told).toEqual([['__defaultVhost__/live/cam', `${recorder.folder}/live/cam.flv`]])
    expect(recorder.files).toEqual(['live/cam.flv'])
    const file = recorder.read('live/cam.flv')
    expect(frames(tagsOf(file))).toEqual(frames(fromZero(MEDIA)))
    expect(tagsOf(file).filter((tag) => tagType(tag) === 'header')).toHaveLength(2)
    const { duration, filesize, keyframes } = metadataOf(file) as {
      duration: number
      filesize: number
      keyframes: { times: number[]; filepositions: number[] }
    }
    expect(filesize).toBe(file.length)
    const lastMs = Math.max(...fromZero(MEDIA).map(({ timestampMs }) => timestampMs))
    expect(duration).toBeGreaterThan(lastMs / 1000)
    expect(duration).toBeLessThan(lastMs / 1000 + 0.1)
    const keys = fromZero(MEDIA).filter(isKey)
    expect(keyframes.times.slice(1)).toEqual(keys.map(({ timestampMs }) => timestampMs / 1000))
    const found = keyframes.filepositions.map((position) => {
      const [tag] = readAll(Buffer.concat([file.subarray(0, 13), file.subarray(position)]), () => 1 << 20).tags
      return tag && parseVideoTag(tag.payload).type
    })
    expect(found).toEqual(['header', ...keys.map(() => 'frame')])
  })

  test('grows aside under another name', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const probe = await recorder.publisher('cam')
    await sendTags(probe, AVC_AAC.slice(0, 200))
    await eventually('the part', () => recorder.files.length === 1)
    expect(recorder.files).toEqual(['cam.flv.tmp'])
    await eventually('frames in it', () => recorder.read('cam.flv.tmp').length > 10_000)
    expect(frames(tagsOf(recorder.read('cam.flv.tmp'))).length).toBeGreaterThan(20)
    probe.raw.end()
    await recorder.untilFinished(1)
    expect(recorder.files).toEqual(['cam.flv'])
  })

  test('that comes back is a new file; nothing that is there is touched', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const lengths = [50, 100, 150]
    for (const [index, count] of lengths.entries()) {
      const probe = await recorder.publisher('cam')
      await sendTags(probe, AVC_AAC.slice(0, count))
      probe.raw.end()
      await recorder.untilFinished(index + 1)
    }
    expect(recorder.files).toEqual(['cam-1.flv', 'cam-2.flv', 'cam.flv'])
    const counts = ['cam.flv', 'cam-1.flv', 'cam-2.flv'].map((name) => frames(tagsOf(recorder.read(name))).length)
    expect(counts).toEqual(lengths.map((count) => frames(AVC_AAC.slice(0, count)).length))
  })

  test('of a stream that no frame comes of leaves nothing', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const probe = await recorder.publisher('cam')
    await sendTags(
      probe,
      AVC_AAC.filter((tag) => tagType(tag) === 'header'),
    )
    probe.raw.end()
    await eventually('the recorder to end', () => recorder.server.server.recorder.streams.length === 0)
    expect([recorder.files, recorder.told]).toEqual([[], []])
  })

  test('has the sound alone, or the picture alone, and says so', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    for (const [name, isWanted] of [
      ['sound', isSound],
      ['picture', isPicture],
    ] as const) {
      const probe = await recorder.publisher(name)
      await sendTags(probe, AVC_AAC.filter(isWanted))
      probe.raw.end()
    }
    await recorder.untilFinished(2)
    for (const [name, isWanted] of [
      ['sound', isSound],
      ['picture', isPicture],
    ] as const) {
      const file = recorder.read(`${name}.flv`)
      expect(readFlv(file)).toMatchObject({ hasAudio: name === 'sound', hasVideo: name === 'picture' })
      expect(frames(tagsOf(file))).toEqual(fromZero(frames(MEDIA.filter(isWanted))))
    }
  })

  test('sound that comes late has its header in front of its first frame', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const late = MEDIA.filter((tag) => !isSound(tag) || tagType(tag) === 'header' || tag.timestampMs >= 3_000)
    const probe = await recorder.publisher('cam')
    await sendTags(probe, late)
    probe.raw.end()
    await recorder.untilFinished(1)
    const file = recorder.read('cam.flv')
    const kinds = tagsOf(file)
      .filter(isSound)
      .map((tag) => tagType(tag))
    expect(kinds.slice(0, 2)).toEqual(['header', 'frame'])
    expect(readFlv(file)).toMatchObject({ hasAudio: true, hasVideo: true })
  })

  test('a new codec header goes into the same file, a repeated one does not', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const probe = await recorder.publisher('cam')
    const header = MEDIA.find((tag) => isPicture(tag) && tagType(tag) === 'header') as FlvTag
    const other = fixtureTags('hevc-aac').find((tag) => isPicture(tag) && tagType(tag) === 'header') as FlvTag
    const half = MEDIA.findLastIndex(isKey)
    const timestampMs = MEDIA[half]?.timestampMs ?? 0
    const again = { ...header, timestampMs }
    await sendTags(probe, [...MEDIA.slice(0, half), again, ...MEDIA.slice(half, half + 20), { ...other, timestampMs }])
    await sendTags(probe, MEDIA.slice(half + 20))
    probe.raw.end()
    await recorder.untilFinished(1)
    const headers = tagsOf(recorder.read('cam.flv')).filter((tag) => isPicture(tag) && tagType(tag) === 'header')
    expect(headers.map(({ payload }) => payload)).toEqual([header.payload, other.payload])
  })
})

describe('segments', () => {
  test('are cut at the first key frame after dvr_duration, and miss nothing', async () => {
    const recorder = await RecordingServer.start('[stream].flv', { dvrPlan: 'segment', dvrDurationMs: 3_000 })
    const probe = await recorder.publisher('cam')
    await sendTags(probe, AVC_AAC)
    probe.raw.end()
    const keyTimes = MEDIA.filter(isKey).map(({ timestampMs }) => timestampMs)
    const cuts = keyTimes.reduce<number[]>(
      (all, timeMs) => (timeMs - (all.at(-1) ?? 0) >= 3_000 ? [...all, timeMs] : all),
      [keyTimes[0] ?? 0],
    )
    expect(cuts.length).toBeGreaterThan(2)
    await recorder.untilFinished(cuts.length)
    const segments = recorder.told.map(([, file]) => tagsOf(recorder.read(file.slice(recorder.folder.length + 1))))
    expect(segments.map((tags) => frames(tags)[0]).map((tag) => tag && isKey(tag))).toEqual(cuts.map(() => true))
    expect(segments.flatMap(frames).map(({ payload }) => payload)).toEqual(frames(MEDIA).map(({ payload }) => payload))
    for (const [index, segment] of segments.entries()) {
      const pictures = frames(segment).filter(isPicture)
      const wanted = frames(MEDIA).filter((tag) => {
        return (
          isPicture(tag) && tag.timestampMs >= (cuts[index] ?? 0) && tag.timestampMs < (cuts[index + 1] ?? Infinity)
        )
      })
      expect(pictures).toEqual(fromZero(wanted))
      expect(segment.slice(0, 2).map((tag) => tagType(tag))).toContain('header')
    }
  })

  test('of HEVC too, and of sound alone', async () => {
    const recorder = await RecordingServer.start('[stream].flv', { dvrPlan: 'segment', dvrDurationMs: 2_000 })
    const hevc = await recorder.publisher('hevc')
    await sendTags(hevc, fixtureTags('hevc-aac'))
    hevc.raw.end()
    const sound = await recorder.publisher('sound')
    await sendTags(sound, AVC_AAC.filter(isSound))
    sound.raw.end()
    await eventually('the recorders to end', () => recorder.server.server.recorder.streams.length === 0)
    const count = (name: string): number => recorder.told.filter(([key]) => key.endsWith(name)).length
    expect(count('hevc')).toBeGreaterThan(1)
    expect(count('sound')).toBe(Math.ceil((AVC_AAC.at(-1)?.timestampMs ?? 0) / 2_030))
  })

  test('without dvr_wait_keyframe they are cut on time', async () => {
    const dvr = { dvrPlan: 'segment' as const, dvrDurationMs: 1_000, dvrWaitKeyframe: false }
    const recorder = await RecordingServer.start('[stream].flv', dvr)
    const probe = await recorder.publisher('cam')
    await sendTags(probe, AVC_AAC)
    probe.raw.end()
    await eventually('the recorder to end', () => recorder.server.server.recorder.streams.length === 0)
    expect(recorder.told.length).toBeGreaterThanOrEqual(Math.floor((AVC_AAC.at(-1)?.timestampMs ?? 0) / 1_050))
  })
})

describe('time_jitter', () => {
  const later = MEDIA.map((tag) => ({ ...tag, timestampMs: tag.timestampMs + 1_000_000 }))

  test.each([
    ['full', 0],
    ['zero', 0],
    ['off', 1_000_000],
  ] as const)('%s: the first frame is at %i', async (timeJitter, firstMs) => {
    const recorder = await RecordingServer.start('[stream].flv', { timeJitter })
    const probe = await recorder.publisher('cam')
    await sendTags(probe, later.slice(0, 100))
    probe.raw.end()
    await recorder.untilFinished(1)
    const file = recorder.read('cam.flv')
    expect(tagsOf(file)[0]?.timestampMs).toBe(firstMs + (MEDIA[0]?.timestampMs ?? 0) * (firstMs > 0 ? 1 : 0))
    expect(metadataOf(file)['duration']).toBeLessThan(10)
  })
})

describe('dvr_apply', () => {
  test('names the streams that are recorded', async () => {
    const recorder = await RecordingServer.start('[app]-[stream].flv', { dvrApply: ['live/one', 'other/two'] })
    for (const [app, stream] of [
      ['live', 'one'],
      ['live', 'two'],
      ['other', 'two'],
    ] as const) {
      const probe = await recorder.publisher(stream, app)
      await sendTags(probe, AVC_AAC.slice(0, 20))
      probe.raw.end()
    }
    await recorder.untilFinished(2)
    await eventually('all to be gone', () => recorder.server.server.connections === 0)
    expect(recorder.files).toEqual(['live-one.flv', 'other-two.flv'])
  })
})

test('a server that stops finishes what it records', async () => {
  const recorder = await RecordingServer.start('[stream].flv')
  const probe = await recorder.publisher('cam')
  await sendTags(probe, AVC_AAC)
  await recorder.server.stop()
  expect(recorder.files).toEqual(['cam.flv'])
  expect(metadataOf(recorder.read('cam.flv'))['filesize']).toBe(recorder.read('cam.flv').length)
})
