import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny'
import { describe, expect, test } from 'vitest'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { isSound, mp3Tags } from '../fixture.ts'
import { readMedia, type ReadMedia } from './parser.ts'
import { fixtureMessages, HlsStage, type Message } from './support.ts'

/** Each row is published; what it became is read by a playlist parser and a demuxer that are not ours. */
interface Row {
  readonly make: () => Message[]
  /** MPEG-TS has no place for it. */
  readonly fmp4Only?: boolean
  readonly discontinuities?: number
  readonly codecs: readonly (string | null)[]
}

interface Frame {
  readonly ptsMs: number
  readonly isKey: boolean
}

type Kinds = { readonly video: readonly Frame[]; readonly audio: readonly Frame[] }

const FORMS = [
  ['MPEG-TS', {}],
  ['fMP4', { hlsUseFmp4: true }],
] as const
/** Of 33 bits at 90 kHz, ms. */
const TS_WRAP_MS = 2 ** 33 / 90
const LENGTH_MS = 12_000
/** At a discontinuity sound waits for the next key frame. */
const LOST_SOUND_MS = 2_500

const fixture = (name: string, fromMs = 0): Message[] => [...fixtureMessages(name, LENGTH_MS, LENGTH_MS, fromMs)]
const only = (kind: Message['kind'], messages: readonly Message[]): Message[] =>
  messages.filter((message) => message.kind === kind)
const sorted = (messages: readonly Message[]): Message[] =>
  messages.toSorted((one, other) => one.timestampMs - other.timestampMs)

const h264 = (fromMs = 0): Message[] => fixture('h264-aac', fromMs)
const mp3 = (): Message[] =>
  mp3Tags(500)
    .filter(isSound)
    .map(({ timestampMs, payload }) => ({ kind: 'audio', timestampMs, payload }))

const ROWS: Readonly<Record<string, Row>> = {
  'picture and sound': { make: h264, codecs: ['avc', 'aac'] },
  'sound alone': { make: () => only('audio', h264()), codecs: ['aac'] },
  'a picture alone': { make: () => only('video', h264()), codecs: ['avc'] },
  'MP3 beside the picture': { make: () => sorted([...only('video', h264()), ...mp3()]), codecs: ['avc', 'mp3'] },
  'MP3 alone': { make: mp3, codecs: ['mp3'] },
  'HEVC and AAC': { make: () => fixture('hevc-aac'), codecs: ['hevc', 'aac'] },
  'AV1 and Opus': { make: () => fixture('av1-opus'), codecs: ['av1', 'opus'], fmp4Only: true },
  'VP9 and FLAC': { make: () => fixture('vp9-flac'), codecs: ['vp9', 'flac'], fmp4Only: true },
  'sound that comes late': {
    make: () => h264().filter(({ kind, timestampMs }) => kind === 'video' || timestampMs > 5_000 || timestampMs === 0),
    codecs: ['avc', 'aac'],
    discontinuities: 1,
  },
  'another codec in the middle': {
    make: () => [...h264(), ...fixture('hevc-aac', LENGTH_MS)],
    codecs: ['hevc', 'aac'],
    discontinuities: 1,
  },
  'the wrap of 32 bits of ms': { make: () => h264(2 ** 32 - 5_000), codecs: ['avc', 'aac'] },
  'the wrap of 33 bits of ticks': { make: () => h264(Math.floor(TS_WRAP_MS) - 5_000), codecs: ['avc', 'aac'] },
  'a gap of ten minutes': {
    make: () => [...h264(), ...h264(LENGTH_MS + 600_000)],
    codecs: ['avc', 'aac'],
    discontinuities: 1,
  },
}

/** Frames as they were sent; sound before the first picture is left out. */
function sent(messages: readonly Message[]): Kinds {
  const kinds = { video: [] as Frame[], audio: [] as Frame[] }
  const hasVideo = messages.some(({ kind }) => kind === 'video')
  for (const { kind, timestampMs, payload } of messages) {
    const tag = kind === 'video' ? parseVideoTag(payload) : { compositionMs: 0, isKey: true, ...parseAudioTag(payload) }
    if (tag.type !== 'frame' || (hasVideo && kind === 'audio' && kinds.video.length === 0)) continue
    kinds[kind].push({ ptsMs: timestampMs + tag.compositionMs, isKey: tag.isKey })
  }
  return kinds
}

async function demux(bytes: Buffer): Promise<{ codecs: (string | null)[]; kinds: Kinds }> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(bytes) })
  const kinds = { video: [] as Frame[], audio: [] as Frame[] }
  const codecs: (string | null)[] = []
  for (const track of await input.getTracks()) {
    codecs.push(track.codec)
    const list = track.type === 'video' ? kinds.video : kinds.audio
    for await (const { timestamp, type } of new EncodedPacketSink(track).packets()) {
      list.push({ ptsMs: timestamp * 1000, isKey: type === 'key' })
    }
  }
  return { codecs, kinds }
}

/** How far a found time is from a sent one: those of MPEG-TS wrap. */
function awayMs(foundMs: number, sentMs: number, isTs: boolean): number {
  const away = Math.abs(foundMs - sentMs)
  return isTs ? Math.min(away % TS_WRAP_MS, TS_WRAP_MS - (away % TS_WRAP_MS)) : away
}

/** Downloads all segments of a playlist, as a player does. */
async function download(stage: HlsStage, { playlist }: ReadMedia): Promise<Awaited<ReturnType<typeof demux>>[]> {
  const read: Awaited<ReturnType<typeof demux>>[] = []
  for (const { uri, map } of playlist.segments) {
    const init = map ? (await stage.ask(`/live/${map.uri}`)).bytes : Buffer.alloc(0)
    read.push(await demux(Buffer.concat([init, (await stage.ask(`/live/${uri}`)).bytes])))
  }
  return read
}

function checkPictures(found: readonly Frame[], expected: readonly Frame[], isTs: boolean): void {
  expect(found.map(({ isKey }) => isKey)).toEqual(expected.map(({ isKey }) => isKey))
  const worst = found.map(({ ptsMs }, index) => awayMs(ptsMs, expected[index]?.ptsMs ?? Infinity, isTs))
  expect(Math.max(0, ...worst)).toBeLessThan(0.6)
}

/** Every sound once and at its time; at a discontinuity some may be missing. */
function checkSound(found: readonly Frame[], expected: readonly Frame[], isTs: boolean, mayMiss: boolean): void {
  let next = 0
  let missing = 0
  for (const { ptsMs } of found) {
    while (next < expected.length && awayMs(ptsMs, expected[next]?.ptsMs ?? Infinity, isTs) > 3) {
      next++
      missing++
    }
    next++
  }
  expect(next).toBeLessThanOrEqual(expected.length)
  missing += expected.length - next
  expect(missing).toBeLessThanOrEqual(mayMiss ? LOST_SOUND_MS / 21 : 0)
}

function checkPlaylist(media: ReadMedia, starts: readonly number[], row: Row, isTs: boolean): void {
  expect(media.discontinuities).toHaveLength(row.discontinuities ?? 0)
  expect(media.numbers).toEqual(media.numbers.map((_number, index) => (media.numbers[0] ?? 0) + index))
  for (const [index, duration] of media.durations.entries()) {
    expect(Math.round(duration)).toBeLessThanOrEqual(media.target)
    const next = starts[index + 1]
    const isCut = media.discontinuities.includes((media.numbers[index] ?? 0) + 1)
    if (next === undefined || isCut) continue
    // As long as it is to the first frame of the next one; pictures may change their order, by one.
    expect(awayMs((starts[index] ?? 0) + duration * 1000, next, isTs)).toBeLessThan(41)
  }
}

describe.each(FORMS)('%s', (form, hls) => {
  const isTs = form === 'MPEG-TS'
  const rows = Object.entries(ROWS).filter(([, { fmp4Only }]) => !(isTs && fmp4Only))

  test.each(rows)('%s: playlist and media say what was published', async (_name, row) => {
    const stage = new HlsStage({ hlsFragmentMs: 2_000, hlsWindowMs: 3_600_000, hlsCtx: false, ...hls })
    const publisher = stage.publish()
    const messages = row.make()
    await publisher.send(messages)
    await publisher.end()
    const media = readMedia(await stage.playlist())
    const segments = await download(stage, media)
    const expected = sent(messages)
    const leading = expected.video.length > 0 ? 'video' : 'audio'
    for (const { kinds } of segments) expect(kinds[leading][0]?.isKey).toBe(true)
    checkPlaylist(
      media,
      segments.map(({ kinds }) => kinds[leading][0]?.ptsMs ?? Number.NaN),
      row,
      isTs,
    )
    expect(segments.at(-1)?.codecs).toEqual(row.codecs)
    checkPictures(
      segments.flatMap(({ kinds }) => kinds.video),
      expected.video,
      isTs,
    )
    const sound = segments.flatMap(({ kinds }) => kinds.audio)
    checkSound(sound, expected.audio, isTs, (row.discontinuities ?? 0) > 0)
  })
})
