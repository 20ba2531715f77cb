import { createHash } from 'node:crypto'
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny'
import { describe, expect, test } from 'vitest'
import type { FlvTag } from '../../../src/format/flv/reader.ts'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { fixtureTags, isKey, isPicture, isSound, mp3Tags, sendTags, tagType } from '../fixture.ts'
import { eventually } from '../support.ts'
import { RecordingServer } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')
const MEDIA = AVC_AAC.filter((tag) => isSound(tag) || isPicture(tag))

interface Listed {
  ptsMs: number
  isKey: boolean
  digest: string
}
interface Movie {
  video: Listed[]
  audio: Listed[]
}

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex').slice(0, 12)

const digests = (listed: readonly Listed[]): string[] => listed.map((one) => one.digest)

/** What an independent demuxer finds. */
async function demux(file: Buffer): Promise<Movie> {
  const input = new Input({ source: new BufferSource(file), formats: ALL_FORMATS })
  const movie: Movie = { video: [], audio: [] }
  for (const track of await input.getTracks()) {
    const kind = track.type === 'video' ? 'video' : 'audio'
    for await (const { timestamp, type, data } of new EncodedPacketSink(track).packets()) {
      movie[kind].push({ ptsMs: Math.round(timestamp * 1000), isKey: type === 'key', digest: digest(data) })
    }
  }
  return movie
}

/** What went in, counted from the first picture or sound that is shown. */
function sent(tags: readonly FlvTag[]): Movie {
  const movie: Movie = { video: [], audio: [] }
  for (const tag of tags.filter((one) => tagType(one) === 'frame')) {
    const { timestampMs, payload } = tag
    const sound = { compositionMs: 0, isKey: true }
    const {
      bodyOffset,
      compositionMs,
      isKey: key,
    } = isPicture(tag) ? parseVideoTag(payload) : { ...sound, ...parseAudioTag(payload) }
    const listed = { ptsMs: timestampMs + compositionMs, isKey: key, digest: digest(payload.subarray(bodyOffset)) }
    movie[isPicture(tag) ? 'video' : 'audio'].push(listed)
  }
  const startMs = Math.min(movie.video[0]?.ptsMs ?? Infinity, movie.audio[0]?.ptsMs ?? Infinity)
  for (const listed of [...movie.video, ...movie.audio]) listed.ptsMs -= startMs
  return movie
}

/** Sound counts its samples: a time of whole ms differs by its rounding, and by how far the sender jitters. */
function expectSame(found: Movie, wanted: Movie): void {
  expect(found.video).toEqual(wanted.video)
  expect(found.audio.map((one) => one.digest)).toEqual(wanted.audio.map((one) => one.digest))
  const worst = found.audio.map(({ ptsMs }, index) => Math.abs(ptsMs - (wanted.audio[index]?.ptsMs ?? Infinity)))
  expect(Math.max(0, ...worst)).toBeLessThanOrEqual(2)
}

async function record(recorder: RecordingServer, stream: string, tags: readonly FlvTag[]): Promise<void> {
  const probe = await recorder.publisher(stream)
  await sendTags(probe, tags)
  probe.raw.end()
}

function isFragmented(file: Buffer): boolean {
  return file.includes('moof')
}

describe('a session as MP4', () => {
  test.each(['h264-aac', 'hevc-aac', 'av1-opus', 'vp9-flac'])('%s: every frame, index in front', async (name) => {
    const recorder = await RecordingServer.start('[app]/[stream].mp4')
    const tags = fixtureTags(name)
    await record(recorder, 'cam', tags)
    await recorder.untilFinished(1)
    expect(recorder.files).toEqual(['live/cam.mp4'])
    const file = recorder.read('live/cam.mp4')
    expect(isFragmented(file)).toBe(false)
    expect(file.indexOf('moov')).toBeLessThan(file.indexOf('mdat'))
    expectSame(await demux(file), sent(tags))
  })

  test('grows in fragments of a second, and plays meanwhile', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    const probe = await recorder.publisher('cam')
    await sendTags(probe, AVC_AAC)
    const part = await eventually('most of the part', () => {
      const bytes = recorder.has('cam.mp4.tmp') ? recorder.read('cam.mp4.tmp') : Buffer.alloc(0)
      return bytes.toString('latin1').split('moof').length > 8 ? bytes : null
    })
    const { video, audio } = await demux(part)
    const wanted = sent(AVC_AAC)
    expect(digests(video)).toEqual(digests(wanted.video).slice(0, video.length))
    expect(digests(audio)).toEqual(digests(wanted.audio).slice(0, audio.length))
    // The last of eight fragments may have been caught half written.
    expect(video.length).toBeGreaterThanOrEqual(7 * 25)
    expect(audio.length).toBeGreaterThanOrEqual(7 * 42)
    probe.raw.end()
    await recorder.untilFinished(1)
  })

  test('sound alone, picture alone, MP3', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    const streams = { sound: AVC_AAC.filter(isSound), picture: AVC_AAC.filter(isPicture), mp3: mp3Tags(200) }
    for (const [name, tags] of Object.entries(streams)) await record(recorder, name, tags)
    await recorder.untilFinished(3)
    for (const [name, tags] of Object.entries(streams)) {
      expectSame(await demux(recorder.read(`${name}.mp4`)), sent(tags))
    }
  })

  test('sound that comes late is in the same file, at its time', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    const late = MEDIA.filter((tag) => !isSound(tag) || tagType(tag) === 'header' || tag.timestampMs >= 4_000)
    await record(recorder, 'cam', late)
    await recorder.untilFinished(1)
    expect(recorder.files).toEqual(['cam.mp4'])
    expectSame(await demux(recorder.read('cam.mp4')), sent(late))
  })

  test('another codec configuration is another file; a repeated header is not', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    const hevc = fixtureTags('hevc-aac').filter(isPicture)
    const cut = MEDIA.findLastIndex(isKey)
    const cutMs = MEDIA[cut]?.timestampMs ?? 0
    const header = MEDIA.find((tag) => isPicture(tag) && tagType(tag) === 'header') as FlvTag
    const middle = MEDIA.findIndex((tag, index) => index > 50 && isKey(tag))
    const first = [...MEDIA.slice(0, middle), { ...header, timestampMs: cutMs }, ...MEDIA.slice(middle, cut)]
    const hevcStartMs = hevc[0]?.timestampMs ?? 0
    const second = hevc.map((tag) => ({ ...tag, timestampMs: tag.timestampMs - hevcStartMs + cutMs }))
    await record(recorder, 'cam', [...first, ...second])
    await recorder.untilFinished(2)
    expect(recorder.files).toEqual(['cam-1.mp4', 'cam.mp4'])
    expectSame(await demux(recorder.read('cam.mp4')), sent(first))
    expect((await demux(recorder.read('cam-1.mp4'))).video).toEqual(sent(second).video)
  })

  test('segments begin with key frames, and hold every picture and sound once', async () => {
    const recorder = await RecordingServer.start('[stream].mp4', { dvrPlan: 'segment', dvrDurationMs: 3_000 })
    await record(recorder, 'cam', AVC_AAC)
    await eventually('the recorder to end', () => recorder.server.server.recorder.streams.length === 0)
    expect(recorder.told.length).toBeGreaterThan(2)
    const movies: Movie[] = []
    for (const [, file] of recorder.told) {
      const movie = await demux(recorder.read(file.slice(recorder.folder.length + 1)))
      expect(movie.video[0]?.isKey).toBe(true)
      movies.push(movie)
    }
    const wanted = sent(AVC_AAC)
    expect(movies.flatMap(({ video }) => digests(video))).toEqual(digests(wanted.video))
    expect(movies.flatMap(({ audio }) => digests(audio))).toEqual(digests(wanted.audio))
  })

  test('a codec that MP4 has no place for is told once, and the rest is recorded', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    const speex = AVC_AAC.filter((tag) => isSound(tag) && tagType(tag) === 'frame').map((tag) => ({
      ...tag,
      payload: Buffer.concat([Buffer.of(0xb2), tag.payload.subarray(2)]),
    }))
    const pictures = AVC_AAC.filter(isPicture)
    const mixed = [...pictures, ...speex].toSorted((one, other) => one.timestampMs - other.timestampMs)
    await record(recorder, 'cam', mixed)
    await recorder.untilFinished(1)
    expectSame(await demux(recorder.read('cam.mp4')), { video: sent(pictures).video, audio: [] })
    expect(recorder.logged('a kind is left out of the recording')).toHaveLength(1)
  })
})
