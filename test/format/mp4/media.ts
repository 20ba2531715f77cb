import { readFileSync } from 'node:fs'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { finishedMovie } from '../../../src/format/mp4/finished.ts'
import { type FragmentOptions, type Run, writeFragment } from '../../../src/format/mp4/fragment.ts'
import { initSegment } from '../../../src/format/mp4/init.ts'
import { RecordingReader } from '../../../src/format/mp4/recording-reader.ts'
import type { Sample } from '../../../src/format/mp4/sample.ts'
import { type Frame, TrackSampler } from '../../../src/format/mp4/sampler.ts'
import { audioTrack, type Mp4Track, videoTrack } from '../../../src/format/mp4/track.ts'

/** One track of an FLV file, in the codec's own bytes. */
export interface FlvTrack {
  readonly kind: 'video' | 'audio'
  readonly codec: string
  readonly config: Buffer | null
  readonly frames: readonly Frame[]
}

/** The recordings in test/fixtures/media. */
export const FIXTURES = ['h264-aac', 'hevc-aac', 'av1-opus', 'vp9-flac'] as const

export function loadFixture(name: string): FlvTrack[] {
  return readFlv(readFileSync(new URL(`../../fixtures/media/${name}.flv`, import.meta.url)))
}

/** The tracks of an FLV file that have frames, the picture first. */
function readFlv(file: Buffer): FlvTrack[] {
  const video = { kind: 'video' as const, codec: '', config: null as Buffer | null, frames: [] as Frame[] }
  const audio = { kind: 'audio' as const, codec: '', config: null as Buffer | null, frames: [] as Frame[] }
  const reader = new FlvReader()
  reader.push(file)
  for (let tag = reader.read(); tag; tag = reader.read()) {
    if (tag.typeId !== FLV_VIDEO && tag.typeId !== FLV_AUDIO) continue
    const track = tag.typeId === FLV_VIDEO ? video : audio
    const sound = { isKey: true, compositionMs: 0 }
    const head = track === video ? parseVideoTag(tag.payload) : { ...sound, ...parseAudioTag(tag.payload) }
    const { codec, type, bodyOffset, isKey, compositionMs } = head
    const bytes = tag.payload.subarray(bodyOffset)
    if (type === 'header') Object.assign(track, { codec, config: bytes })
    if (type !== 'frame' || bytes.length === 0) continue
    track.codec = codec
    track.frames.push({ dtsMs: tag.timestampMs, compositionMs, isKey, bytes })
  }
  return [video, audio].filter(({ frames }) => frames.length > 0)
}

function trackOf({ kind, codec, config, frames }: FlvTrack, id: number): Mp4Track {
  const first = frames[0]?.bytes ?? null
  return kind === 'video' ? videoTrack(id, codec, config, first) : audioTrack(id, codec, config, first)
}

/** All frames as samples; sound goes by its own time where a fragment begins, as a segmenter does it. */
export function samplesOf(track: Mp4Track, frames: readonly Frame[], cutsMs: readonly number[] = []): Sample[] {
  const sampler = new TrackSampler(track)
  const cuts = [...cutsMs]
  const samples = frames.map((frame) => {
    const isCut = cuts.length > 0 && frame.dtsMs >= (cuts[0] ?? 0)
    while (cuts.length > 0 && frame.dtsMs >= (cuts[0] ?? 0)) cuts.shift()
    return sampler.push(frame, isCut)
  })
  return [...samples, sampler.flush()].filter((sample) => sample !== null)
}

/** An FLV file as init segment and fragments. */
export interface Muxed {
  readonly tracks: readonly Mp4Track[]
  readonly samples: readonly (readonly Sample[])[]
  readonly init: Buffer
  readonly fragments: readonly Buffer[]
  /** All of it, one behind the other. */
  readonly file: Buffer
}

/**
 * Muxes tracks, with a new fragment at each key frame of the picture, or each second of sound alone; with `partMs`
 * parts of about that length, as Low-Latency HLS has them.
 */
export function mux(flv: readonly FlvTrack[], options: FragmentOptions & { partMs?: number } = {}): Muxed {
  const tracks = flv.map((track, index) => trackOf(track, index + 1))
  const isByKey = flv[0]?.kind === 'video' && options.partMs === undefined
  const cutsMs = cutsOf(flv[0]?.frames ?? [], isByKey, options.partMs)
  const samples = tracks.map((track, index) => samplesOf(track, flv[index]?.frames ?? [], cutsMs))
  const fragments = cutsMs.map((startMs, number) => {
    const [from, to] = [number === 0 ? 0 : startMs, cutsMs[number + 1] ?? Infinity]
    return writeFragment(number + 1, runsBetween(tracks, samples, from, to), options)
  })
  const init = initSegment(tracks)
  return { tracks, samples, init, fragments, file: Buffer.concat([init, ...fragments]) }
}

function cutsOf(frames: readonly Frame[], isByKey: boolean, partMs = 1000): number[] {
  const cuts: number[] = []
  for (const { dtsMs, isKey } of frames) {
    const last = cuts.at(-1)
    if (last === undefined || (isByKey ? isKey : dtsMs >= last + partMs)) cuts.push(dtsMs)
  }
  return cuts
}

function runsBetween(
  tracks: readonly Mp4Track[],
  samples: readonly (readonly Sample[])[],
  fromMs: number,
  toMs: number,
): Run[] {
  return tracks.map((track, index) => {
    const ms = ({ dts }: Sample): number => Math.round((dts * 1000) / track.timescale)
    const inside = (samples[index] ?? []).filter((sample) => ms(sample) >= fromMs && ms(sample) < toMs)
    return { track, samples: inside }
  })
}

/** A picture track of one codec that needs no more than a few bytes. */
export function plainTrack(kind: 'video' | 'audio', timescale = 90_000): Mp4Track {
  const sound = { width: 0, height: 0, frameTicks: () => 1024 }
  const picture = { width: 2, height: 2, frameTicks: null }
  const entry = Buffer.from('00000008', 'hex')
  const type = Buffer.from(kind === 'video' ? 'avc1' : 'mp4a')
  return {
    id: kind === 'video' ? 1 : 2,
    kind,
    timescale,
    entry: Buffer.concat([entry, type]),
    ...(kind === 'video' ? picture : sound),
  }
}

/** Turns a fragmented file into a plain one, as a recorder does it. */
export function finish(file: Buffer): Buffer {
  const reading = readRecording(file)
  const { head, ranges } = finishedMovie(reading.tracks, reading.index)
  return Buffer.concat([...head, ...ranges.map(({ offset, length }) => file.subarray(offset, offset + length))])
}

/** Reads a fragmented file to its end. */
export function readRecording(file: Buffer): RecordingReader {
  const reading = new RecordingReader(file.length)
  for (let range = reading.wanted; range; range = reading.wanted) {
    reading.push(file.subarray(range.offset, range.offset + range.length))
  }
  return reading
}

/** The same with every picture shown 80 ms earlier, some before their decode time. */
export function withNegativeComposition(flv: readonly FlvTrack[]): FlvTrack[] {
  const earlier = (frame: Frame): Frame => ({ ...frame, compositionMs: frame.compositionMs - 80 })
  return flv.map((track) => (track.kind === 'video' ? { ...track, frames: track.frames.map(earlier) } : track))
}
