import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeAudio, describeVideo } from '../../../src/codec/describe.ts'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { splitTracks } from '../../../src/format/flv/multitrack.ts'
import { FlvReader, type FlvTag } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvHeader, flvTagSize, writeFlvTag } from '../../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { readAll, seeded } from './read-all.ts'

const load = (name: string): Buffer => readFileSync(new URL(`../../fixtures/media/${name}.flv`, import.meta.url))

/** Counts, key frame times and descriptions as ffprobe 7.1 tells them (audio it cannot read: its count of tags). */
const EXPECTED = [
  {
    name: 'h264-aac',
    video: { 'avc1 header': 1, 'avc1 frame': 300, 'avc1 end': 1 },
    audio: { 'mp4a header': 1, 'mp4a frame': 518 },
    keyFrameMs: [0, 2000, 4000, 6000, 8000, 10_000],
    firstCompositionMs: 80,
    picture: { codec: 'H264', profile: 'High', level: '3', width: 640, height: 360 },
    sound: { codec: 'AAC', sampleRate: 44_100, channels: 1, profile: 'LC' },
  },
  {
    name: 'hevc-aac',
    video: { 'hvc1 header': 1, 'hvc1 metadata': 1, 'hvc1 frame': 150 },
    audio: { 'mp4a header': 1, 'mp4a frame': 283 },
    keyFrameMs: [0, 1960, 3960],
    firstCompositionMs: 80,
    picture: { codec: 'HEVC', profile: 'Main', level: '2.1', width: 640, height: 360 },
    sound: { codec: 'AAC', sampleRate: 48_000, channels: 1, profile: 'LC' },
  },
  {
    name: 'av1-opus',
    video: { 'av01 header': 1, 'av01 metadata': 1, 'av01 frame': 150 },
    audio: { 'Opus header': 1, 'Opus multichannel': 1, 'Opus frame': 301 },
    keyFrameMs: [14, 2014, 4014],
    firstCompositionMs: 0,
    picture: { codec: 'AV1', profile: 'Main', level: '2.1', width: 640, height: 360 },
    sound: { codec: 'OPUS', sampleRate: 48_000, channels: 1, profile: '' },
  },
  {
    name: 'vp9-flac',
    video: { 'vp09 header': 1, 'vp09 metadata': 1, 'vp09 frame': 150 },
    audio: { 'fLaC header': 1, 'fLaC multichannel': 1, 'fLaC frame': 63 },
    keyFrameMs: [0, 2000, 4000],
    firstCompositionMs: 0,
    picture: { codec: 'VP9', profile: '0', level: '1.1', width: 320, height: 180 },
    sound: { codec: 'FLAC', sampleRate: 48_000, channels: 1, profile: '' },
  },
]

const tagsOf = (tags: FlvTag[], typeId: number): FlvTag[] => tags.filter((tag) => tag.typeId === typeId)

function count(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

describe.each(EXPECTED)('$name.flv', (expected) => {
  const file = load(expected.name)
  const { reader, tags } = readAll(file, () => file.length)
  const video = tagsOf(tags, FLV_VIDEO).map(({ payload, timestampMs }) => ({
    ...parseVideoTag(payload),
    payload,
    timestampMs,
  }))
  const audio = tagsOf(tags, FLV_AUDIO).map(({ payload }) => ({ ...parseAudioTag(payload), payload }))

  test('has the tags, codecs and key frames that ffprobe counts', () => {
    expect(reader.header()).toEqual({ hasAudio: true, hasVideo: true })
    expect(tagsOf(tags, FLV_SCRIPT)).toHaveLength(1)
    expect(count(video.map(({ codec, type }) => `${codec} ${type}`))).toEqual(expected.video)
    expect(count(audio.map(({ codec, type }) => `${codec} ${type}`))).toEqual(expected.audio)
    const keyFrames = video.filter(({ isKey }) => isKey)
    expect(keyFrames.map(({ timestampMs }) => timestampMs)).toEqual(expected.keyFrameMs)
    expect(keyFrames[0]?.compositionMs).toBe(expected.firstCompositionMs)
  })

  test('is described as ffprobe does', () => {
    const header = video.find(({ type }) => type === 'header')
    const key = video.find(({ isKey }) => isKey)
    const config = header?.payload.subarray(header.bodyOffset) ?? null
    const keyFrame = key?.payload.subarray(key.bodyOffset) ?? null
    expect(describeVideo(header?.codec ?? '', config, keyFrame)).toEqual(expected.picture)
    const sound = audio.find(({ type }) => type === 'header')
    const soundConfig = sound?.payload.subarray(sound.bodyOffset) ?? null
    expect(describeAudio(sound?.codec ?? '', soundConfig, sound)).toEqual(expected.sound)
  })

  test('has no multitrack messages', () => {
    for (const { payload } of tagsOf(tags, FLV_VIDEO)) expect(splitTracks('video', payload)[0]).toBe(payload)
    for (const { payload } of tagsOf(tags, FLV_AUDIO)) expect(splitTracks('audio', payload)[0]).toBe(payload)
  })

  test('written again it is the same file, byte for byte', () => {
    const out = Buffer.alloc(13 + tags.reduce((sum, { payload }) => sum + flvTagSize(payload.length), 0))
    let offset = flvHeader(true, true).copy(out)
    for (const { typeId, timestampMs, payload } of tags) offset = writeFlvTag(out, offset, typeId, timestampMs, payload)
    expect(offset).toBe(file.length)
    expect(out.equals(file)).toBe(true)
  })

  test('reads the same in random slices', () => {
    const random = seeded(file.length)
    const sliced = readAll(file, () => random(3000))
    expect(sliced.tags.length).toBe(tags.length)
    expect(sliced.tags.every((tag, index) => tag.payload.equals(tags[index]?.payload ?? Buffer.alloc(0)))).toBe(true)
    expect(sliced.tags.map(({ timestampMs }) => timestampMs)).toEqual(tags.map(({ timestampMs }) => timestampMs))
  })
})

test('a file that is cut anywhere gives the tags before the cut', () => {
  const file = load('vp9-flac').subarray(0, 3000)
  const whole = readAll(file, () => file.length).tags
  for (let length = 0; length < file.length; length += 7) {
    const reader = new FlvReader()
    reader.push(file.subarray(0, length))
    const tags: FlvTag[] = []
    for (let tag = reader.read(); tag; tag = reader.read()) tags.push(tag)
    expect(tags).toEqual(whole.slice(0, tags.length))
  }
})
