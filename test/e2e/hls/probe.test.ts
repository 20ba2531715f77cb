import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FLV_AUDIO, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import type { HlsOptions } from '../../../src/server/hls/options.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { fixtureMessages, HlsStage, type Message } from '../../server/hls/support.ts'
import { Clips } from '../support/clips.ts'
import { Tool } from '../support/tool.ts'

const FMP4 = { hlsUseFmp4: true }
const LOW = { ...FMP4, hlsLowLatency: true, hlsPartMs: 200 }
const clips = Clips.use('H.264 and MP3')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-hls-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Presentation times of frames, ms. */
interface Times {
  readonly video: readonly number[]
  readonly audio: readonly number[]
}

const only = (kind: Message['kind'], messages: Iterable<Message>): Message[] =>
  [...messages].filter((message) => message.kind === kind)
const shifted = (ms: number, messages: Iterable<Message>): Message[] =>
  [...messages].map((message) => ({ ...message, timestampMs: message.timestampMs + ms }))

function clipMessages(path: string): Message[] {
  return readAll(readFileSync(path), () => 64 * 1024)
    .tags.filter(({ typeId }) => typeId === FLV_AUDIO || typeId === FLV_VIDEO)
    .map(({ typeId, timestampMs, payload }) => ({
      kind: typeId === FLV_AUDIO ? 'audio' : 'video',
      timestampMs,
      payload,
    }))
}

function timesOf(messages: Iterable<Message>): Times {
  const times = { video: [] as number[], audio: [] as number[] }
  for (const { kind, timestampMs, payload } of messages) {
    const tag = kind === 'video' ? parseVideoTag(payload) : { compositionMs: 0, ...parseAudioTag(payload) }
    if (tag.type === 'frame') times[kind].push(timestampMs + tag.compositionMs)
  }
  return times
}

/** What ffprobe finds in some bytes; it must have nothing to complain of. */
async function probe(name: string, bytes: Buffer): Promise<Times> {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  const show = ['-show_entries', 'packet=codec_type,pts_time', '-of', 'csv=p=0']
  const { stdout, stderr } = await new Tool('ffprobe', ['-v', 'warning', ...show, path]).succeeded()
  expect([name, stderr]).toEqual([name, ''])
  const times = { video: [] as number[], audio: [] as number[] }
  for (const line of stdout.split('\n')) {
    const [kind, time] = line.split(',')
    if (kind === 'video' || kind === 'audio') times[kind].push(Math.round(Number(time) * 1000))
  }
  return times
}

/** Publishes, asks ffprobe about each segment and about all of them together. */
async function probeAll(
  messages: readonly Message[],
  hls: Partial<HlsOptions>,
): Promise<{ stage: HlsStage; times: Times }> {
  const stage = new HlsStage({ hlsFragmentMs: 2_000, hlsWindowMs: 3_600_000, hlsCtx: false, ...hls })
  const publisher = stage.publish()
  await publisher.send(messages)
  await publisher.end()
  const ending = hls.hlsUseFmp4 ? 'mp4' : 'ts'
  const all: Buffer[] = []
  const found: { video: number[]; audio: number[] } = { video: [], audio: [] }
  let init: Buffer | null = null
  for (const { file, initFile, discontinuity } of stage.live().stream.segments) {
    const bytes = file.bytes ?? Buffer.alloc(0)
    const own = initFile?.bytes ?? Buffer.alloc(0)
    if (all.length > 0 && discontinuity) merge(found, await probe(`run.${ending}`, Buffer.concat(all.splice(0))))
    if (all.length === 0) all.push((init = own))
    expect(own).toEqual(init)
    all.push(bytes)
    await probe(`segment.${ending}`, Buffer.concat([own, bytes]))
  }
  merge(found, await probe(`run.${ending}`, Buffer.concat(all)))
  return { stage, times: found }
}

function merge(into: { video: number[]; audio: number[] }, times: Times): void {
  into.video.push(...times.video)
  into.audio.push(...times.audio)
}

/** Whole ms of one are those of the other, whatever the order; sound that is counted may be off by its jitter. */
function expectSame(found: Times, sent: Times, audioToleranceMs: number): void {
  const sorted = (times: readonly number[]): number[] => times.toSorted((one, other) => one - other)
  expect(sorted(found.video)).toEqual(sorted(sent.video))
  expect(found.audio).toHaveLength(sent.audio.length)
  const sound = sorted(sent.audio)
  for (const [index, ms] of sorted(found.audio).entries()) {
    expect(Math.abs(ms - (sound[index] ?? 0))).toBeLessThanOrEqual(audioToleranceMs)
  }
}

/** Sound before the first picture is left out: there is nothing to see with it. */
function fromKeyFrame(messages: readonly Message[]): readonly Message[] {
  const isFrame = ({ kind, payload }: Message): boolean => kind === 'video' && parseVideoTag(payload).type === 'frame'
  return messages.slice(Math.max(0, messages.findIndex(isFrame)))
}

const h264 = (): Message[] => [...fixtureMessages('h264-aac', 12_000, 12_000)]

test.each<[string, Partial<HlsOptions>, () => Message[], number]>([
  ['H.264 and AAC', {}, h264, 2],
  ['H.264 and AAC', FMP4, h264, 2],
  ['H.264 and AAC in parts', LOW, h264, 2],
  ['H.264 alone', {}, () => only('video', h264()), 0],
  ['H.264 alone', FMP4, () => only('video', h264()), 0],
  ['AAC alone', {}, () => only('audio', h264()), 2],
  ['AAC alone', LOW, () => only('audio', h264()), 2],
  ['MP3', {}, () => clipMessages(clips.get('H.264 and MP3').path), 2],
  ['MP3', FMP4, () => clipMessages(clips.get('H.264 and MP3').path), 2],
  ['HEVC and AAC', {}, () => [...fixtureMessages('hevc-aac', 6_000, 7_000)], 2],
  ['HEVC and AAC', FMP4, () => [...fixtureMessages('hevc-aac', 6_000, 7_000)], 2],
  ['AV1 and Opus', FMP4, () => [...fixtureMessages('av1-opus', 6_000, 7_000)], 2],
  ['VP9 and FLAC', FMP4, () => [...fixtureMessages('vp9-flac', 6_000, 7_000)], 2],
])(
  '%s (%j): ffprobe finds every frame at its time and no error in any segment',
  async (_name, hls, make, toleranceMs) => {
    const messages = make()
    const { times } = await probeAll(messages, hls)
    expectSame(times, timesOf(fromKeyFrame(messages)), toleranceMs)
  },
)

test.each([
  ['MPEG-TS', {}],
  ['fMP4', FMP4],
])(
  'in %s late sound, a change of the codec and a gap are discontinuities, and no segment is damaged',
  async (_form, hls) => {
    const late = [
      ...only('video', h264()),
      ...only('audio', h264()).filter(({ timestampMs }) => timestampMs > 3_000),
    ].toSorted((one, other) => one.timestampMs - other.timestampMs)
    const header = only('audio', h264())[0] as Message
    const { stage } = await probeAll([...late.slice(0, 1), header, ...late.slice(1)], hls)
    expect(stage.live().stream.segments.filter(({ discontinuity }) => discontinuity)).toHaveLength(1)
    const other = shifted(12_000, fixtureMessages('hevc-aac', 6_000, 7_000))
    const gap = shifted(618_000, h264())
    const changed = await probeAll([...h264(), ...other, ...gap], hls)
    // To HEVC, and back to H.264 behind the gap.
    expect(changed.stage.live().stream.segments.filter(({ discontinuity }) => discontinuity)).toHaveLength(2)
  },
)

test.each([
  ['32-bit milliseconds', 2 ** 32 - 5_000],
  ['33-bit ticks', Math.floor(2 ** 33 / 90) - 5_000],
])('%s that wrap within a segment do not damage it', async (_what, fromMs) => {
  for (const hls of [{}, FMP4]) {
    const { stage } = await probeAll(shifted(fromMs, h264()), hls)
    expect(stage.live().stream.segments.filter(({ discontinuity }) => discontinuity)).toHaveLength(0)
  }
})
